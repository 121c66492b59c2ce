"""What a run gave, one file each: a benchmark that is killed loses the run it is in, and nothing else."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from .task import Settings


class BenchmarkError(Exception):
    """A run, or a folder of results, that cannot be used; the message says why."""


@dataclass(frozen=True)
class TrainedConfiguration:
    """One configuration after its training; `val_accuracy` is its best epoch's."""

    configuration: int
    val_accuracy: float
    epochs: int


@dataclass(frozen=True)
class Run:
    """One run of one contender.

    Attributes:
        list_name, who, repeat: which one; repeats count from 1.
        seconds, peak_pss_mb: as measured from outside.
        trained: each configuration once.
        load: the machine's load average (1 min) just before; above its noise, others were at work.
        info: machine and versions.
    """

    list_name: str
    who: str
    repeat: int
    seconds: float
    peak_pss_mb: float
    trained: tuple[TrainedConfiguration, ...]
    load: float
    info: Mapping[str, str]

    @property
    def epochs_per_second(self) -> float:
        return sum(each.epochs for each in self.trained) / self.seconds

    @property
    def accuracy(self) -> float:
        """Mean over the configurations."""
        return statistics.fmean(each.val_accuracy for each in self.trained)


def check(trained: list[TrainedConfiguration], settings: Settings, list_name: str) -> tuple[TrainedConfiguration, ...]:
    """The configurations in order, each once and to its last epoch.

    Raises:
        BenchmarkError: a contender did other work than the rest, so its time says nothing.
    """
    ordered = sorted(trained, key=lambda each: each.configuration)
    expected = list(range(len(settings.of(list_name))))
    if [each.configuration for each in ordered] != expected:
        raise BenchmarkError(f"trained {[each.configuration for each in ordered]}, not each of {expected} once")
    if wrong := [each for each in ordered if each.epochs != settings.epochs]:
        raise BenchmarkError(f"must train {settings.epochs} epochs, but got {wrong[0]}")
    return tuple(ordered)


class Folder:
    """A folder of results: settings.json, runs/LIST-WHO-REPEAT.json, logs, the data of the peers."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def data(self) -> Path:
        return self.root / "data"

    def log(self, list_name: str, who: str, repeat: int) -> Path:
        return self.root / "logs" / f"{list_name}-{who}-{repeat}.log"

    def open(self, settings: Settings) -> None:
        """Make the folder, or go on in it.

        Raises:
            BenchmarkError: it holds runs with other settings.
        """
        for name in ("runs", "logs"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        file = self.root / "settings.json"
        if file.exists() and (known := json.loads(file.read_text())) != asdict(settings):
            raise BenchmarkError(f"{self.root} holds runs with {known}, not {asdict(settings)}; name another --out")
        file.write_text(json.dumps(asdict(settings)))

    def has(self, list_name: str, who: str, repeat: int) -> bool:
        return self._file(list_name, who, repeat).exists()

    def save(self, run: Run) -> None:
        file = self._file(run.list_name, run.who, run.repeat)
        # Renamed into place: a file that is there is whole.
        scratch = file.with_suffix(".part")
        scratch.write_text(json.dumps(asdict(run), indent=1), encoding="utf-8")
        scratch.rename(file)

    def runs(self) -> Iterator[Run]:
        for file in sorted((self.root / "runs").glob("*.json")):
            content = json.loads(file.read_text(encoding="utf-8"))
            trained = tuple(TrainedConfiguration(**each) for each in content.pop("trained"))
            yield Run(trained=trained, **content)

    def _file(self, list_name: str, who: str, repeat: int) -> Path:
        return self.root / "runs" / f"{list_name}-{who}-{repeat}.json"

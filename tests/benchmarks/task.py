"""One run of one contender, as a file: peers are processes of their own and read it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .configurations import EPOCHS, LISTS, Configuration

SAMPLE_IMAGES, ALL_IMAGES = 2_000, 60_000
TRAIN_EXAMPLES = 55_000


@dataclass(frozen=True)
class Settings:
    """What must be the same for all runs that one table compares.

    Attributes:
        epochs: of each configuration.
        train_examples: the rest of the dataset validates. Fewer than 2,000 come from the packaged sample.
        configurations: how many of each list, from its start; None for all.
    """

    epochs: int = EPOCHS
    train_examples: int = TRAIN_EXAMPLES
    configurations: int | None = None

    def data_section(self) -> dict[str, Any]:
        """The `data:` section of hpsearch's configuration, without normalization."""
        small = self.train_examples < SAMPLE_IMAGES
        total = SAMPLE_IMAGES if small else ALL_IMAGES
        dataset = "fashion_mnist_sample" if small else "fashion_mnist"
        return {"dataset": dataset, "validation": total - self.train_examples}

    def of(self, list_name: str) -> tuple[Configuration, ...]:
        """The configurations of a list that are trained."""
        return LISTS[list_name][: self.configurations]


@dataclass(frozen=True)
class Task:
    """What a contender is to do.

    Attributes:
        settings: see there.
        list_name: which configurations.
        seed: configuration i trains with seed + i.
        data: folder with the arrays of `data.prepare`.
        home: an empty folder of its own.
    """

    settings: Settings
    list_name: str
    seed: int
    data: Path
    home: Path

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        return self.settings.of(self.list_name)

    @property
    def file(self) -> Path:
        return self.home / "task.json"

    @property
    def results(self) -> Path:
        """Where peers append a line for each trained configuration."""
        return self.home / "results.jsonl"

    def updates(self, index: int) -> int:
        """Updates in an epoch of configuration `index`, the last partial batch included."""
        batch_size: int = self.configurations[index]["batch_size"]
        return math.ceil(self.settings.train_examples / batch_size)

    def save(self) -> None:
        self.file.write_text(json.dumps(asdict(self), default=str), encoding="utf-8")

    @staticmethod
    def load(file: Path) -> Task:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Task(
            Settings(**content["settings"]),
            content["list_name"],
            content["seed"],
            Path(content["data"]),
            Path(content["home"]),
        )

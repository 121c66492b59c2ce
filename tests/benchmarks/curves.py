"""Learning curves of random configurations on real Fashion-MNIST, recorded once; search methods are compared on them.

    python -m tests.benchmarks.curves record mlp --out FOLDER    # trains what FOLDER does not hold yet
    python -m tests.benchmarks.curves pack mlp --out FOLDER      # writes the file beside this module

A pool holds each optimizer's Keras defaults first, then configurations that Optuna's random sampler has drawn. Each is
trained for all of its epochs, without early stopping, with a seed of its own.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpsearch.config.study import StudySpec, load_mapping
from hpsearch.config.trial import TrialConfig, parse_config
from hpsearch.executors.local import LocalExecutor
from hpsearch.executors.protocol import Job, TrialEnded, WorkerFailed, WorkerSlot
from hpsearch.search.runner import run_trials
from hpsearch.training.results import EpochMetrics, Outcome
from hpsearch.training.structure import needs_of, with_engine

HERE = Path(__file__).parent / "curves"
METRICS = ("val_accuracy", "val_loss", "accuracy", "loss")
EPOCHS = 27
ENGINES = {"mlp": "xla", "cnn": "graph"}


def _study(model: Mapping[str, Any], batch_sizes: Sequence[int], train_examples: int | None = None) -> dict[str, Any]:
    """Return a study file: three optimizers and four schedules with the catalogue's recommended ranges."""
    return {
        "trial": {
            "data": {
                "dataset": "fashion_mnist",
                "train_examples": train_examples,
                "validation": 5000,
                "normalization": "rescale",
            },
            "model": dict(model),
            "optimizer": {"choice": ["sgd", "rmsprop", "adam"]},
            "schedule": {"choice": ["constant", "inverse_time", "exponential", "cosine"]},
            "batch_size": {"choice": list(batch_sizes)},
            "training": {"max_epochs": EPOCHS, "early_stopping": None},
        },
        "search": {"sampler": "random", "pruner": "none", "seed": 0},
    }


@dataclass(frozen=True)
class Pool:
    """Configurations of one space.

    Attributes:
        study: the study file with the space, without a name.
        size: the number of random configurations.
    """

    study: Mapping[str, Any]
    size: int

    def spec(self) -> StudySpec:
        return load_mapping({**self.study, "name": "curves"}, Path("curves"))


MLP = {"architecture": "mlp", "units": [128], "activation": "relu", "batch_normalization": True}
CNN = {"architecture": "cnn", "filters": [8, 16], "kernel_size": 3, "units": [32], "batch_normalization": True}
POOLS = {
    "mlp": Pool(_study(MLP, [32, 64, 128, 256], 12_000), 300),
    "cnn": Pool(_study(CNN, [32, 64, 128, 256], 12_000), 40),
}


def draw(pool: Pool) -> list[dict[str, Any]]:
    """Return each member's parameters as Optuna holds them (`params`) and its configuration (`config`)."""
    import optuna
    from optuna.trial import FixedTrial

    from hpsearch.config.matching import baselines
    from hpsearch.search.sampling import suggest

    spec = pool.spec()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    members = []
    for params in baselines(spec.space):
        trial = FixedTrial(params)
        members.append((trial, suggest(trial, spec.space)))
    for _ in range(pool.size):
        asked = study.ask()
        members.append((asked, suggest(asked, spec.space)))
    return [
        {"params": trial.params, "config": spec.config({**drawn, "seed": number}).plain()}
        for number, (trial, drawn) in enumerate(members)
    ]


class _Recording:
    """The policy of a recording: trains the members one after the other; writes a file for each."""

    def __init__(self, pool: str, members: Sequence[Mapping[str, Any]], folder: Path) -> None:
        self._engines = {pool: ENGINES[pool]}
        self._objective = POOLS[pool].spec().objective.model_dump(mode="json")
        self._members, self._folder = members, folder
        self._configs = [self._config(member["config"]) for member in members]
        self._needs = [needs_of(config) for config in self._configs]
        # Those of one optimizer and batch size after each other, so that a worker finds what it has compiled.
        self._waiting = sorted(
            (number for number in range(len(members)) if not self._file(number).exists()), key=self._structure
        )
        self._epochs: dict[int, list[EpochMetrics]] = {}
        self.failed: list[str] = []
        self.over = False

    def _structure(self, number: int) -> tuple[str, int]:
        config = self._members[number]["config"]
        return config["optimizer"]["name"], config["batch_size"]

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.json"

    def next_job(self, slots: Sequence[WorkerSlot]) -> Job | None:
        if not self._waiting:
            return None
        free = [slot.compiled for slot in slots if not slot.busy]
        number = max(self._waiting, key=lambda each: max(len(self._needs[each] & compiled) for compiled in free))
        self._waiting.remove(number)
        self._epochs[number] = []
        return Job(number, self._configs[number].plain(), self._objective, self._needs[number])

    def _config(self, plain: Mapping[str, Any]) -> TrialConfig:
        config = parse_config(plain)
        assert isinstance(config, TrialConfig)
        return with_engine(config, self._engines)

    def epoch_done(self, trial: int, metrics: EpochMetrics) -> bool:
        self._epochs[trial].append(metrics)
        return True

    def trial_ended(self, end: TrialEnded) -> None:
        if end.outcome is Outcome.FAILED:
            self.failed.append(f"{end.trial}: {end.detail}")
            return
        curve = {name: [epoch.metrics.get(name) for epoch in self._epochs[end.trial]] for name in METRICS}
        part = self._file(end.trial).with_suffix(".part")
        part.write_text(json.dumps(curve), encoding="utf-8")
        part.replace(self._file(end.trial))
        left = len(self._waiting)
        print(f"{end.trial}: {max(x or 0 for x in curve['val_accuracy']):.4f} ({left} wait)", flush=True)

    def worker_failed(self, failure: WorkerFailed) -> None:
        self.failed.append(f"{failure.trial}: {failure.detail}")

    def interrupted(self, trial: int) -> None:
        """Nothing is kept of it; the same command trains it again."""

    def announce(self) -> None:
        """There are no listeners."""


def record(pool: str, out: Path, workers: int) -> list[str]:
    """Train the members that `out` holds no curve of; return what failed."""
    folder = out / pool
    folder.mkdir(parents=True, exist_ok=True)
    listing = folder / "members.json"
    if not listing.exists():
        listing.write_text(json.dumps(draw(POOLS[pool])), encoding="utf-8")
    policy = _Recording(pool, json.loads(listing.read_text(encoding="utf-8")), folder)
    executor = LocalExecutor(workers, folder / "workers.log", print, threads=1)
    try:
        run_trials(executor, policy)
    finally:
        executor.close()
    return policy.failed


def pack(pool: str, out: Path) -> Path:
    """Write the pool's compressed file from a complete recording; return it.

    Raises:
        FileNotFoundError: a curve has not been recorded.
    """
    folder = out / pool
    members = json.loads((folder / "members.json").read_text(encoding="utf-8"))
    curves = [json.loads((folder / f"{number}.json").read_text(encoding="utf-8")) for number in range(len(members))]
    rounded = [{name: [_rounded(x) for x in values] for name, values in curve.items()} for curve in curves]
    content = [{**member, "curve": curve} for member, curve in zip(members, rounded, strict=True)]
    HERE.mkdir(exist_ok=True)
    file = HERE / f"{pool}.json.xz"
    file.write_bytes(lzma.compress(json.dumps(content, sort_keys=True).encode(), preset=9))
    return file


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def read(pool: str) -> list[dict[str, Any]]:
    """Return the members of a pool: `params`, `config` and `curve`, its metrics by epoch."""
    found: list[dict[str, Any]] = json.loads(lzma.decompress((HERE / f"{pool}.json.xz").read_bytes()))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.curves", description=__doc__)
    parser.add_argument("what", choices=["draw", "record", "pack"])
    parser.add_argument("pool", choices=POOLS)
    parser.add_argument("--out", type=Path, required=True, help="folder of the recording; an existing one is continued")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.what == "pack":
        print(pack(options.pool, options.out))
        return 0
    failed = record(options.pool, options.out, options.workers)
    print("\n".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

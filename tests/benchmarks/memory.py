"""Resident memory of one worker over many small trials, each of a structure of its own.

python -m benchmarks.memory [trials]     (PYTHONPATH=.:tests; 300 take five minutes)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

import psutil

from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.data.store import obtain
from hpsearch.executors.local import LocalExecutor
from hpsearch.executors.protocol import Decision, EpochDone, Job
from hpsearch.training.structure import needs_of

# A worker is replaced after 25 structures: what it holds rises for so many trials, and begins again.
EARLY, WINDOW, SPREAD = 50, 25, 0.10
OPTIMIZERS = ("sgd", "adam", "rmsprop")
ACTIVATIONS = ("relu", "tanh", "sigmoid")


def config_of(number: int) -> TrialConfig:
    """No two of them share what is compiled."""
    model = {
        "architecture": "mlp",
        "units": [8 + number % 20, 8 + number // 20],
        "activation": ACTIVATIONS[number % 3],
        "batch_normalization": number % 2 == 0,
    }
    plain: dict[str, Any] = {
        "data": {"dataset": "fashion_mnist_sample", "train_examples": 400, "validation": 100},
        "model": model,
        "optimizer": OPTIMIZERS[number % len(OPTIMIZERS)],
        "batch_size": 50,
        "training": {"max_epochs": 1, "engine": "xla" if number % 4 == 0 else "graph"},
        "seed": number,
    }
    return TrialConfig.model_validate(plain)


def resident(trials: int, log: Path) -> list[int]:
    """Megabytes of the worker at the end of each trial."""
    executor, found = LocalExecutor(1, log, print), list[int]()
    try:
        for number in range(trials):
            config = config_of(number)
            executor.submit(Job(number, config.plain(), Objective().model_dump(mode="json"), needs_of(config)))
            while executor.slots()[0].busy:
                for event in executor.events(1.0):
                    if isinstance(event, EpochDone):
                        found.append(psutil.Process(executor.pids()[0]).memory_info().rss // 2**20)
                        executor.answer(number, Decision.CONTINUE)
            if number % 10 == 9:
                print(f"trial {number + 1}: {found[-1]} MB", flush=True)
    finally:
        executor.close()
    return found


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    obtain("fashion_mnist_sample")
    with tempfile.TemporaryDirectory() as folder:
        found = resident(trials, Path(folder) / "workers.log")
    for what, early, late in (
        (f"at trials {EARLY} and {trials}", found[EARLY - 1], found[-1]),
        (f"on average over the {WINDOW} trials before", fmean(found[EARLY - WINDOW : EARLY]), fmean(found[-WINDOW:])),
    ):
        change = late / early - 1
        print(f"{what}: {early:.0f} MB and {late:.0f} MB, {change:+.1%}")
    print(f"at most: {max(found)} MB")
    sys.exit(abs(change) > SPREAD)


if __name__ == "__main__":
    main()

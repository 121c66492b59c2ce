"""What outlives a trial's worker: its checkpoint, and the record of what happened to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from hpsearch.search.records import CONFIG, WORKER_FAILURES, rows_of
from hpsearch.training.checkpoint import epochs_kept
from hpsearch.training.results import EpochMetrics


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a study's trials, a file each; workers write them.

    Attributes:
        folder: where they are; made when the first is written.
    """

    folder: Path

    def file(self, trial: int) -> Path:
        return self.folder / f"{trial}.npz"

    def rows_kept(self, waiting: FrozenTrial) -> tuple[EpochMetrics, ...]:
        """The epochs that an interrupted trial goes on after; none where it starts afresh."""
        config, rows = waiting.user_attrs.get(CONFIG), rows_of(waiting)
        return rows[: epochs_kept(self.file(waiting.number), config, rows)] if config else ()

    def forget(self, trial: int) -> None:
        with suppress(OSError):
            self.file(trial).unlink()

    def tidy(self, unfinished: Collection[int]) -> None:
        """Remove what a coordinator that died has left: of trials that are over, and what was half written."""
        names = {self.file(number).name for number in unfinished}
        for file in self.folder.glob("*"):
            if file.name not in names:
                with suppress(OSError):
                    file.unlink()


def record_worker_failure(trial: optuna.Trial, reason: str) -> int:
    """Write down that a running trial has lost its worker: how often it now has without coming further than before."""
    worker_failures = [*trial.user_attrs.get(WORKER_FAILURES, []), {"epoch": len(rows_of(trial)), "reason": reason}]
    trial.set_user_attr(WORKER_FAILURES, worker_failures)
    return in_vain(worker_failures)


def in_vain(worker_failures: Sequence[Mapping[str, Any]]) -> int:
    """How many of the latest worker_failures there are since the trial last came further."""
    furthest, count = -1, 0
    for loss in worker_failures:
        count = 1 if loss["epoch"] > furthest else count + 1
        furthest = max(furthest, loss["epoch"])
    return count

"""The small protocol between the coordinator and whatever runs its trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hpsearch.training.results import EpochRow, Outcome

# A worker's first word: it has come up.
READY = "ready"


@dataclass(frozen=True)
class Job:
    """One trial to train: its number, a TrialConfig and an Objective as plain data."""

    trial: int
    config: Mapping[str, Any]
    objective: Mapping[str, Any]


@dataclass(frozen=True)
class EpochDone:
    """A trial finished an epoch; it waits for `go_on` or `prune`."""

    trial: int
    row: EpochRow


@dataclass(frozen=True)
class TrialEnded:
    """A trial ended by itself, by pruning or by an error.

    Attributes:
        detail: one line about a failure, else empty.
        traceback: of the failure, else empty.
        facts: what the worker knows about the training, for instance the number of weights.
    """

    trial: int
    outcome: Outcome
    detail: str
    traceback: str
    facts: Mapping[str, Any]


Event = EpochDone | TrialEnded


class Executor(Protocol):
    """Runs jobs somewhere. Used by one thread."""

    def free(self) -> int:
        """How many jobs can be taken now."""
        ...

    def submit(self, job: Job) -> None:
        """Begin a job; there must be a free place."""
        ...

    def events(self, timeout: float) -> list[Event]:
        """What happened since the last call; waits `timeout` seconds at most for something."""
        ...

    def go_on(self, trial: int) -> None:
        """Answer to EpochDone: train the next epoch."""
        ...

    def prune(self, trial: int) -> None:
        """Answer to EpochDone: stop here; TrialEnded follows."""
        ...

    def close(self) -> None:
        """End everything that still runs, at once; no process is left."""
        ...

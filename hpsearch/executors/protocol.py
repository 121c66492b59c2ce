"""The protocol between the coordinator and an executor, which runs its trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from hpsearch.config.file import Limits
from hpsearch.training.results import EpochMetrics, Outcome

# A worker's first message: it has started.
READY = "ready"
# The info of every training with the number of threads of its worker, on which the last bits of sums depend.
THREADS = "threads"
# What an inspection finds: the digest of a dataset beside the fields of a UserDataset.
DIGEST = "digest"


@dataclass(frozen=True)
class Job:
    """One trial to train: its number, a TrialConfig and an Objective as plain data.

    Attributes:
        needs: names of what will be compiled for it where it is not there yet.
        limits: of the study.
        checkpoint: file for its state; empty: nothing is kept.
        epochs: the number of epochs that it has finished; `checkpoint` holds its state after the last of them.
        seconds: so long it has trained already.
        model: file for the trained model, best epoch's weights; empty: it is not kept.
        tests: whether the trained model is evaluated on the test images.
        reads: in place of training, the files of models to evaluate on the test images.
        system_metrics: whether each epoch also has metrics of the machine.
        inspects: in place of training, read the training part of the user's own dataset and check it.
        data: the digest that the user's own dataset must have; empty: any.
        sources: the digests that the user's modules must have, by the absolute paths of their files.
    """

    trial: int
    config: Mapping[str, Any]
    objective: Mapping[str, Any]
    needs: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    checkpoint: str = ""
    epochs: int = 0
    seconds: float = 0.0
    model: str = ""
    tests: bool = False
    reads: tuple[str, ...] = ()
    system_metrics: bool = False
    inspects: bool = False
    data: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)

    def absolute(self) -> Job:
        """Return the job with absolute paths: a user's code may change the current folder of its worker."""

        def path(file: str) -> str:
            return str(Path(file).absolute()) if file else ""

        reads = tuple(map(path, self.reads))
        return replace(self, checkpoint=path(self.checkpoint), model=path(self.model), reads=reads)


@dataclass(frozen=True)
class WorkerSlot:
    """Where one trial at a time can run.

    Attributes:
        compiled: names of the functions that were compiled there.
    """

    busy: bool
    compiled: frozenset[str]


@dataclass(frozen=True)
class EpochDone:
    """A trial finished an epoch; it waits for `continue_trial` or `prune`."""

    trial: int
    metrics: EpochMetrics


@dataclass(frozen=True)
class TrialEnded:
    """A trial ended by itself, by pruning or by an error.

    Attributes:
        detail: one line about a failure, else empty.
        traceback: of the failure, else empty.
        info: what the worker reports about the training: the number of weights, its `threads`.
        needs_restart: whether the worker should be replaced, since it has grown.
        changed: whether it was not trained because its data or its modules are other ones than the job names.
    """

    trial: int
    outcome: Outcome
    detail: str
    traceback: str
    info: Mapping[str, Any]
    needs_restart: bool = False
    changed: bool = False


@dataclass(frozen=True)
class WorkerFailed:
    """A trial's worker died or was stuck, through no known fault of the trial; there is a new worker.

    Attributes:
        detail: what happened, in a line.
    """

    trial: int
    detail: str


Event = EpochDone | TrialEnded | WorkerFailed


class Executor(Protocol):
    """Runs jobs somewhere. Used by one thread."""

    def slots(self) -> list[WorkerSlot]:
        """Return all worker slots, in any order."""
        ...

    def submit(self, job: Job) -> None:
        """Begin a job in the free worker slot that has compiled most of its functions; there must be a free one."""
        ...

    def events(self, timeout: float) -> list[Event]:
        """Return the events since the last call; wait at most `timeout` seconds for one."""
        ...

    def continue_trial(self, trial: int) -> None:
        """Answer to EpochDone: train the next epoch."""
        ...

    def prune(self, trial: int) -> None:
        """Answer to EpochDone: stop here; TrialEnded follows."""
        ...

    def close(self) -> None:
        """End everything that still runs, at once; no process is left."""
        ...

"""The protocol between the coordinator and an executor, which runs its trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from hpsearch.config.file import Limits
from hpsearch.training.results import EpochMetrics, Outcome

# A worker's first message: it has started.
READY = "ready"
# Key in `info`: the worker's number of threads, on which the last bits of sums depend.
THREADS = "threads"
# Key in `info` of an inspection: the digest of the dataset. The other keys are the fields of a UserDataset.
DIGEST = "digest"


@dataclass(frozen=True)
class Job:
    """One trial to train, or another task for a worker; the configuration and the Objective are plain data.

    Attributes:
        trial: the trial's number.
        needs: names of the functions that it uses; the worker compiles those that it does not have.
        limits: the study's limits.
        checkpoint: file for its state; empty: the state is not saved.
        finished_epochs: the number of epochs trained so far; `checkpoint` holds the state after the last of them.
        seconds: how long it has already trained.
        model: file for the trained model with the weights of the best epoch; empty: the model is not saved.
        test_after: whether the trained model is evaluated on the test images.
        models_to_test: files of models to evaluate on the test images, in place of training.
        system_metrics: whether each epoch also has metrics of the machine.
        inspect_data: whether to read and check the training part of the user's own dataset, in place of training.
        data_digest: the digest that the user's own dataset must have; empty: any.
        source_digests: the digests that the user's modules must have, by the absolute paths of their files.
    """

    trial: int
    config: Mapping[str, Any]
    objective: Mapping[str, Any]
    needs: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    checkpoint: str = ""
    finished_epochs: int = 0
    seconds: float = 0.0
    model: str = ""
    test_after: bool = False
    models_to_test: tuple[str, ...] = ()
    system_metrics: bool = False
    inspect_data: bool = False
    data_digest: str = ""
    source_digests: Mapping[str, str] = field(default_factory=dict)

    def absolute(self) -> Job:
        """Return the job with absolute paths: a user's code may change the current folder of its worker."""

        def path(file: str) -> str:
            return str(Path(file).absolute()) if file else ""

        models = tuple(map(path, self.models_to_test))
        return replace(self, checkpoint=path(self.checkpoint), model=path(self.model), models_to_test=models)


@dataclass(frozen=True)
class WorkerSlot:
    """A worker, started or not yet, which runs one job at a time.

    Attributes:
        compiled: names of the functions of the jobs sent to this worker, compiled or about to be.
    """

    busy: bool
    compiled: frozenset[str]


class Decision(Enum):
    """What becomes of a trial after an epoch."""

    CONTINUE = "it trains the next epoch"
    PAUSE = "it ends for now, and its state is kept"
    PRUNE = "it ends"


@dataclass(frozen=True)
class EpochDone:
    """A trial finished an epoch; it waits for `answer`."""

    trial: int
    metrics: EpochMetrics


@dataclass(frozen=True)
class TrialEnded:
    """A trial ended by itself, by pruning, by a limit or by an error.

    Attributes:
        detail: one line about a failure, else empty.
        traceback: of the failure, else empty.
        info: further results of the job, for instance the number of weights, and the worker's number of threads.
        needs_restart: whether the worker should be replaced: it has built many executables, or its memory has grown.
        changed: whether it was not trained because its data or its modules do not have the digests in the job.
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
    """Runs jobs, for instance in processes on this machine. It is used by one thread only."""

    def slots(self) -> list[WorkerSlot]:
        """Return all worker slots, in any order."""
        ...

    def submit(self, job: Job) -> None:
        """Begin a job in the free worker slot that has compiled most of its functions; one slot must be free."""
        ...

    def events(self, timeout: float) -> list[Event]:
        """Return the events since the last call; wait at most `timeout` seconds for one."""
        ...

    def answer(self, trial: int, decision: Decision) -> None:
        """Answer to EpochDone. TrialEnded follows, unless the trial continues."""
        ...

    def close(self) -> None:
        """End all workers at once; no process is left."""
        ...

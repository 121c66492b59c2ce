"""The one loop over an executor's events. It runs every training, in a study or outside of one.

A policy decides what to train next and whether a training continues after an epoch. The policy of a study is
`hpsearch.search.coordinator`, which asks Optuna; the policy of given trainings is `JobList`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from hpsearch.executors.protocol import Decision, EpochDone, Executor, Job, TrialEnded, WorkerFailed, WorkerSlot
from hpsearch.training.results import EpochMetrics

# The longest time, in seconds, between two looks for a stop, and between two calls of `announce`.
POLL_SECONDS = 0.2


class Policy(Protocol):
    """Decides what to train, and for how many epochs.

    Attributes:
        over: whether the run must end now, even if trials still run.
    """

    @property
    def over(self) -> bool: ...

    def next_job(self, slots: Sequence[WorkerSlot]) -> Job | None:
        """Return the next job for a free worker; None if there is none now."""
        ...

    def epoch_done(self, trial: int, metrics: EpochMetrics) -> Decision:
        """Record an epoch; return what becomes of the trial. Its worker waits for the answer."""
        ...

    def trial_ended(self, end: TrialEnded) -> None:
        """Record the end of a trial."""
        ...

    def worker_failed(self, failure: WorkerFailed) -> None:
        """Record that a trial's worker failed; `next_job` may return the trial again."""
        ...

    def interrupted(self, trial: int) -> None:
        """Record that a trial still ran when the run ended."""
        ...

    def announce(self) -> None:
        """Inform the listeners. Called after each event and at least every POLL_SECONDS seconds."""
        ...


def run_trials(executor: Executor, policy: Policy, stopped: Callable[[], bool] = lambda: False) -> None:
    """Train the jobs of a policy.

    Args:
        executor: runs the jobs; the caller closes it.
        policy: decides what to train.
        stopped: returns whether the user asks to stop.
    """
    running: set[int] = set()

    def over() -> bool:
        return stopped() or policy.over

    def submit_jobs() -> None:
        while not over() and any(not slot.busy for slot in executor.slots()):
            job = policy.next_job(executor.slots())
            if job is None:
                return
            executor.submit(job)
            running.add(job.trial)

    submit_jobs()
    policy.announce()
    while running and not over():
        for event in executor.events(POLL_SECONDS):
            # A stop signal may reach the workers, too. Their trials have not failed.
            if event.trial not in running or (stopped() and isinstance(event, WorkerFailed)):
                continue
            if isinstance(event, EpochDone):
                executor.answer(event.trial, policy.epoch_done(event.trial, event.metrics))
            else:
                running.remove(event.trial)
                if isinstance(event, TrialEnded):
                    policy.trial_ended(event)
                else:
                    policy.worker_failed(event)
            policy.announce()
        submit_jobs()
        policy.announce()
    for trial in running:
        policy.interrupted(trial)


class JobList:
    """The policy of given jobs: train each of them to its end, in the given order.

    Args:
        jobs: the jobs to train.
        retries: how often a job is started again after its worker failed.

    Attributes:
        epochs: the finished epochs of each trial that has begun.
        ends: the last event of each trial that has ended; WorkerFailed if its worker failed too often.
        over: always False: the run ends when every job has ended.
    """

    def __init__(self, jobs: Iterable[Job], retries: int = 2) -> None:
        self._waiting, self._retries = deque(jobs), retries
        self._jobs: dict[int, Job] = {}
        self._failures: Counter[int] = Counter()
        self.epochs: dict[int, list[EpochMetrics]] = {}
        self.ends: dict[int, TrialEnded | WorkerFailed] = {}
        self.over = False

    def next_job(self, slots: Sequence[WorkerSlot]) -> Job | None:  # noqa: ARG002
        if not self._waiting:
            return None
        job = self._waiting.popleft()
        self._jobs[job.trial] = job
        self.epochs[job.trial] = []
        return job

    def epoch_done(self, trial: int, metrics: EpochMetrics) -> Decision:
        self.epochs[trial].append(metrics)
        return Decision.CONTINUE

    def trial_ended(self, end: TrialEnded) -> None:
        self.ends[end.trial] = end

    def worker_failed(self, failure: WorkerFailed) -> None:
        self._failures[failure.trial] += 1
        if self._failures[failure.trial] <= self._retries:
            self._waiting.appendleft(self._jobs[failure.trial])
        else:
            self.ends[failure.trial] = failure

    def interrupted(self, trial: int) -> None:
        """Do nothing: an interrupted job is dropped."""

    def announce(self) -> None:
        """Do nothing: there are no listeners."""


def run_job(
    executor: Executor, job: Job, stopped: Callable[[], bool] = lambda: False
) -> TrialEnded | WorkerFailed | None:
    """Run one job; return how it ended, or None if the user stopped it."""
    policy = JobList([job], retries=0)
    run_trials(executor, policy, stopped)
    return policy.ends.get(job.trial)

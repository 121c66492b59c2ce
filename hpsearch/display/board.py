"""The state of a running study as the views of the terminal show it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from hpsearch.config.file import Objective
from hpsearch.config.trial import AnyConfig, TrainableConfig
from hpsearch.config.varied import Varied
from hpsearch.search.listeners import Listener, StudyStarted
from hpsearch.search.records import TrialRecord, best_trial
from hpsearch.search.stages import Stage
from hpsearch.training.results import UNFINISHED, EpochMetrics, Outcome

# The number of epochs that count as half of a training of unknown length.
_HALF = 10


@dataclass
class Running:
    """A trial that is running, with its epochs so far."""

    config: AnyConfig
    epochs: list[EpochMetrics] = field(default_factory=list)


class Board(Listener):
    """The state that both views show: running trials, ended trials, the best so far, the time."""

    def __init__(self) -> None:
        self._objective = Objective()
        self._total = 0
        self._stage = Stage.SEARCH
        self._varied = Varied((), {})
        self._began = time.monotonic()
        self._running: dict[int, Running] = {}
        self._ended: dict[int, TrialRecord] = {}
        self._paused: set[int] = set()
        # Of the ended trials: the best one, how many count, and the most epochs of one that trained to its end.
        self._leader: TrialRecord | None = None
        self._count = self._longest = 0
        # The number of trials that counted before this run.
        self._before = 0
        # The number of trials that are done, running ones in part.
        self._done = 0.0

    def study_started(self, event: StudyStarted) -> None:
        self._objective, self._total, self._stage = event.spec.objective, event.total, event.stage
        # Later stages train the same configuration with several seeds.
        self._varied = event.spec.varied if event.stage is Stage.SEARCH else event.spec.varied.with_seed()
        self._ended, self._leader, self._count, self._longest = {}, None, 0, 0
        self._paused = set()
        for record in event.records:
            if record.outcome and record.outcome not in UNFINISHED:
                self._add(record)
            elif record.outcome is Outcome.PAUSED and record.continues is None:
                self._paused.add(record.number)
        self._before, self._began = self._counted(), time.monotonic()

    def trial_started(self, record: TrialRecord) -> None:
        self._paused.discard(record.number)
        assert record.config is not None
        self._running[record.number] = Running(record.config, list(record.epochs))

    def epoch_done(self, number: int, epoch: EpochMetrics) -> None:
        self._running[number].epochs.append(epoch)

    def trial_ended(self, record: TrialRecord) -> None:
        self._running.pop(record.number, None)
        self._paused.discard(record.number)
        self._add(record)

    def trial_paused(self, record: TrialRecord) -> None:
        self._running.pop(record.number, None)
        if record.continues is None:
            self._paused.add(record.number)

    def _add(self, record: TrialRecord) -> None:
        self._ended[record.number] = record
        # One that takes over a paused trial of an earlier search does not count again.
        counts = record.outcome is not Outcome.FAILED and record.continues is None
        self._count += self._stage is not Stage.SEARCH or counts
        self._longest = max(self._longest, len(record.epochs)) if record.good else self._longest
        self._leader = best_trial(filter(None, [self._leader, record]), self._objective)

    def trial_interrupted(self, number: int) -> None:
        self._running.pop(number, None)

    def _best(self) -> TrialRecord | None:
        return self._leader

    def _counted(self) -> int:
        """Return how many trials count toward the total: paused ones, too; in a search, failed trials do not."""
        return self._count + len(self._paused)

    def _done_trials(self) -> float:
        """Return how many trials are done, a running one in part: its epochs over the most that it may train.

        The number never falls while a study runs, although the length of a user's own training is only an estimate.
        """
        running = sum(_share(len(each.epochs), each.config, self._longest) for each in self._running.values())
        self._done = min(float(self._total), max(self._done, self._counted() + running))
        return self._done

    def _left(self) -> str:
        """Return the time left, estimated from the speed of this run; empty before its first trial has ended."""
        done = self._done_trials()
        if self._counted() <= self._before or done <= self._before:
            return ""
        seconds = (time.monotonic() - self._began) / (done - self._before) * (self._total - done)
        return f"about {clock_text(max(0.0, seconds))} left"


def _share(epochs: int, config: AnyConfig, longest: int) -> float:
    """Return which part of a running trial is done.

    Args:
        longest: the most epochs of a trial that trained to its end; 0 where none has.
    """
    if not isinstance(config, TrainableConfig):
        return min(1.0, epochs / config.training.last_epoch)
    return min(0.95, epochs / longest) if longest else epochs / (epochs + _HALF)


def number_text(value: float) -> str:
    """Return a number with four decimals; a very small or large one with four significant digits."""
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1e5 else f"{value:.4g}"


def clock_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

"""The protocol of whoever follows a study: MLflow, the terminal. A listener is only told; it decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hpsearch.config.study import StudySpec
from hpsearch.config.trial import AnyConfig
from hpsearch.search.finals import Finals, chosen_of
from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Stage
from hpsearch.training.results import EpochMetrics


@dataclass(frozen=True)
class StudyStarted:
    """A run of a study begins.

    Attributes:
        spec: the checked study file.
        text: the study file as it was run, `--set` applied.
        records: the trials that the study has already, by number.
        total: the number of trials it is to have in the end.
        workers: how many trials run at once.
        stage: which part of the study; of another than the search, `records` and the numbers in what follows are its
            own.
    """

    spec: StudySpec
    text: str
    records: Sequence[TrialRecord]
    total: int
    workers: int
    stage: Stage = Stage.SEARCH


@dataclass(frozen=True)
class TrialStarted:
    """A trial goes to a worker; one that was interrupted before keeps its number.

    Attributes:
        rows: the epochs that it goes on after; none where it starts afresh.
        of: of a finalist's training the trial that it trains again.
        contents: as in its TrialRecord.
        retry_of: the failed trial whose configuration is tried again.
    """

    number: int
    config: AnyConfig
    baseline: bool
    rows: Sequence[EpochMetrics] = ()
    of: int | None = None
    contents: Mapping[str, str] = field(default_factory=dict)
    retry_of: int | None = None


@dataclass(frozen=True)
class StudyEnded:
    """A run of a study is over.

    Attributes:
        records: every trial of the study, by number.
        best: the best good one; None where there is none.
        interrupted: a person stopped it.
        stopped: why it stopped by itself before its end; empty where it did not.
        exhausted: every configuration of the space has been tried, so there are no more trials.
        seconds: wall time of this run.
        epochs: epochs trained by this run, in its search.
        finals: what its finalists came to, as far as there are any.
        lacking: the MLflow addresses that lack a part of the study (`hpsearch.search.addresses`).
    """

    records: Sequence[TrialRecord]
    best: TrialRecord | None
    interrupted: bool
    seconds: float
    epochs: int
    stopped: str = ""
    finals: Finals | None = None
    lacking: tuple[str, ...] = ()
    exhausted: bool = False

    @property
    def chosen(self) -> TrialRecord | None:
        """The trial to take away."""
        return chosen_of(self.records, self.finals, self.best)


class Listener:
    """Follows a study; override what is of interest. Called in the coordinator, off the training path.

    Attributes:
        behind: once the study has ended, whether what this one keeps of it lacks a part.
    """

    behind = False

    def study_started(self, event: StudyStarted) -> None:
        """Before the first trial."""

    def trial_started(self, event: TrialStarted) -> None:
        """A worker has taken the trial."""

    def epoch_done(self, number: int, row: EpochMetrics) -> None:
        """A trial finished an epoch."""

    def trial_ended(self, record: TrialRecord) -> None:
        """A trial ended: its state, outcome, rows and best epoch are final."""

    def trial_interrupted(self, number: int) -> None:
        """A running trial was stopped; it waits to be run again."""

    def note(self, line: str) -> None:
        """Something a person should know, in a line."""

    def idle(self) -> None:
        """Called several times a second, for clocks."""

    def study_ended(self, event: StudyEnded) -> None:
        """The last call."""

    def close(self) -> None:
        """Also called when an error ends the run; frees what is held."""

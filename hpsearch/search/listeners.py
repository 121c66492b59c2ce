"""The protocol of listeners, which are informed of a running study and decide nothing: MLflow, the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpsearch.config.study import StudySpec
from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Finals, Stage, exported_trial_of
from hpsearch.training.results import EpochMetrics


@dataclass(frozen=True)
class StudyStarted:
    """A run of a study begins.

    Attributes:
        spec: the checked study file.
        text: the study file as it was run, `--set` applied.
        records: the trials that the study has already, by number.
        total: the number of trials that the study is to have.
        workers: the number of trials that run at once.
        stage: the part of the study. `records`, and the trial numbers of later events, are of this part.
    """

    spec: StudySpec
    text: str
    records: Sequence[TrialRecord]
    total: int
    workers: int
    stage: Stage = Stage.SEARCH


@dataclass(frozen=True)
class StudyEnded:
    """A run of a study is over.

    Attributes:
        records: every trial of the study, by number.
        best: the best good one; None where there is none.
        interrupted: whether the user stopped it.
        stopped: the reason why it stopped by itself before its end, else empty.
        exhausted: whether every configuration of the space has been tried, so that there are no more trials.
        spent: why no further trial of the study started, if its budget is spent, else empty.
        seconds: wall time of this run.
        epochs: the number of epochs that this run trained in its search.
        finals: the results of the finalists; None: there are none.
        lacking: the MLflow addresses that lack a part of the study (`hpsearch.search.storage`).
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
    spent: str = ""

    @property
    def exported(self) -> TrialRecord | None:
        """The trial to export: the finalists' winner, else the best."""
        return exported_trial_of(self.records, self.finals, self.best)


class Listener:
    """A listener; override the methods of the events of interest. The coordinator calls them while workers train.

    Attributes:
        behind: once the study has ended, whether the listener's own copy of it lacks a part.
    """

    behind = False

    def study_started(self, event: StudyStarted) -> None:
        """Before the first trial."""

    def trial_started(self, record: TrialRecord) -> None:
        """A worker trains the trial; it continues after the epochs `record.epochs`."""

    def epoch_done(self, number: int, epoch: EpochMetrics) -> None:
        """A trial finished an epoch."""

    def trial_ended(self, record: TrialRecord) -> None:
        """A trial has ended: its state, outcome, epochs and best epoch are final."""

    def trial_interrupted(self, number: int) -> None:
        """A running trial was interrupted; it waits to be continued."""

    def note(self, line: str) -> None:
        """A line for the user."""

    def idle(self) -> None:
        """Called several times a second, for clocks."""

    def study_ended(self, event: StudyEnded) -> None:
        """The run of the study has ended."""

    def close(self) -> None:
        """Release resources; also called after an error."""

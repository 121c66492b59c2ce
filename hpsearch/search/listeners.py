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
        records: the existing trials of the study, by number.
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
        best: the best trial that ended well, or None.
        interrupted: whether the user stopped it.
        abort_reason: why the run aborted, else empty.
        no_new_configuration: whether the search ended because no new valid configuration was found, or, for a grid,
            because no failed point has retries left.
        budget_reason: why no further trial started, if the study's budget is spent, else empty.
        seconds: wall time of this run.
        epochs: the number of epochs that this run trained in its search.
        finals: the results of the finalists; None if there are none.
        lacking: the MLflow addresses that lack a part of the study (`hpsearch.search.storage`).
    """

    records: Sequence[TrialRecord]
    best: TrialRecord | None
    interrupted: bool
    seconds: float
    epochs: int
    abort_reason: str = ""
    finals: Finals | None = None
    lacking: tuple[str, ...] = ()
    no_new_configuration: bool = False
    budget_reason: str = ""

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
        """Called before any other event; the first trials may already train."""

    def trial_started(self, record: TrialRecord) -> None:
        """A worker trains the trial; it continues after the epochs `record.epochs`."""

    def epoch_done(self, number: int, epoch: EpochMetrics) -> None:
        """A trial finished an epoch."""

    def trial_ended(self, record: TrialRecord) -> None:
        """A trial has ended: its state, outcome, epochs and best epoch are final."""

    def trial_paused(self, record: TrialRecord) -> None:
        """A trial waits at a rung. It is continued (`trial_started`) or ends (`trial_ended`)."""

    def trial_interrupted(self, number: int) -> None:
        """A running trial was interrupted; it waits to be continued."""

    def note(self, line: str) -> None:
        """A line for the user."""

    def idle(self) -> None:
        """Called several times a second, for clocks."""

    def study_ended(self, event: StudyEnded) -> None:
        """The run of the study has ended."""

    def close(self) -> None:
        """Release resources. Also called after an error; may be called more than once."""

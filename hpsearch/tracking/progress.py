"""How far a study is, trial by trial: the metrics of its own run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import is_not

from hpsearch.config.file import Objective
from hpsearch.search.records import FINISHED, TrialRecord, best_trial
from hpsearch.tracking.mlflow_values import Row, milliseconds, name_of, numbers

_LABELS = {"COMPLETE": "trials_complete", "PRUNED": "trials_pruned", "FAIL": "trials_failed"}
DONE = "trials_done"
# Not `best_`, which the metrics of trials begin with: a search for trials by these must not find the study's own run.
_BEST = "study_best_"


def study_best_name(metric: str) -> str:
    """Return the name in MLflow of the best value of the objective so far, a metric of the study's own run."""
    return f"{_BEST}{name_of(metric)}"


class Progress:
    """The best value and counts after each trial that ended.

    It remembers what it has said: a study of a thousand trials asks a thousand times.

    Args:
        objective: of the study.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._told: list[TrialRecord] = []
        self._rows: list[Row] = []
        self._tally: dict[str, int] = {}
        self._best: TrialRecord | None = None

    def rows(self, records: Sequence[TrialRecord]) -> tuple[Row, ...]:
        """What changed after each trial, in the order in which they ended; before the first one all counts are 0."""
        ended = sorted((record for record in records if record.state in FINISHED), key=_when)
        if not self._rows or len(ended) < len(self._told) or any(map(is_not, ended, self._told)):
            first = min((milliseconds(r.started) for r in records if r.started), default=milliseconds())
            self._told, self._tally, self._best = [], dict.fromkeys(_LABELS.values(), 0), None
            self._rows = [Row(0, first, numbers({DONE: 0, **self._tally}))]
        for record in ended[len(self._told) :]:
            self._told.append(record)
            self._rows.append(Row(len(self._told), milliseconds(record.ended), numbers(self._changes(record))))
        return tuple(self._rows)

    def _changes(self, record: TrialRecord) -> dict[str, float]:
        best, label = self._best, _LABELS[record.state]
        self._tally[label] += 1
        changed: dict[str, float] = {DONE: len(self._told), label: self._tally[label]}
        leader = best_trial([each for each in (best, record) if each], self._objective)
        if leader and leader.best and leader is not best:
            changed["best_trial"] = leader.number
            if best is None or not _equal(best, leader):
                changed[study_best_name(self._objective.metric)] = leader.best.value
            self._best = leader
        return changed


def _when(record: TrialRecord) -> tuple[datetime, int]:
    return record.ended or datetime.min, record.number


def _equal(one: TrialRecord, other: TrialRecord) -> bool:
    return bool(one.best and other.best and one.best.value == other.best.value)

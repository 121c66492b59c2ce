"""The study's own run in MLflow: its metrics, trial by trial, and its description in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import is_not

from hpsearch.analysis.verdict import judge, markdown
from hpsearch.config.file import Objective
from hpsearch.config.study import StudySpec
from hpsearch.search.records import FINISHED, TrialRecord, best_trial, counts
from hpsearch.search.stages import Finals, exported_trial_of
from hpsearch.tracking.names import MetricRow, metric_values, milliseconds, name_of
from hpsearch.tracking.view_state import FINALISTS_KEY, NESTED_KEY, VIEW_KEY, VIEW_NAMES, varied_names, view_url

_LABELS = {"COMPLETE": "trials_complete", "PRUNED": "trials_pruned", "FAIL": "trials_failed"}
DONE = "trials_done"
# Not `best_`, the prefix of metrics of trials: a search for trials by such a metric must not find the study's own run.
_BEST = "study_best_"


def study_best_name(metric: str) -> str:
    """Return the name in MLflow of the best value of the objective so far, a metric of the study's own run."""
    return f"{_BEST}{name_of(metric)}"


class StudyMetrics:
    """The best value and the number of trials in each state, after each trial that ended.

    Computed rows are kept, since they are needed again after each of up to thousands of trials.

    Args:
        objective: of the study.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._counted: list[TrialRecord] = []
        self._rows: list[MetricRow] = []
        self._tally: dict[str, int] = {}
        self._best: TrialRecord | None = None

    def rows(self, records: Sequence[TrialRecord]) -> tuple[MetricRow, ...]:
        """Return the metrics that changed with each trial, in the order of the trials' ends; at step 0 all are 0."""
        ended = sorted((record for record in records if record.state in FINISHED), key=_end_time)
        if not self._rows or len(ended) < len(self._counted) or any(map(is_not, ended, self._counted)):
            first = min((milliseconds(r.started) for r in records if r.started), default=milliseconds())
            self._counted, self._tally, self._best = [], dict.fromkeys(_LABELS.values(), 0), None
            self._rows = [MetricRow(0, first, metric_values({DONE: 0, **self._tally}))]
        for record in ended[len(self._counted) :]:
            self._counted.append(record)
            changes = metric_values(self._changes(record))
            self._rows.append(MetricRow(len(self._counted), milliseconds(record.ended), changes))
        return tuple(self._rows)

    def _changes(self, record: TrialRecord) -> dict[str, float]:
        best, label = self._best, _LABELS[record.state]
        self._tally[label] += 1
        changed: dict[str, float] = {DONE: len(self._counted), label: self._tally[label]}
        leader = best_trial([each for each in (best, record) if each], self._objective)
        if leader and leader.best and leader is not best:
            changed["best_trial"] = leader.number
            if best is None or best.best is None or best.best.value != leader.best.value:
                changed[study_best_name(self._objective.metric)] = leader.best.value
            self._best = leader
        return changed


def _end_time(record: TrialRecord) -> tuple[datetime, int]:
    return record.ended or datetime.min, record.number


def study_note(spec: StudySpec, records: Sequence[TrialRecord], finals: Finals | None, *, running: bool) -> str:
    """Return the description of a study's own run: the study's description, its result and best configuration.

    Args:
        records: the trials, by number.
        finals: None: there are no finalists, or they are being trained.
    """
    best, tally = best_trial(records, spec.objective), counts(records)
    ended = sum(tally.values())
    lines = [spec.file.description or f"Study `{spec.name}`", ""]
    if best is None or best.best is None:
        lines.append(f"**No trial has ended well{' yet' if running else ''}**; {ended} have ended.")
        return "\n".join(lines)
    named = ", ".join(f"{count} {state}" for state, count in tally.items())
    value = f"{spec.objective.metric} {best.best.value:.6g}"
    lines += [
        f"**Best{' so far' if running else ''}: {value}** at epoch {best.best.epoch} of trial {best.number}. "
        f"{ended} trials have ended ({named}).",
        "",
    ]
    if finals:
        lines += [markdown(judge(spec.name, finals)), ""]
    chosen = exported_trial_of(records, finals, best) or best
    if not running:
        lines += [f"`best.yaml` among the artifacts holds the configuration of trial {chosen.number}:", ""]
    flat = chosen.flat
    lines += ["| hyperparameter | value |", "| --- | --- |"]
    lines += [f"| {_cell(name)} | {_cell(flat[name])} |" for name in varied_names(spec) if flat.get(name) is not None]
    return "\n".join(lines)


def _cell(value: object) -> str:
    """Return a value as a cell of a Markdown table."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")


def study_experiment_note(spec: StudySpec, experiment: str) -> str:
    """Return the description of a study's experiment.

    MLflow's UI shows its first line above every page of the experiment, and in lists of experiments.
    """
    shown = {"compare the trials": VIEW_KEY, "study and trials": NESTED_KEY}
    shown |= {"finalists": FINALISTS_KEY} if spec.file.finalists else {}
    links = ", ".join(_link(text, experiment, key) for text, key in shown.items())
    names = ", ".join(f"*{VIEW_NAMES[key]}*" for key in shown.values())
    return "\n\n".join(
        [
            f"Study {spec.name} of hpsearch: {links}",
            *([spec.file.description] if spec.file.description else []),
            f"The links open saved views of the runs. The page Runs has them under Views, too: {names}.",
        ]
    )


def training_experiment_note(name: str, experiment: str) -> str:
    """Return the description of an experiment that holds the trainings of `hpsearch train`."""
    return f"Configuration {name}, trained by hpsearch: {_link('compare the runs', experiment, VIEW_KEY)}"


def _link(text: str, experiment: str, key: str) -> str:
    return f"[{text}]({view_url('', experiment, key).removeprefix('/')})"

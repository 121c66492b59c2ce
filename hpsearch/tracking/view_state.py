"""The comparison view: the MLflow runs page that opens with hyperparameters and metrics as columns.

By default the page shows no such columns, and its charts, a click away, show each metric alone. MLflow's UI keeps a
shared view in an experiment tag `mlflow.sharedViewState.<key>`: an envelope `{"name", "createdAt",
"updatedAt", "state"}` with the view itself as JSON text in `state`. The format is internal to MLflow (read in
the UI of 3.17.2), so tests/tracking/test_ui_browser.py opens it in a browser.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from hpsearch.config.file import Objective
from hpsearch.config.study import StudySpec
from hpsearch.tracking.names import OUTCOME_TAG, best_name, epoch_name, name_of

VIEW_KEY, NESTED_KEY, FINALISTS_KEY = "hpsearch", "hpsearch-nested", "hpsearch-finalists"
# The names of the views in the page's list.
VIEW_NAMES = {
    VIEW_KEY: "hpsearch: compare trials",
    NESTED_KEY: "hpsearch: study and trials",
    FINALISTS_KEY: "hpsearch: finalists",
}
_TAG = "mlflow.sharedViewState."
# The parameters whose columns come first.
FIRST = ("optimizer", "learning_rate", "batch_size", "schedule")
# Sections of the page's charts: one of our own, and MLflow's.
_SECTION, _MLFLOW_SECTIONS = "Study", ("Model metrics", "System metrics")
# Parallel coordinates with more axes than this cannot be read.
_MOST_AXES = 10
# The page's own columns; the run's name is pinned to the left.
_RUN, _CREATED, _DURATION = "attributes.`Run Name`", "runDateAndNestInfo", "duration"
# How a trial ended, in the words of `Outcome`: MLflow shows pruned trials, too, as finished, by a green tick.
_OUTCOME = f"tags.`{OUTCOME_TAG}`"


def varied_names(spec: StudySpec) -> list[str]:
    """Return the plain names of the values that differ between the study's trials; those in `FIRST` come first."""
    names = spec.varied.names
    return [*(name for name in FIRST if name in names), *(name for name in names if name not in FIRST)]


def view_state(spec: StudySpec) -> dict[str, object]:
    """Return the runs page of a study: its trials, best first, with their varied parameters and their metrics."""
    return _page("trial", spec.objective, _columns(spec), _charts(spec))


def finalists_state(spec: StudySpec) -> dict[str, object]:
    """Return the runs page with the finalists' trainings alone; columns for trial and seed are added."""
    best, *others = _columns(spec)
    outcome, *others = others
    columns = [best, outcome, _column("tags", "hpsearch.trial"), _column("params", "seed"), *others]
    return _page("finalist", spec.objective, columns, _charts(spec))


def training_state(objective: Objective) -> dict[str, object]:
    """Return the runs page of an experiment of `hpsearch train`: one run for each training, best first."""
    names = [best_name(objective.metric), "test_accuracy", "best_epoch", "val_accuracy", "val_loss", "loss"]
    best, tested, *others = [_column("metrics", name) for name in dict.fromkeys(names)]
    params = [_column("params", name) for name in ("seed", "validation", *FIRST)]
    columns = [best, tested, _OUTCOME, *params, *others]
    return _page("seed", objective, columns, _curves([epoch_name(objective.metric), "loss"]))


def _page(kind: str, objective: Objective, columns: list[str], charts: list[dict[str, object]]) -> dict[str, object]:
    """Return a runs page with the runs of one kind, sorted by the first column."""
    return {
        # Which runs, in which order.
        "searchFilter": f"tags.`hpsearch.kind` = '{kind}'",
        "orderByKey": columns[0],
        "orderByAsc": objective.direction == "minimize",
        # Which columns, in which order: the ones that are compared first, for a small screen.
        "selectedColumns": columns,
        "columnOrder": [_RUN, _CREATED, *columns, _DURATION],
        "columnWidths": _widths(columns),
        # What the page's charts show, in which order; MLflow adds its own below.
        "compareRunCharts": charts,
        "compareRunSections": [_section(_SECTION, True), *(_section(name, False) for name in _MLFLOW_SECTIONS)],
        "isAccordionReordered": True,
    }


def nested_state(spec: StudySpec) -> dict[str, object]:
    """Return the runs page with the study's own run first and its trials nested in it.

    MLflow nests runs only if they are sorted by start time and the parent is on the same page.
    """
    widths = {**_widths(_columns(spec)), _RUN: 200}
    order = {"searchFilter": "", "orderByKey": "attributes.start_time", "orderByAsc": True}
    return {**view_state(spec), **order, "columnWidths": widths}


def _columns(spec: StudySpec) -> list[str]:
    best = _column("metrics", best_name(spec.objective.metric))
    varied = [_column("params", name_of(name)) for name in varied_names(spec)]
    own = [epoch_name(spec.objective.metric)]
    others = ["best_epoch", *(own if spec.trainable else ("val_accuracy", "val_loss", "loss"))]
    return [best, _OUTCOME, *varied, *(_column("metrics", name) for name in others)]


def _widths(columns: list[str]) -> dict[str, int]:
    # The column of the outcome is as wide as its values; its longer header is cut.
    return {_RUN: 140, _CREATED: 145, _DURATION: 90} | {name: _width(name) for name in columns} | {_OUTCOME: 118}


def _charts(spec: StudySpec) -> list[dict[str, object]]:
    """Return the charts: parallel coordinates of all trials, and the learning curves of the best ten."""
    objective = epoch_name(spec.objective.metric)
    curves = [objective] if spec.trainable else ["val_accuracy", "val_loss", "loss", "learning_rate"]
    parallel = {
        "selectedParams": [name_of(name) for name in _always_there(spec)[:_MOST_AXES]],
        "selectedMetrics": [best_name(spec.objective.metric)],
        "showAllRuns": True,
    }
    return [_chart("PARALLEL", "parallel", parallel), *_curves([objective, *curves])]


def _curves(metrics: list[str]) -> list[dict[str, object]]:
    """Return the learning curves of the best ten."""
    lines = [
        {
            "metricKey": name,
            "selectedMetricKeys": [name],
            "xAxisKey": "step",
            "xAxisScaleType": "linear",
            "yAxisKey": "metric",
            "yAxisExpressions": [],
            "scaleType": "linear",
            "range": {},
            "lineSmoothness": 0,
            "ignoreOutliers": False,
            "useGlobalXaxisKey": True,
            "useGlobalLineSmoothing": True,
        }
        for name in dict.fromkeys(metrics)
    ]
    return [_chart("LINE", str(line["metricKey"]), line) for line in lines]


def _chart(kind: str, name: str, more: dict[str, object]) -> dict[str, object]:
    ours = {"uuid": f"hpsearch-{name}", "type": kind, "metricSectionId": _SECTION, "runsCountToCompare": 10}
    return {**ours, "deleted": False, "isGenerated": False, **more}


def _section(name: str, opened: bool) -> dict[str, object]:
    shown = {"uuid": name, "name": name, "display": opened, "columns": 2, "cardHeight": 400}
    return {**shown, "isReordered": False, "deleted": False, "isGenerated": False}


def _always_there(spec: StudySpec) -> list[str]:
    """Return the names of the varied values that every trial has; the chart leaves out a trial that lacks a value."""
    flats = [corner.flat() for corner in spec.corners]
    varied = [name for name in varied_names(spec) if len({str(flat.get(name)) for flat in flats}) > 1]
    return [name for name in varied if all(flat.get(name) is not None for flat in flats)]


def view_tags(spec: StudySpec, now_ms: int) -> dict[str, str]:
    """Return the experiment's tags that hold its views."""
    states = {VIEW_KEY: view_state(spec), NESTED_KEY: nested_state(spec), FINALISTS_KEY: finalists_state(spec)}
    return _tags(states, now_ms)


def training_view_tags(objective: Objective, now_ms: int) -> dict[str, str]:
    """Return the tags that hold the view of an experiment of `hpsearch train`."""
    return _tags({VIEW_KEY: training_state(objective)}, now_ms)


def _tags(states: Mapping[str, dict[str, object]], now_ms: int) -> dict[str, str]:
    dated = {"createdAt": now_ms, "updatedAt": now_ms}
    return {
        f"{_TAG}{key}": json.dumps(
            {"name": VIEW_NAMES[key], **dated, "state": json.dumps(state, separators=(",", ":"))}
        )
        for key, state in states.items()
    }


def view_url(base: str, experiment_id: str, key: str = VIEW_KEY) -> str:
    """Return the comparison view of an experiment on the MLflow server at `base`.

    With this workflow type the UI does not list its pages about language models beside it.
    """
    return f"{base}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={key}"


def _column(kind: str, name: str) -> str:
    """Return a column as the UI names it."""
    return f"{kind}.`{name}`"


def _width(column: str) -> int:
    """Return the width in pixels that shows the header; the page's own 100 cut `best_val_accuracy`."""
    name = column.split("`")[1]
    return max(80, 26 + 7 * len(name) + 3 * name.count("m"))

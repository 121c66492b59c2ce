"""The comparison view: the MLflow runs page that opens with hyperparameters and metrics as columns.

By default the page shows neither. MLflow's UI keeps a shared view in an experiment tag
`mlflow.sharedViewState.<key>`: an envelope `{"name", "createdAt", "updatedAt", "state"}` with the
view itself as JSON text in `state`. The format is internal to MLflow (read in the UI of 3.17.2), so
tests/tracking/test_ui_browser.py opens it in a browser.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from hpsearch.config.file import Objective
from hpsearch.config.study import StudySpec

VIEW_KEY = "hpsearch"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW_KEY}"
_VIEW_NAME = "hpsearch: compare trials"
# Shown even where a study keeps them fixed: people look for them.
ALWAYS = ("optimizer", "learning_rate", "batch_size", "schedule")
# The page's own columns; the run's name is pinned to the left.
_RUN, _CREATED, _DURATION = "attributes.`Run Name`", "runDateAndNestInfo", "duration"


def varied_names(spec: StudySpec) -> list[str]:
    """The plain names of the values that differ between trials, and those that always matter.

    The corners of the space reach every option and both ends of every range, so a value varies
    exactly if it differs between two corners.
    """
    seen: dict[str, set[str]] = {}
    for corner in spec.corners:
        for name, value in corner.flat().items():
            seen.setdefault(name, set()).add(str(value))
    always = () if spec.trainable else ALWAYS
    return [*always, *(name for name, values in seen.items() if len(values) > 1 and name not in always)]


def view_state(spec: StudySpec) -> dict[str, object]:
    """The runs page of a study: its trials, best first, by what varies and by how well it went."""
    best = _column("metrics", f"best_{spec.objective.metric}")
    varied = [_column("params", name) for name in varied_names(spec)]
    others = ["best_epoch", *([spec.objective.metric] if spec.trainable else ("val_accuracy", "val_loss", "loss"))]
    columns = [best, *varied, *(_column("metrics", name) for name in others)]
    # The parent has the best value too and would stand above its trials.
    return _page("trial", spec.objective, columns)


def training_view_state(objective: Objective) -> dict[str, object]:
    """The runs page of what `hpsearch train` has trained: a run a seed, best first."""
    names = [f"best_{objective.metric}", "test_accuracy", "best_epoch", "val_accuracy", "val_loss", "loss"]
    metrics = [_column("metrics", name) for name in dict.fromkeys(names)]
    params = [_column("params", name) for name in ("seed", "validation", *ALWAYS)]
    return _page("seed", objective, [metrics[0], metrics[1], *params, *metrics[2:]])


def _page(kind: str, objective: Objective, columns: Sequence[str]) -> dict[str, object]:
    """The runs of a kind, by the first of the columns."""
    return {
        # Which runs, in which order.
        "searchFilter": f"tags.`hpsearch.kind` = '{kind}'",
        "orderByKey": columns[0],
        "orderByAsc": objective.direction == "minimize",
        # Which columns, in which order: the ones that are compared first, for a small screen.
        "selectedColumns": list(columns),
        "columnOrder": [_RUN, _CREATED, *columns, _DURATION],
        "columnWidths": {_RUN: 140, _CREATED: 145, _DURATION: 90} | {name: _width(name) for name in columns},
    }


def view_tag(spec: StudySpec, now_ms: int) -> str:
    """The value of the experiment's tag VIEW_TAG."""
    return shared_view(view_state(spec), now_ms)


def shared_view(state: Mapping[str, object], now_ms: int) -> str:
    """A view as MLflow keeps it."""
    return json.dumps(
        {
            "name": _VIEW_NAME,
            "createdAt": now_ms,
            "updatedAt": now_ms,
            "state": json.dumps(state, separators=(",", ":")),
        }
    )


def view_url(base: str, experiment_id: str) -> str:
    """The comparison view of an experiment on the MLflow server at `base`.

    The workflow type spares the pages about language models, which the UI would list beside it.
    """
    return f"{base}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={VIEW_KEY}"


def _column(kind: str, name: str) -> str:
    """A column as the UI names it."""
    return f"{kind}.`{name}`"


def _width(column: str) -> int:
    """Pixels that show the header; the page's own 100 cut `best_val_accuracy` and waste room on the rest."""
    name = column.split("`")[1]
    return max(80, 26 + 7 * len(name) + 3 * name.count("m"))

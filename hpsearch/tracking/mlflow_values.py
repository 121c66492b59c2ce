"""hpsearch's values as MLflow keeps them: parameters, metrics, tags, milliseconds."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hpsearch.config.file import METRICS
from hpsearch.config.own import TRAINABLE
from hpsearch.search.records import TrialRecord
from hpsearch.training.results import EpochRow


def as_params(values: Mapping[str, Any]) -> list[Any]:
    """Parameters as texts. None means that a knob is off, and so does a parameter that is not there."""
    from mlflow.entities import Param

    return [Param(name, str(value)) for name, value in values.items() if value is not None]


def as_metrics(values: Mapping[str, float], step: int = 0, when: int | None = None) -> list[Any]:
    """Metrics at a step. MLflow keeps NaN, and would show infinity as 1.8e308: that becomes NaN too.

    Args:
        when: in milliseconds; left out: now.
    """
    from mlflow.entities import Metric

    when = milliseconds() if when is None else when
    return [
        Metric(name, float(value) if math.isfinite(value) else math.nan, when, step) for name, value in values.items()
    ]


def as_tags(values: Mapping[str, str]) -> list[Any]:
    from mlflow.entities import RunTag

    return [RunTag(name, value) for name, value in values.items()]


def summary(record: TrialRecord) -> dict[str, float]:
    """What a trial comes to: each metric at its best epoch, and what its worker counted."""
    values = {name: value for name, value in record.facts.items() if isinstance(value, int | float)}
    values["epochs"] = len(record.rows)
    if record.best:
        at_best = next(row for row in record.rows if row.epoch == record.best.epoch).metrics
        # Of a user's own training every metric counts.
        names = at_best if TRAINABLE in (record.config or {}) else METRICS
        values |= {f"best_{name}": at_best[name] for name in names if name in at_best}
        values["best_epoch"] = record.best.epoch
    return values


def dated_rows(record: TrialRecord) -> list[tuple[EpochRow, int]]:
    """Each epoch with the time of its end, as far as that can be told afterwards."""
    when, dated = milliseconds(record.started), []
    for row in record.rows:
        seconds = row.metrics.get("epoch_seconds", 0.0)
        when += int(1000 * seconds) if math.isfinite(seconds) else 0
        dated.append((row, when))
    return dated


def ended_at(record: TrialRecord) -> int:
    if record.started is None or record.seconds is None:
        return milliseconds()
    return milliseconds(record.started) + int(1000 * record.seconds)


def milliseconds(moment: datetime | None = None) -> int:
    """Since 1970, as MLflow counts; now for None."""
    return int(1000 * (moment.timestamp() if moment else time.time()))

"""hpsearch's values as MLflow keeps them: parameters, metrics, tags, milliseconds."""

from __future__ import annotations

import hashlib
import math
import posixpath
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from hpsearch.catalogue.metrics import BEST, DIRECTIONS, SYSTEM, logged_name
from hpsearch.config.trial import TrainableConfig
from hpsearch.executors.protocol import THREADS
from hpsearch.search.records import TrialRecord
from hpsearch.training.results import EpochMetrics

# What MLflow takes, in characters.
_LONGEST_NAME, _LONGEST_PARAM, LONGEST_TAG = 250, 6_000, 5_000
# What stays of a longer name: there is room for what is put before and after it.
_KEPT_OF_NAME = 220
_Item = TypeVar("_Item")
_NOT_IN_NAMES = re.compile(r"[^/\w.\- :]")


@dataclass(frozen=True)
class Row:
    """Metrics at a step.

    Attributes:
        step: of a trial its epoch, and 0 for what it comes to; of the study the number of trials that have ended.
        when: in milliseconds since 1970.
    """

    step: int
    when: int
    metrics: Mapping[str, float]

    @staticmethod
    def of(row: EpochMetrics, when: int) -> Row:
        return Row(row.epoch, when, numbers({epoch_name(name): value for name, value in row.metrics.items()}))


@cache
def name_of(name: str) -> str:
    """Return the name that MLflow takes for a metric or parameter of the user's, which may have any name.

    A name that MLflow takes is left alone. Any other one ends in eight characters that follow from it, so that two
    names never become one: `hits@10` becomes `hits_10-` and these.
    """
    fit = _NOT_IN_NAMES.sub("_", name)
    path = posixpath.normpath(fit)
    # MLflow refuses what would be another path if it were one, for instance `a//b` or `../a`.
    if path != fit or path == "." or path.startswith(("..", "/")):
        fit = fit.replace("/", "_").strip(".") or "_"
    if fit == name and len(name) <= _LONGEST_NAME:
        return name
    return f"{fit[:_KEPT_OF_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def epoch_name(metric: str) -> str:
    """Return the name of an epoch's metric in MLflow."""
    return name_of(logged_name(metric))


def best_name(metric: str) -> str:
    """Return the name in MLflow of what a metric was at the best epoch of a trial."""
    return f"{BEST}{name_of(metric)}"


def param_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as texts. None means that a knob is off, and so does a parameter that is not there."""
    return {name_of(name): str(value)[:_LONGEST_PARAM] for name, value in values.items() if value is not None}


def tag_texts(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value[:LONGEST_TAG] for name, value in values.items()}


def numbers(values: Mapping[str, float]) -> dict[str, float]:
    """Metrics as MLflow keeps them: NaN stays, and infinity, which it would show as 1.8e308, becomes NaN too."""
    return {name_of(name): float(value) if math.isfinite(value) else math.nan for name, value in values.items()}


def summary(record: TrialRecord) -> dict[str, float]:
    """What a trial comes to: each metric at its best epoch, and what its worker counted."""
    values = counted(record)
    if record.best:
        at_best = record.best_metrics
        # Of a user's own training every metric counts.
        own = [name for name in at_best if not name.startswith(SYSTEM)]
        names = own if isinstance(record.config, TrainableConfig) else dict.fromkeys([*DIRECTIONS, record.metric])
        values |= {best_name(name): at_best[name] for name in names if name in at_best}
        values[f"{BEST}epoch"] = record.best.epoch
    return values


def counted(record: TrialRecord) -> dict[str, float]:
    """What a trial's worker counted, and its epochs."""
    # How many threads there were is a tag.
    info = {name: value for name, value in record.info.items() if name != THREADS}
    numbers_among = {name: value for name, value in info.items() if isinstance(value, int | float)}
    return {**numbers_among, "epochs": len(record.rows)}


def dated_rows(record: TrialRecord) -> list[tuple[EpochMetrics, int]]:
    """Each epoch with the time of its end, as far as that can be told afterwards."""
    when, dated = milliseconds(record.started), []
    for row in record.rows:
        seconds = row.metrics.get("epoch_seconds", 0.0)
        when += int(1000 * seconds) if math.isfinite(seconds) else 0
        dated.append((row, when))
    return dated


def parts_of(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """One after the other, as many items as MLflow takes in a call."""
    for first in range(0, len(items), size):
        yield items[first : first + size]


def milliseconds(moment: datetime | None = None) -> int:
    """Since 1970, as MLflow counts; now for None."""
    return int(1000 * (moment.timestamp() if moment else time.time()))

"""Names, texts and numbers as MLflow takes them: the tags of hpsearch's runs, parameters, metrics, times."""

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
from hpsearch.search.stages import Stage
from hpsearch.training.results import EpochMetrics

# Tags of runs, for MLflow's search: `tags.hpsearch.kind = 'finalist'`.
KIND, TRIAL, TRAINING, OUTCOME_TAG, DETAIL_TAG, BASELINE_TAG = (
    f"hpsearch.{name}" for name in ("kind", "trial", "training", "outcome", "detail", "baseline")
)
DIGEST_TAG = "hpsearch.data_digest"
SOURCES_TAG = "hpsearch.sources_digest"
THREADS_TAG = "hpsearch.threads"
# Why the worker of the trial failed, each time.
WORKER_FAILURES_TAG = "hpsearch.losses"
# The failed trial whose configuration a trial tries again.
RETRY_OF_TAG = "hpsearch.retry_of"
CONTINUES_TAG = "hpsearch.continues"
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
# A tag of experiments: the digest of the description that hpsearch wrote. One with another digest is the user's.
# MLflow's UI lists no tags that begin with `mlflow.`.
DESCRIBED = "mlflow.hpsearch.note_digest"

# Kinds of runs: the study's own run, and the runs of each stage.
STUDY = "study"
KINDS = {Stage.SEARCH: "trial", Stage.FINALISTS: "finalist", Stage.FINAL: "final"}

# The most characters that MLflow takes.
_LONGEST_NAME, _LONGEST_PARAM, LONGEST_TAG = 250, 6_000, 5_000
# The number of characters that are kept of a name that is changed; a suffix, and perhaps a prefix, is added to them.
_KEPT_OF_NAME = 220
_Item = TypeVar("_Item")
_NOT_IN_NAMES = re.compile(r"[^/\w.\- :]")


@dataclass(frozen=True)
class MetricRow:
    """Metrics at a step.

    Attributes:
        step: of a trial its epoch, and 0 for its summary; of the study's own run the number of trials that have ended.
        when: in milliseconds since 1970.
    """

    step: int
    when: int
    metrics: Mapping[str, float]

    @staticmethod
    def of(epoch: EpochMetrics, when: int) -> MetricRow:
        metrics = {epoch_name(name): value for name, value in epoch.metrics.items()}
        return MetricRow(epoch.epoch, when, metric_values(metrics))


@cache
def name_of(name: str) -> str:
    """Return the name that MLflow takes for a metric or parameter of the user's, which may have any name.

    A name that MLflow takes is not changed. Any other name ends in eight characters of its digest, so that two
    names never become one: `hits@10` becomes `hits_10-` plus these characters.
    """
    fit = _NOT_IN_NAMES.sub("_", name)
    path = posixpath.normpath(fit)
    # MLflow refuses a name that is not a normalized relative path, for instance `a//b` or `../a`.
    if path != fit or path == "." or path.startswith(("..", "/")):
        fit = fit.replace("/", "_").strip(".") or "_"
    if fit == name and len(name) <= _LONGEST_NAME:
        return name
    return f"{fit[:_KEPT_OF_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def epoch_name(metric: str) -> str:
    """Return the name of an epoch's metric in MLflow."""
    return name_of(logged_name(metric))


def best_name(metric: str) -> str:
    """Return the name in MLflow of a metric's value at the best epoch of a trial."""
    return f"{BEST}{name_of(metric)}"


def param_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as texts; a value of None, a knob that is off, is left out."""
    return {name_of(name): str(value)[:_LONGEST_PARAM] for name, value in values.items() if value is not None}


def tag_texts(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value[:LONGEST_TAG] for name, value in values.items()}


def metric_values(values: Mapping[str, float]) -> dict[str, float]:
    """Return metrics by the names that MLflow takes; infinity, which it would show as 1.8e308, becomes NaN."""
    return {name_of(name): float(value) if math.isfinite(value) else math.nan for name, value in values.items()}


def summary(record: TrialRecord) -> dict[str, float]:
    """Return a trial's summary: metrics at its best epoch, and the numbers that its worker reported.

    Of hpsearch's own training: each metric that has a direction, and the objective. Of a user's own training: all but
    the metrics of the machine.
    """
    values = counted(record)
    if record.best:
        at_best = record.best_metrics
        own = [name for name in at_best if not name.startswith(SYSTEM)]
        names = own if isinstance(record.config, TrainableConfig) else dict.fromkeys([*DIRECTIONS, record.metric])
        values |= {best_name(name): at_best[name] for name in names if name in at_best}
        values[f"{BEST}epoch"] = record.best.epoch
    return values


def counted(record: TrialRecord) -> dict[str, float]:
    """Return the numbers that a trial's worker reported, and the number of its epochs."""
    numbers = {name: value for name, value in record.info.items() if isinstance(value, int | float)}
    # The number of threads is a tag.
    numbers.pop(THREADS, None)
    return {**numbers, "epochs": len(record.epochs)}


def dated_epochs(record: TrialRecord) -> list[tuple[EpochMetrics, int]]:
    """Return each epoch with the time of its end, computed from the trial's start and the epochs' seconds."""
    when, dated = milliseconds(record.started), []
    for epoch in record.epochs:
        seconds = epoch.metrics.get("epoch_seconds", 0.0)
        when += int(1000 * seconds) if math.isfinite(seconds) else 0
        dated.append((epoch, when))
    return dated


def parts_of(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """Yield the items in parts of at most `size`, which MLflow takes in one call."""
    for first in range(0, len(items), size):
        yield items[first : first + size]


def milliseconds(moment: datetime | None = None) -> int:
    """Return a time in milliseconds since 1970, as MLflow counts; None: now."""
    return int(1000 * (moment.timestamp() if moment else time.time()))

"""The value that another training of an exported trial is compared with, and how far it may lie from that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from hpsearch.analysis.statistics import TOLERANCE_CONFIDENCE, fitting, mean_interval, tolerance_of
from hpsearch.analysis.verdict import useless_value
from hpsearch.catalogue.datasets import DATASETS
from hpsearch.catalogue.metrics import bounds_of
from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.search.finals import Finals
from hpsearch.search.records import TrialRecord

ACCURACY = "val_accuracy"


@dataclass(frozen=True)
class Figure:
    """What a training reached.

    Attributes:
        metric: its name.
        value: at the best epoch of the study's objective.
        tolerance: a training of the same that lies no farther from it agrees; None: only the same value does.
        basis: what the tolerance is, in words.
    """

    metric: str
    value: float
    tolerance: float | None
    basis: str

    @property
    def shown(self) -> str:
        """`0.9030 +- 0.0126 (three standard errors ...)`."""
        around = "" if self.tolerance is None else f" +- {self.tolerance:.4f}"
        return f"{self.value:.4f}{around} ({self.basis})"

    def agrees(self, value: float) -> bool:
        """Return whether another training that reached `value` may be one of the same."""
        return abs(value - self.value) <= (self.tolerance or 0.0)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def figure_of(record: TrialRecord, objective: Objective, held_out: int | None = None) -> Figure | None:
    """Return the figure of a single trial; None where it did not run to its end.

    Of a Keras training the validation accuracy, with a tolerance of 3 sqrt(v (1 - v) / n) for n validation examples;
    of a user's own training the objective's metric.

    Args:
        held_out: the number of validation examples, where the configuration of a user's own dataset does not say it.
    """
    if not record.good or record.best is None or record.config is None:
        return None
    config = record.config
    if not isinstance(config, TrialConfig):
        return Figure(objective.metric, record.best.value, None, "a training of your own: only you know its noise")
    value = record.best_metrics.get(ACCURACY)
    if value is None:
        # Nothing was held out.
        return None
    data = config.data
    if data.dataset in DATASETS:
        held_out = data.examples_of(DATASETS[data.dataset].train_examples)[1]
    n = held_out or data.validation
    if n is None:
        return Figure(ACCURACY, value, None, "the number of validation examples is not known")
    tolerance = 3 * math.sqrt(value * (1 - value) / n)
    known = len(DATASETS[data.dataset].classes) if data.dataset in DATASETS else None
    if value - tolerance <= (1 / known if known else 0):
        # Whatever is held against it would agree.
        return Figure(ACCURACY, value, None, f"on {n:,} validation examples, too few for a tolerance")
    return Figure(ACCURACY, value, tolerance, f"three standard errors of an accuracy on {n:,} validation examples")


@dataclass(frozen=True)
class Repeated:
    """The finalists' winner, trained again with new seeds.

    Attributes:
        figures: by metric its mean over the seeds with its tolerance; only of metrics for which the seeds give one.
        sentence: what its mean is, and, where there is no tolerance, why.
    """

    figures: Mapping[str, Figure]
    sentence: str


def repeated(finals: Finals) -> Repeated | None:
    """The winner's trainings as what an export of it is compared by: by the objective's metric and by val_accuracy.

    The tolerance is the prediction interval of one more training (`tolerance_of`). None where there is no winner.
    """
    winner, objective = finals.winner, finals.objective
    if winner is None:
        return None
    figures, reasons = {}, {}
    for metric in dict.fromkeys((objective.metric, ACCURACY)):
        found = [run.best_metrics.get(metric) for run in winner.runs]
        values = [value for value in found if value is not None]
        if len(values) < len(winner.runs):
            continue
        tolerance, reasons[metric] = tolerance_of(values, useless_value(metric, winner))
        if tolerance is not None:
            basis = f"mean over {len(values)} seeds, {TOLERANCE_CONFIDENCE:.0%} Student's t prediction interval"
            figures[metric] = Figure(metric, fmean(values), tolerance, basis)
    mean = mean_interval(winner.values, bounds=fitting(bounds_of(objective.metric), winner.values))
    sentence = (
        f"It won among the finalists: mean {objective.metric} {mean.shown()} over {mean.count} new seeds "
        f"({mean.confidence:.0%}, {mean.method})."
    )
    if reason := reasons.get(objective.metric):
        sentence += f" It is not compared by this mean: {reason}."
    return Repeated(figures, sentence)


def told(
    study_name: str, objective: Objective, record: TrialRecord, figure: Figure | None, winner: Repeated | None = None
) -> list[str]:
    """Where an exported trial comes from, and what another training of it is compared with: a sentence each.

    Args:
        winner: of the finalists' winner its trainings with new seeds.
    """
    best = f"{objective.metric} {record.best.value:.6g} at epoch {record.best.epoch}" if record.best else ""
    lines = [f"Trial {record.number} of the study '{study_name}': {best or 'no finished epoch'}."]
    if winner:
        lines.append(winner.sentence)
    if figure:
        lines.append(f"Another training agrees where it reaches {figure.metric} {figure.shown}.")
    return lines

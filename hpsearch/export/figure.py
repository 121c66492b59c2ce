"""The figure that an exported trial is held against, and how far another training of it may lie from that."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from hpsearch.analysis.statistics import TOLERANCE_CONFIDENCE
from hpsearch.analysis.verdict import Verdict
from hpsearch.catalogue.datasets import DATASETS
from hpsearch.config.file import Objective
from hpsearch.config.own import recipe_of
from hpsearch.config.trial import TrialConfig
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
        """Whether another training that reached `value` may be one of the same."""
        return abs(value - self.value) <= (self.tolerance or 0.0)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def figure_of(record: TrialRecord, objective: Objective, held_out: int | None = None) -> Figure | None:
    """The figure of a single trial; None where it did not run to its end.

    Of a Keras training the validation accuracy, with a tolerance of 3 sqrt(v (1 - v) / n) for n validation examples;
    of a user's own training the objective's metric.

    Args:
        held_out: the number of validation examples, where the configuration of a user's own dataset does not say it.
    """
    if not record.good or record.best is None or record.config is None:
        return None
    config = recipe_of(record.config)
    if not isinstance(config, TrialConfig):
        return Figure(objective.metric, record.best.value, None, "a training of your own: only you know its noise")
    value = record.rows[record.best.epoch - 1].metrics.get(ACCURACY)
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
    return Figure(ACCURACY, value, tolerance, f"three standard errors of an accuracy on {n:,} validation examples")


def figure_of_winner(verdict: Verdict) -> Figure | None:
    """The figure of the finalists' winner: its mean over new seeds, with the prediction interval of one more training.

    None where there is no winner, its seeds are too few, or the study's objective is not that accuracy.
    """
    if verdict.winner is None or verdict.tolerance is None or verdict.metric != ACCURACY:
        return None
    assert verdict.winner.interval
    basis = f"mean over {verdict.winner.trained} seeds, {TOLERANCE_CONFIDENCE:.0%} Student's t prediction interval"
    return Figure(ACCURACY, verdict.winner.interval.mean, verdict.tolerance, basis)


def told(study_name: str, objective: Objective, record: TrialRecord, figure: Figure | None) -> list[str]:
    """Where an exported trial comes from, and what another training of it is held against: a sentence each."""
    best = f"{objective.metric} {record.best.value:.6g} at epoch {record.best.epoch}" if record.best else ""
    lines = [f"Trial {record.number} of the study '{study_name}': {best or 'no finished epoch'}."]
    if figure:
        lines.append(f"Another training agrees where it reaches {figure.metric} {figure.shown}.")
    return lines

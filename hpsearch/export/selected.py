"""The trial that is exported, and the value that another training of it is compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from hpsearch.analysis.statistics import TOLERANCE_CONFIDENCE, kept_bounds, mean_interval, tolerance_of
from hpsearch.analysis.verdict import useless_value
from hpsearch.catalogue.datasets import DATASETS
from hpsearch.catalogue.metrics import bounds_of
from hpsearch.config.file import Objective
from hpsearch.config.trial import AnyConfig, TrainableConfig, TrialConfig
from hpsearch.errors import HpsearchError
from hpsearch.export.trainings import ExportContext
from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Finals

ACCURACY = "val_accuracy"


@dataclass(frozen=True)
class ReferenceValue:
    """The value that another training of an exported trial is compared with.

    Attributes:
        metric: the name of the metric.
        value: its value at the best epoch of the study's objective.
        tolerance: the largest difference with which another training agrees; None: only the same value agrees.
        basis: the origin of the tolerance, in words.
    """

    metric: str
    value: float
    tolerance: float | None
    basis: str

    @property
    def shown(self) -> str:
        """The value in words: `0.9030 +- 0.0126 (three standard errors ...)`."""
        around = "" if self.tolerance is None else f" +- {self.tolerance:.4f}"
        return f"{self.value:.4f}{around} ({self.basis})"

    def agrees(self, value: float) -> bool:
        """Return whether the value of another training is within the tolerance, or equal if there is none."""
        return abs(value - self.value) <= (self.tolerance or 0.0)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def reference_of(record: TrialRecord, objective: Objective, held_out: int | None = None) -> ReferenceValue | None:
    """Return the reference value of a single trial; None where it did not run to its end.

    For a Keras training it is the validation accuracy v, with a tolerance of 3 sqrt(v (1 - v) / n) for n validation
    examples; for a user's own training it is the objective, without a tolerance.

    Args:
        held_out: the number of validation examples, where the configuration does not determine it.
    """
    if not record.good or record.best is None or record.config is None:
        return None
    config = record.config
    if not isinstance(config, TrialConfig):
        return ReferenceValue(
            objective.metric, record.best.value, None, "a training of your own: only you know its noise"
        )
    value = record.best_metrics.get(ACCURACY)
    if value is None:
        # Nothing was held out.
        return None
    data = config.data
    if data.dataset in DATASETS:
        held_out = data.examples_of(DATASETS[data.dataset].train_examples)[1]
    n = held_out or data.validation
    if n is None:
        return ReferenceValue(ACCURACY, value, None, "the number of validation examples is not known")
    tolerance = 3 * math.sqrt(value * (1 - value) / n)
    known = len(DATASETS[data.dataset].classes) if data.dataset in DATASETS else None
    if value - tolerance <= (1 / known if known else 0):
        # The tolerance would reach down to guessing, so every training would agree.
        return ReferenceValue(ACCURACY, value, None, f"on {n:,} validation examples, too few for a tolerance")
    return ReferenceValue(
        ACCURACY, value, tolerance, f"three standard errors of an accuracy on {n:,} validation examples"
    )


@dataclass(frozen=True)
class WinnerValues:
    """The finalists' winner, trained again with new seeds.

    Attributes:
        references: the mean over the seeds with its tolerance, by metric; only metrics for which the seeds give one.
        sentence: its mean, and the reason where there is no tolerance.
    """

    references: Mapping[str, ReferenceValue]
    sentence: str


def winner_values(finals: Finals) -> WinnerValues | None:
    """Return the values that an export of the winner is compared with; None: there is no winner.

    They are means of the objective's metric and of val_accuracy. The tolerance is the prediction interval of one more
    training (`tolerance_of`).
    """
    winner, objective = finals.winner, finals.objective
    if winner is None:
        return None
    references, reasons = {}, {}
    for metric in dict.fromkeys((objective.metric, ACCURACY)):
        found = [run.best_metrics.get(metric) for run in winner.runs]
        values = [value for value in found if value is not None]
        if len(values) < len(winner.runs):
            continue
        tolerance, reasons[metric] = tolerance_of(values, useless_value(metric, winner))
        if tolerance is not None:
            basis = f"mean over {len(values)} seeds, {TOLERANCE_CONFIDENCE:.0%} Student's t prediction interval"
            references[metric] = ReferenceValue(metric, fmean(values), tolerance, basis)
    mean = mean_interval(winner.values, bounds=kept_bounds(bounds_of(objective.metric), winner.values))
    sentence = (
        f"It won among the finalists: mean {objective.metric} {mean.shown()} over {mean.count} new seeds "
        f"({mean.confidence:.0%}, {mean.method})."
    )
    if reason := reasons.get(objective.metric):
        sentence += f" It is not compared by this mean: {reason}."
    return WinnerValues(references, sentence)


def origin_sentences(
    study_name: str,
    objective: Objective,
    record: TrialRecord,
    reference: ReferenceValue | None,
    winner: WinnerValues | None = None,
) -> list[str]:
    """Return sentences about the origin of an exported trial, and the value that another training is compared with.

    Args:
        winner: the values of the finalists' winner, trained with new seeds; None for other trials.
    """
    best = f"{objective.metric} {record.best.value:.6g} at epoch {record.best.epoch}" if record.best else ""
    lines = [f"Trial {record.number} of the study '{study_name}': {best or 'no finished epoch'}."]
    if winner:
        lines.append(winner.sentence)
    if reference:
        lines.append(f"Another training agrees where it reaches {reference.metric} {reference.shown}.")
    return lines


@dataclass(frozen=True)
class SelectedTrial:
    """A trial of a study.

    Attributes:
        study: its study's name.
        objective: the study's.
        winner: the values of the finalists' winner, trained with new seeds; None: the trial is compared by its own.
        champion: the file of the champion, the winner's model that was trained on all images; None for other trials.
    """

    study: str
    objective: Objective
    record: TrialRecord
    winner: WinnerValues | None = None
    champion: Path | None = None

    @property
    def name(self) -> str:
        return f"trial {self.record.number} of '{self.study}'"

    @property
    def config(self) -> AnyConfig:
        """Its configuration.

        Raises:
            HpsearchError: it has not run yet.
        """
        if self.record.config is None:
            raise HpsearchError(f"{self.name} has not run yet, so it has no configuration")
        return self.record.config

    @property
    def keras_config(self) -> TrialConfig:
        """Its configuration for hpsearch's own trainer.

        Raises:
            HpsearchError: it has not run yet, or it is a user's own training.
        """
        config = self.config
        if isinstance(config, TrainableConfig):
            raise HpsearchError(f"{config.trainable} is your own training, which can be exported as yaml or json only")
        return config

    def reference(self, context: ExportContext, metric: str = ACCURACY) -> ReferenceValue | None:
        """Return the value that another training is compared with; None where the trial did not run to its end.

        Args:
            metric: the metric to compare, if the finalists give its mean and a tolerance; else a Keras training
                is compared by its validation accuracy, a user's own training by the objective.
        """
        config = self.config
        wanted = self.objective.metric if isinstance(config, TrainableConfig) else metric
        if self.winner and wanted in self.winner.references:
            return self.winner.references[wanted]
        reference = reference_of(self.record, self.objective)
        own = config if isinstance(config, TrialConfig) and config.data.dataset not in DATASETS else None
        if reference and reference.tolerance is None and own:
            # The validation examples of a user's own dataset have to be counted.
            return reference_of(self.record, self.objective, len(context.data(own.data).validation))
        return reference

    def own_value(self, metric: str) -> float | None:
        """Return a metric of the trial itself at its best epoch, with its own seed."""
        return self.record.best_metrics.get(metric)

    def about(self, context: ExportContext) -> str:
        """Return sentences about its origin and its value."""
        return " ".join(origin_sentences(self.study, self.objective, self.record, self.reference(context), self.winner))

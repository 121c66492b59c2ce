"""The judgement on a search without finalists: is its best trial better than the untuned Keras default, or by chance?

Each trial has one seed, so the difference of two trials has the noise of two seeds and of the validation images. Its
standard error is computed as sqrt(p (1 - p) / n + q (1 - q) / n + 2 s^2) for accuracies p and q on n images, with the
standard deviation s of an accuracy over seeds. It is rather too large than too small, since both trials are evaluated
on the same images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.search.records import TrialRecord, best_trial, ranked

# The standard deviation of a validation accuracy over the seeds of one configuration. Five seeds each of three tuned
# MLPs and of the Keras default gave 0.0014 to 0.0047 on 5,000 images of Fashion-MNIST (README, "How sure can I be?").
SEED_STD = 0.003
# Standard errors on either side of a two-sided 95 % interval.
_Z = 1.96
# The metrics that are shares of the validation images, so that their noise is known.
SHARES = ("val_accuracy",)


class Finding(Enum):
    """The best trial compared with the untuned Keras default."""

    BETTER = "better"
    UNCLEAR = "better, but perhaps by chance"
    NOT_BETTER = "not better"


@dataclass(frozen=True)
class Judgement:
    """The judgement on a search.

    Attributes:
        objective: the study's objective.
        best: the best trial.
        default: the trial with the untuned Keras default of the same model.
        noise: the largest difference that chance explains (95 %); None: not known for this metric or these data.
        images: number of validation images; None: not known.
    """

    objective: Objective
    best: TrialRecord
    default: TrialRecord
    noise: float | None
    images: int | None

    @property
    def difference(self) -> float:
        """How much better the best trial is than the default."""
        assert self.best.best is not None
        assert self.default.best is not None
        return self.objective.gain(self.best.best.value) - self.objective.gain(self.default.best.value)

    @property
    def finding(self) -> Finding:
        if self.best.number == self.default.number or self.difference <= 0:
            return Finding.NOT_BETTER
        return Finding.BETTER if self.noise is not None and self.difference > self.noise else Finding.UNCLEAR

    def sentence(self, settle: str) -> str:
        """Return the judgement in words.

        Args:
            settle: the command that trains finalists.
        """
        default = f"the untuned Keras default {self.default.flat.get('optimizer')}"
        if self.finding is Finding.NOT_BETTER:
            return f"no trial is better than {default}, trial {self.default.number}"
        compared = (
            f"trial {self.best.number} is {self.difference:.4g} better than {default}, trial {self.default.number}, "
            "with one seed each"
        )
        if self.noise is None:
            return f"{compared}, which may be chance; `{settle}` settles it"
        chance = f"chance explains up to {self.noise:.2g} on {self.images:,} validation images"
        if self.finding is Finding.UNCLEAR:
            return f"{compared}, which may be chance: {chance}; `{settle}` settles it"
        return f"{compared}, more than chance: {chance}; `{settle}` says by how much"


def judge_search(records: Sequence[TrialRecord], objective: Objective) -> Judgement | None:
    """Compare the best trial with the untuned Keras default of its model.

    The default is the baseline of the optimizer that TrialConfig has by default (Adam); if the study does not search
    over it, the best baseline.

    Returns:
        The judgement; None if no trial ended well, if no baseline of the best trial's model did, or if the user's own
        function trains.
    """
    best = best_trial(records, objective)
    if best is None or not isinstance(best.config, TrialConfig):
        return None
    model = best.config.model
    baselines = [
        record
        for record in ranked(records, objective)
        if record.baseline and isinstance(record.config, TrialConfig) and record.config.model == model
    ]
    usual = TrialConfig().optimizer.selected()
    defaults = [record for record in baselines if record.flat["optimizer"] == usual] or baselines
    if not defaults:
        return None
    default = defaults[0]
    images = validation_images(best.config)
    return Judgement(objective, best, default, _noise(best, default, objective, images), images)


def validation_images(config: TrialConfig) -> int | None:
    """Return the number of validation images.

    For a user's own dataset, whose size is not recorded, this is the configured number; None if none is configured.
    """
    if config.data.dataset not in DATASETS:
        return config.data.validation
    return config.data.examples_of(DATASETS[config.data.dataset].train_examples)[1]


def _noise(best: TrialRecord, default: TrialRecord, objective: Objective, images: int | None) -> float | None:
    if objective.metric not in SHARES or not images or best.best is None or default.best is None:
        return None
    shares = (best.best.value, default.best.value)
    variance = sum(share * (1 - share) / images for share in shares) + 2 * SEED_STD**2
    return _Z * math.sqrt(variance)

"""A configuration on all training images, those that were held out included."""

from __future__ import annotations

from collections.abc import Sequence

from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.trial import TrialConfig


def watches_epochs(config: TrialConfig) -> bool:
    """Whether the schedule decides by what an epoch was like, so that only a training tells its rates."""
    return SCHEDULES[config.schedule.selected()].callback


def on_everything(config: TrialConfig, epochs: int, rates: Sequence[float]) -> TrialConfig:
    """Nothing is held out, and training ends after so many epochs.

    Args:
        rates: the learning rate of each epoch in a training with validation: what a schedule that looks at
            validation figures, of which there are none, is replaced by.
    """
    plain = config.plain()
    plain["data"]["validation"] = 0
    plain["training"] |= {"early_stopping": None, "stop_after": epochs}
    if rates and watches_epochs(config):
        plain["schedule"] = {"name": "piecewise_constant", "values": list(rates[:epochs])}
    return TrialConfig.model_validate(plain)

"""Labels of untuned trials and trainings."""

from __future__ import annotations

from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.trial import AnyConfig, TrialConfig

# The training that the finalists are compared with: the winner's model, and everything else as Keras has it.
UNTUNED = "untuned Keras default"
# Keras has no schedule unless it is given one, and neither has a configuration that leaves it out.
_WITHOUT_SCHEDULE = TrialConfig().schedule
_DEFAULTS, _NEAREST = "Keras defaults", "nearest to the Keras defaults"


def has_keras_defaults(config: AnyConfig) -> bool:
    """Return whether a configuration is what Keras does with the optimizer's name alone.

    Every knob of the optimizer has its default, and the learning rate is constant.
    """
    if not isinstance(config, TrialConfig) or config.schedule != _WITHOUT_SCHEDULE:
        return False
    entry = OPTIMIZERS[config.optimizer.selected()]
    return entry.keras_defaults and all(
        config.optimizer.knobs()[name] == value for name, value in entry.defaults().items()
    )


def note_of(config: AnyConfig, *, baseline: bool, finalists: bool = False) -> str:
    """Return the note on an untuned trial; empty for a trial that was sampled.

    Args:
        baseline: whether it was enqueued as an optimizer's Keras defaults. A space that does not hold these has the
            nearest that it holds.
        finalists: whether it is a training of the finalists' stage.
    """
    if not baseline:
        return ""
    if finalists:
        return UNTUNED
    return _DEFAULTS if has_keras_defaults(config) else _NEAREST

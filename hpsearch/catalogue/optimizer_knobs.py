"""The knobs that several optimizers share.

The parametrization (learning rate on a log scale, momentum and betas as 1 - value on a log scale) is that
of Choi et al. 2019, "On Empirical Comparisons of Optimizers for Deep Learning", arXiv:1910.05446,
appendix D.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpsearch.catalogue.rows import Distribution, Knob

CHOI = "arXiv:1910.05446, appendix D"
KERAS = "Keras default"


def learning_rate(default: float, low: float, high: float, source: str = CHOI) -> Knob:
    return Knob(
        "learning_rate",
        float,
        default,
        "step size at the start of training",
        recommended={"float": [low, high], "log": True},
        source=source,
        gt=0,
    )


def decay(name: str, default: float, doc: str, low: float, high: float) -> Knob:
    """A momentum or beta, searched as 1 - value in [low, high]."""
    return Knob(name, float, default, doc, recommended={"one_minus": [low, high], "log": True}, source=CHOI, ge=0, lt=1)


def betas() -> tuple[Knob, Knob]:
    """Those of Adam, and their ranges for all that descends from it."""
    return (
        decay("beta_1", 0.9, "decay of the average of g", 1e-2, 0.5),
        decay("beta_2", 0.999, "decay of the average of g^2", 1e-4, 0.1),
    )


def nesterov(*, default: bool = False, recommended: Distribution | None = None) -> Knob:
    doc = "take the gradient after the momentum step"
    return Knob("nesterov", bool, default, doc, recommended=recommended, source=CHOI if recommended else KERAS)


def positive(name: str, default: float, doc: str) -> Knob:
    return Knob(name, float, default, doc, source=KERAS, gt=0)


def epsilon() -> Knob:
    return positive("epsilon", 1e-7, "added to the divisor for stability")


def amsgrad() -> Knob:
    return Knob("amsgrad", bool, False, "divide by the largest average of g^2 so far", source=KERAS)


def above_zero(name: str, doc: str, default: float | None = None) -> Knob:
    """A number that null switches off."""
    return Knob(name, float | None, default, doc, source=KERAS, gt=0)


def power(name: str, default: float, doc: str, *, structural: bool = False) -> Knob:
    return Knob(name, float, default, doc, source=KERAS, ge=-1, le=0, structural=structural)


def strength(name: str, doc: str, recommended: Distribution | None = None, source: str = KERAS) -> Knob:
    """Of a penalty; 0 switches it off."""
    return Knob(name, float, 0.0, doc, recommended=recommended, source=source, ge=0)


def off_or(low: float, high: float) -> Distribution:
    """0, which is Keras's default and has no place on a log scale, or a number in [low, high]."""
    return {"choice": [0.0, {"float": [low, high], "log": True}]}


WEIGHT_DECAY = "w <- w - lr weight_decay w before each update (arXiv:1711.05101)"


def searched_weight_decay() -> Knob:
    """Of AdamW, which is nothing else; at a learning rate of 1e-3 the paper's normalized 0.025 is about 0.1 here."""
    ranged = {"float": [1e-3, 1.0], "log": True}
    return Knob("weight_decay", float, 0.004, WEIGHT_DECAY, ranged, source="arXiv:1711.05101, appendix B.1", gt=0)


def common(weight_decay: Knob | None = None) -> tuple[Knob, ...]:
    """What every stock Keras optimizer takes beside its own knobs.

    Args:
        weight_decay: where Keras has another default than none.
    """
    return (
        weight_decay or above_zero("weight_decay", f"{WEIGHT_DECAY}; null: none"),
        above_zero("clipnorm", "each gradient is scaled down to this L2 norm; null: never"),
        above_zero("global_clipnorm", "all gradients together are scaled down to this L2 norm; null: never"),
        above_zero("clipvalue", "each element of a gradient is cut to +- this; null: never"),
        Knob(
            "use_ema",
            bool,
            False,
            "validate, restore and export the moving average of the weights (Polyak and Juditsky 1992)",
            source=KERAS,
        ),
        Knob("ema_momentum", float, 0.99, "avg <- ema_momentum avg + (1 - ema_momentum) w", source=KERAS, gt=0, lt=1),
    )


def one_clipping(knobs: Mapping[str, Any]) -> str | None:
    """Keras takes one way of clipping at a time."""
    given = [name for name in ("clipnorm", "global_clipnorm", "clipvalue") if knobs[name] is not None]
    if len(given) <= 1:
        return None
    return f"only one of `clipnorm`, `global_clipnorm` and `clipvalue` may be given, but got {', '.join(given)}"

"""The optimizers, one row each. Adding one touches this file only.

Every `build` takes the row's knobs by their Keras names and returns a stock Keras optimizer. The
learning rate that is passed is the schedule's start; the trainer sets the rate in force before each
update.

Ranges: the parametrization (learning rate on a log scale, momentum and betas as 1 - value on a log
scale) is that of Choi et al. 2019, "On Empirical Comparisons of Optimizers for Deep Learning",
arXiv:1910.05446, appendix D. The bounds hold the Keras default and span the decades in which an
image classifier of this size trains at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpsearch.catalogue.distributions import Choice, Float, Int, OneMinus
from hpsearch.catalogue.rows import Entry, Knob, catalogue

_CHOI = "arXiv:1910.05446, appendix D"
_KERAS = "Keras default"
_SCIPY = "SciPy default"


def _learning_rate(default: float, low: float, high: float) -> Knob:
    return Knob(
        "learning_rate",
        float,
        default,
        "step size at the start of training",
        recommended=Float(low, high, log=True),
        source=_CHOI,
        gt=0,
    )


def _beta(name: str, default: float, doc: str, low: float, high: float) -> Knob:
    return Knob(name, float, default, doc, recommended=OneMinus(low, high, log=True), source=_CHOI, ge=0, lt=1)


def _epsilon() -> Knob:
    return Knob("epsilon", float, 1e-7, "added to the divisor for stability", source=_KERAS, gt=0)


def _above_zero(name: str, doc: str) -> Knob:
    return Knob(name, float | None, None, doc, source=_KERAS, gt=0)


def _common() -> tuple[Knob, ...]:
    """What every stock Keras optimizer takes beside its own knobs."""
    return (
        _above_zero("weight_decay", "w <- w - lr weight_decay w before each update (arXiv:1711.05101); null: none"),
        _above_zero("clipnorm", "each gradient is scaled down to this L2 norm; null: never"),
        _above_zero("global_clipnorm", "all gradients together are scaled down to this L2 norm; null: never"),
        _above_zero("clipvalue", "each element of a gradient is cut to +- this; null: never"),
        Knob(
            "use_ema",
            bool,
            False,
            "validate, restore and export the moving average of the weights (Polyak and Juditsky 1992)",
            source=_KERAS,
        ),
        Knob("ema_momentum", float, 0.99, "avg <- ema_momentum avg + (1 - ema_momentum) w", source=_KERAS, gt=0, lt=1),
    )


def _one_clipping(knobs: Mapping[str, Any]) -> str | None:
    """Keras takes one way of clipping at a time."""
    given = [name for name in ("clipnorm", "global_clipnorm", "clipvalue") if knobs[name] is not None]
    if len(given) <= 1:
        return None
    return f"only one of `clipnorm`, `global_clipnorm` and `clipvalue` may be given, but got {', '.join(given)}"


def _sgd(**knobs: Any) -> Any:
    import keras

    return keras.optimizers.SGD(**knobs)


def _rmsprop(**knobs: Any) -> Any:
    import keras

    return keras.optimizers.RMSprop(**knobs)


def _adam(**knobs: Any) -> Any:
    import keras

    return keras.optimizers.Adam(**knobs)


def _lbfgs(**knobs: Any) -> dict[str, Any]:
    """The options of scipy.optimize.minimize."""
    return knobs


OPTIMIZERS = catalogue(
    Entry(
        "sgd",
        "v <- momentum v - lr g;  w <- w + v  (nesterov: w <- w + momentum v - lr g)",
        (
            _learning_rate(0.01, 1e-3, 1.0),
            _beta("momentum", 0.0, "share of the last step that is kept", 1e-3, 1.0),
            Knob(
                "nesterov",
                bool,
                False,
                "take the gradient after the momentum step",
                recommended=Choice((False, True)),
                source=_CHOI,
            ),
            *_common(),
        ),
        "Polyak 1964, doi:10.1016/0041-5553(64)90137-5; Sutskever et al. 2013, ICML (Nesterov form)",
        _sgd,
        check=_one_clipping,
    ),
    Entry(
        "rmsprop",
        "a <- rho a + (1 - rho) g^2;  w <- w - lr g / sqrt(a + epsilon)",
        (
            _learning_rate(1e-3, 1e-4, 1e-2),
            _beta("rho", 0.9, "decay of the average of g^2", 1e-2, 0.5),
            # With momentum m the step grows by 1 / (1 - m), so the range stops at 0.9 where sgd's goes on.
            _beta("momentum", 0.0, "share of the last step that is kept", 0.1, 1.0),
            _epsilon(),
            Knob("centered", bool, False, "divide by the estimated variance of g, not by g^2", source=_KERAS),
            *_common(),
        ),
        "Tieleman and Hinton 2012, Coursera lecture 6.5; Graves 2013, arXiv:1308.0850 (centered)",
        _rmsprop,
        check=_one_clipping,
    ),
    Entry(
        "adam",
        "bias-corrected averages m of g and v of g^2;  w <- w - lr m / (sqrt(v) + epsilon)",
        (
            _learning_rate(1e-3, 1e-4, 3e-2),
            _beta("beta_1", 0.9, "decay of the average of g", 1e-2, 0.5),
            _beta("beta_2", 0.999, "decay of the average of g^2", 1e-4, 0.1),
            _epsilon(),
            Knob("amsgrad", bool, False, "divide by the largest average of g^2 so far", source=_KERAS),
            *_common(),
        ),
        "Kingma and Ba 2015, arXiv:1412.6980, algorithm 1; Reddi et al. 2018, arXiv:1904.09237 (amsgrad)",
        _adam,
        check=_one_clipping,
    ),
    Entry(
        "lbfgs",
        "w <- w - t H g: H from the last maxcor steps, t from a line search; full batches, an evaluation an epoch",
        (
            Knob(
                "maxcor",
                int,
                10,
                "steps that the curvature is estimated from",
                recommended=Int(5, 50, log=True),
                source="Nocedal and Wright 2006, section 7.2 (3 to 20 usual)",
                ge=1,
                le=1000,
            ),
            Knob("maxls", int, 20, "evaluations of a line search at most", source=_SCIPY, ge=1),
            Knob("maxiter", int, 15000, "steps at most; an epoch is an evaluation, not a step", source=_SCIPY, ge=1),
            Knob("ftol", float, 2.2e-9, "ends when a step improves the loss by less, as a share", source=_SCIPY, ge=0),
            Knob("gtol", float, 1e-5, "ends when no element of the gradient is larger", source=_SCIPY, ge=0),
        ),
        "Liu and Nocedal 1989, doi:10.1007/BF01589116; Byrd et al. 1995, doi:10.1137/0916069 (scipy.optimize L-BFGS-B)",
        _lbfgs,
        solver=True,
    ),
)

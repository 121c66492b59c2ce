"""The optimizers, one entry each. Adding one touches this file only.

Every `build` takes the entry's knobs by their Keras names and returns a Keras optimizer. The learning rate that is
passed is the schedule's start; the trainer sets the rate of each update.

Ranges contain the Keras default and span the decades in which an image classifier of this size trains at all. The
parametrization (learning rate on a log scale, momentum and betas as 1 - value on a log scale) is that of Choi et al.
2019, "On Empirical Comparisons of Optimizers for Deep Learning", arXiv:1910.05446, appendix D.

The prior of a range is where one would start with an image classifier: the default, except where a knob gives another
value and its source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hpsearch.catalogue.entries import Distribution, Entry, Knob, by_name

_CHOI = "arXiv:1910.05446, appendix D"
# Schmidt et al. 2021 searched the learning rate of every optimizer from 1e-4 to 1.
_SCHMIDT = "arXiv:2007.01547"
# Residual networks on CIFAR-10: learning rate 0.1, momentum 0.9, batches of 128.
_HE = "arXiv:1512.03385, section 4.2"
_KERAS = "Keras default"
_SCIPY = "SciPy default"
_MEASURED = "measured on Fashion-MNIST, 784-64-10, two epochs"
_DECAY = "w <- w - lr weight_decay w before each update (arXiv:1711.05101)"

# ------------------------------------------------------------------ knobs that several optimizers share


def knob(name: str, kind: Any, default: Any, doc: str, **more: Any) -> Knob:
    """Return a knob with Keras's default."""
    return Knob(name, kind, default, doc, **{"source": _KERAS, **more})


def learning_rate(default: float, low: float, high: float, source: str = _CHOI, *, prior: float | None = None) -> Knob:
    """Return the learning rate, sampled on a log scale.

    Args:
        prior: the rate to try first; None: the default.
    """
    doc = "step size at the start of training"
    recommended = {"float": [low, high], "log": True, "prior": default if prior is None else prior}
    return Knob("learning_rate", float, default, doc, recommended, source, gt=0)


def decay(
    name: str, default: float, doc: str, low: float, high: float, source: str = _CHOI, *, prior: float | None = None
) -> Knob:
    """Return a momentum or beta, sampled as 1 - value in [low, high].

    Args:
        prior: the value to try first; None: the default.
    """
    recommended = {"one_minus": [low, high], "log": True, "prior": default if prior is None else prior}
    return Knob(name, float, default, doc, recommended, source, ge=0, lt=1)


def betas() -> tuple[Knob, Knob]:
    """Return the betas of Adam and of the optimizers derived from it."""
    return (
        decay("beta_1", 0.9, "decay of the average of g", 1e-2, 0.5),
        decay("beta_2", 0.999, "decay of the average of g^2", 1e-4, 0.1),
    )


def nesterov(default: bool = False, recommended: Distribution | None = None) -> Knob:
    """Return the switch of Nesterov's momentum."""
    doc, source = "take the gradient after the momentum step", _CHOI if recommended else _KERAS
    return Knob("nesterov", bool, default, doc, recommended, source)


def epsilon() -> Knob:
    """Return the small number in the divisor."""
    return knob("epsilon", float, 1e-7, "added to the divisor for stability", gt=0)


def amsgrad() -> Knob:
    """Return the switch of AMSGrad."""
    return knob("amsgrad", bool, False, "divide by the largest average of g^2 so far")


def initial_accumulator_value(**more: Any) -> Knob:
    """Return the start of the sum of squared gradients; it fills the slots when the optimizer is built."""
    return knob("initial_accumulator_value", float, 0.1, "the sum of g^2 at the start", ge=0, structural=True, **more)


def optional(name: str, doc: str, default: float | None = None) -> Knob:
    """Return a positive number that null switches off."""
    return knob(name, float | None, default, doc, gt=0)


def penalty(name: str, doc: str, **more: Any) -> Knob:
    """Return the strength of a penalty; 0 switches it off."""
    return knob(name, float, 0.0, doc, ge=0, **more)


def off_or(low: float, high: float, prior: float) -> Distribution:
    """Return 0, which is Keras's default and not on a log scale, or a number in [low, high].

    Args:
        prior: the number to try first; 0 is recommended before it.
    """
    return {"choice": [0.0, {"float": [low, high], "log": True, "prior": prior}], "prior": 0.0}


def common(weight_decay: Knob | None = None) -> tuple[Knob, ...]:
    """Return the knobs that every Keras optimizer has beside its own."""
    return (
        weight_decay or optional("weight_decay", f"{_DECAY}; null: none"),
        optional("clipnorm", "each gradient is scaled down to this L2 norm; null: never"),
        optional("global_clipnorm", "all gradients together are scaled down to this L2 norm; null: never"),
        optional("clipvalue", "each element of a gradient is limited to +- this; null: never"),
        knob(
            "use_ema",
            bool,
            False,
            "validate, restore and export the moving average of the weights (Polyak and Juditsky 1992)",
        ),
        knob("ema_momentum", float, 0.99, "avg <- ema_momentum avg + (1 - ema_momentum) w", gt=0, lt=1),
    )


def one_clipping(knobs: Mapping[str, Any]) -> str | None:
    """Return why the clipping knobs are impossible together: Keras takes one of them at a time."""
    given = [name for name in ("clipnorm", "global_clipnorm", "clipvalue") if knobs[name] is not None]
    if len(given) <= 1:
        return None
    return f"only one of `clipnorm`, `global_clipnorm` and `clipvalue` may be given, but got {', '.join(given)}"


# ------------------------------------------------------------------ builders


def keras_class(name: str, **fixed: Any) -> Callable[..., Any]:
    """Return a builder of a Keras class; `fixed` are arguments that are no knobs."""

    def build(**knobs: Any) -> Any:
        import keras

        return getattr(keras.optimizers, name)(**fixed, **knobs)

    return build


def _proximal_gradient_descent(**knobs: Any) -> Any:
    from hpsearch.catalogue.proximal import ProximalGradientDescent

    return ProximalGradientDescent(**knobs)


def _minimize_options(**knobs: Any) -> dict[str, Any]:
    """Return the options of scipy.optimize.minimize."""
    return knobs


def keras_optimizer(
    name: str,
    formula: str,
    source: str,
    build: Callable[..., Any],
    *knobs: Knob,
    weight_decay: Knob | None = None,
    keras_defaults: bool = True,
) -> Entry:
    """Return the entry of a Keras optimizer: its own knobs, and those that every Keras optimizer has.

    Args:
        weight_decay: the knob of an optimizer whose weight decay is on by default.
        keras_defaults: whether the defaults are those of a class of Keras.
    """
    every = (*knobs, *common(weight_decay))
    return Entry(name, formula, every, source, build, check=one_clipping, keras_defaults=keras_defaults)


# ------------------------------------------------------------------ entries

OPTIMIZERS = by_name(
    keras_optimizer(
        "sgd",
        "v <- momentum v - lr g;  w <- w + v  (nesterov: w <- w + momentum v - lr g)",
        "Polyak 1964, doi:10.1016/0041-5553(64)90137-5; Sutskever et al. 2013, ICML (Nesterov form)",
        keras_class("SGD"),
        learning_rate(0.01, 1e-3, 1.0, f"{_CHOI}; prior: {_HE}", prior=0.1),
        decay(
            "momentum",
            0.0,
            "share of the last step that is kept",
            1e-3,
            1.0,
            f"{_CHOI}; prior: {_HE}",
            prior=0.9,
        ),
        nesterov(recommended={"choice": [False, True], "prior": False}),
    ),
    keras_optimizer(
        "adagrad",
        "n <- n + g^2;  w <- w - lr g / sqrt(n + epsilon)",
        "Duchi et al. 2011, JMLR 12:2121-2159",
        keras_class("Adagrad"),
        # Keras's documentation says that the paper has 1; Keras's own default is at the slow end.
        learning_rate(1e-3, 1e-3, 1.0, f"{_SCHMIDT}; prior: PyTorch default", prior=0.01),
        initial_accumulator_value(),
        epsilon(),
    ),
    keras_optimizer(
        "rmsprop",
        "a <- rho a + (1 - rho) g^2;  w <- w - lr g / sqrt(a + epsilon)",
        "Tieleman and Hinton 2012, Coursera lecture 6.5; Graves 2013, arXiv:1308.0850 (centered)",
        keras_class("RMSprop"),
        learning_rate(1e-3, 1e-4, 1e-2),
        decay("rho", 0.9, "decay of the average of g^2", 1e-2, 0.5),
        # With momentum m the step grows by 1 / (1 - m), so the range ends at 0.9, below that of sgd.
        decay("momentum", 0.0, "share of the last step that is kept", 0.1, 1.0),
        epsilon(),
        knob("centered", bool, False, "divide by the estimated variance of g, not by g^2"),
    ),
    keras_optimizer(
        "adadelta",
        "a, b: averages of g^2 and d^2;  d = g sqrt(b + epsilon) / sqrt(a + epsilon);  w <- w - lr d",
        "Zeiler 2012, arXiv:1212.5701, algorithm 1",
        keras_class("Adadelta"),
        # The paper has no learning rate, which is the same as 1; Keras's default is a thousandth of that.
        learning_rate(1e-3, 1e-3, 10.0, "arXiv:1212.5701, algorithm 1 (1.0, the prior)", prior=1.0),
        decay("rho", 0.95, "decay of both averages", 1e-2, 0.5),
        epsilon(),
    ),
    keras_optimizer(
        "adam",
        "bias-corrected averages m of g and v of g^2;  w <- w - lr m / (sqrt(v) + epsilon)",
        "Kingma and Ba 2015, arXiv:1412.6980, algorithm 1; Reddi et al. 2018, arXiv:1904.09237 (amsgrad)",
        keras_class("Adam"),
        learning_rate(1e-3, 1e-4, 3e-2),
        *betas(),
        epsilon(),
        amsgrad(),
    ),
    keras_optimizer(
        "adamax",
        "bias-corrected average m of g;  u <- max(beta_2 u, |g|);  w <- w - lr m / (u + epsilon)",
        "Kingma and Ba 2015, arXiv:1412.6980, algorithm 2",
        keras_class("Adamax"),
        learning_rate(1e-3, 1e-4, 3e-2),
        *betas(),
        epsilon(),
    ),
    keras_optimizer(
        "nadam",
        "as adam, with beta_1 m + (1 - beta_1) g in place of m in the step, both bias-corrected",
        "Dozat 2016, Incorporating Nesterov Momentum into Adam, ICLR workshop",
        keras_class("Nadam"),
        learning_rate(1e-3, 1e-4, 3e-2),
        *betas(),
        epsilon(),
    ),
    keras_optimizer(
        "ftrl",
        "n <- n + g^2;  z <- z + g - (change of n^p) w / lr;  w <- -(z - clip(z, l1)) / (n^p / lr + 2 l2),  p = -power",
        "McMahan et al. 2013, KDD, doi:10.1145/2487575.2488200, algorithm 1",
        keras_class("Ftrl"),
        # The rate of the measurement below.
        learning_rate(1e-3, 1e-3, 0.3, f"{_CHOI}; prior: {_MEASURED}", prior=0.01),
        # TensorFlow computes a constant power of 0.5 as a root, which gives other bits.
        knob("learning_rate_power", float, -0.5, "power of n that divides the step", ge=-1, le=0, structural=True),
        # The first update scales the initial weights by 1 - sqrt(n / (n + g^2)), which from 0.1 is nearly 0: an
        # MLP forgets them. From 1e-6 they stay (after two epochs at a rate of 0.01: 0.84 instead of 0.57).
        initial_accumulator_value(recommended={"choice": [0.1, 1e-6], "prior": 1e-6}, source=_MEASURED),
        penalty(
            "l1_regularization_strength",
            "weights whose |z| is smaller are exactly zero",
            # The prior is the middle of the logarithmic range.
            recommended=off_or(1e-5, 3e-2, prior=5e-4),
            source=f"{_MEASURED}: 4 to 72 % zeros",
        ),
        penalty("l2_regularization_strength", "shrinks the weights"),
        penalty("l2_shrinkage_regularization_strength", "adds 2 of it times w to g"),
        penalty("beta", "adds beta / lr to the divisor"),
    ),
    keras_optimizer(
        "proximal_gradient_descent",
        "v = w - lr g + momentum times the last change of w;  w <- sign(v) max(|v| - lr l1, 0) / (1 + lr l2)",
        "Parikh and Boyd 2014, doi:10.1561/2400000003, section 4.2; Duchi and Singer 2009, JMLR 10:2899-2934",
        _proximal_gradient_descent,
        # Without a penalty it is sgd, and has its priors.
        learning_rate(0.01, 1e-3, 1.0, f"{_CHOI}; prior: {_HE}", prior=0.1),
        decay(
            "momentum",
            0.0,
            "share of the last change that is kept",
            1e-3,
            1.0,
            f"{_CHOI}; prior: {_HE}",
            prior=0.9,
        ),
        nesterov(),
        penalty(
            "l1",
            "times sum |w| of all weights; gives exact zeros",
            # The prior is the middle of the logarithmic range.
            recommended=off_or(1e-6, 1e-3, prior=3e-5),
            source=f"{_MEASURED}: 0.05 to 73 % zeros",
        ),
        penalty("l2", "half of it times sum w^2 of all weights; shrinks"),
        keras_defaults=False,
    ),
    keras_optimizer(
        "adamw",
        "w <- w - lr weight_decay w, then the update of adam: weight decay apart from the gradient",
        "Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2",
        keras_class("AdamW"),
        learning_rate(1e-3, 1e-4, 3e-2),
        *betas(),
        epsilon(),
        amsgrad(),
        # At a learning rate of 1e-3 the paper's normalized 0.025 is about 0.1 here, which is the prior.
        weight_decay=replace(
            knob("weight_decay", float, 0.004, _DECAY, source="arXiv:1711.05101, appendix B.1", gt=0),
            recommended={"float": [1e-3, 1.0], "log": True, "prior": 0.1},
        ),
    ),
    keras_optimizer(
        "lion",
        "w <- w - lr sign(beta_1 m + (1 - beta_1) g);  m <- beta_2 m + (1 - beta_2) g",
        "Chen et al. 2023, arXiv:2302.06675, algorithm 2",
        keras_class("Lion"),
        # A third to a tenth of Adam's, by the paper; the prior is a tenth.
        learning_rate(1e-3, 1e-5, 3e-3, "arXiv:2302.06675", prior=1e-4),
        # Keras refuses 0.
        replace(decay("beta_1", 0.9, "share of the average in the step's sign", 1e-2, 0.5), ge=None, gt=0),
        decay("beta_2", 0.99, "decay of the average of g", 1e-3, 0.1),
    ),
    keras_optimizer(
        "adafactor",
        "v: average of g^2, factored;  w <- w - max(epsilon_2, rms(w)) min(lr, 1 / sqrt(t)) clipped(g / sqrt(v))",
        "Shazeer and Stern 2018, arXiv:1804.04235, algorithms 4 and 5",
        keras_class("Adafactor"),
        # Relative to the size of the weights; the paper's is 0.01.
        learning_rate(1e-3, 3e-4, 1e-1, "arXiv:1804.04235, section 9 (0.01, the prior)", prior=0.01),
        knob("beta_2_decay", float, -0.8, "the decay of v at update t is 1 - t^beta_2_decay", ge=-1, le=0),
        knob("epsilon_1", float, 1e-30, "added to g^2", gt=0),
        knob("epsilon_2", float, 1e-3, "smallest size of weights that scales the step", gt=0),
        knob("clip_threshold", float, 1.0, "a larger root mean square of a step is scaled to it", gt=0),
        knob("relative_step", bool, True, "without effect in Keras 3.15: min(lr, 1 / sqrt(t)) holds either way"),
    ),
    keras_optimizer(
        "lamb",
        "w <- w - lr |w| u / |u| for each tensor,  u: the step of adam",
        "You et al. 2020, arXiv:1904.00962, algorithm 2",
        keras_class("Lamb"),
        learning_rate(1e-3, 3e-4, 3e-2),
        *betas(),
        epsilon(),
    ),
    keras_optimizer(
        "muon",
        "matrices but the last: v <- momentum v + g;  w <- w - lr U V^T,  v = U S V^T (nearly);  all else: adamw",
        "Jordan et al. 2024, github.com/KellerJordan/Muon; Liu et al. 2025, arXiv:2502.16982",
        # The output layer is for Adam (Liu et al. 2025); all models of the catalogue call it so.
        keras_class("Muon", exclude_layers=["logits"]),
        # With rms_rate it takes Adam's learning rates.
        learning_rate(1e-3, 1e-4, 3e-2, "arXiv:2502.16982"),
        decay("momentum", 0.95, "share of v that is kept", 1e-2, 0.5),
        nesterov(default=True),
        knob("ns_steps", int, 5, "Newton-Schulz iterations of an update", ge=1),
        knob("muon_a", float, 3.4445, "coefficient of the Newton-Schulz iteration", ge=-10),
        knob("muon_b", float, -4.775, "coefficient of the Newton-Schulz iteration", ge=-10),
        knob("muon_c", float, 2.0315, "coefficient of the Newton-Schulz iteration", ge=-10),
        optional("rms_rate", "scales a step to this root mean square; null: not", 0.2),
        knob("adam_beta_1", float, 0.9, "of adamw: decay of the average of g", ge=0, lt=1),
        knob("adam_beta_2", float, 0.999, "of adamw: decay of the average of g^2", ge=0, lt=1),
        optional("adam_weight_decay", "of adamw: as weight_decay; null: none", 0.004),
        knob("adam_lr_ratio", float, 1.0, "of adamw: its learning rate as a multiple", gt=0),
        epsilon(),
        knob("exclude_embeddings", bool, True, "adamw for embeddings"),
        weight_decay=optional("weight_decay", f"{_DECAY}; null: none", 0.004),
    ),
    Entry(
        "lbfgs",
        "w <- w - t H g: H from the last maxcor steps, t from a line search; full batches, an evaluation an epoch",
        (
            # Nocedal and Wright 2006, section 7.2: 3 to 20 are usual.
            Knob(
                "maxcor",
                int,
                10,
                "steps that the curvature is estimated from",
                {"int": [5, 50], "log": True, "prior": 10},
                _SCIPY,
                ge=1,
            ),
            Knob("maxls", int, 20, "evaluations of a line search at most", source=_SCIPY, ge=1),
            Knob("maxiter", int, 15000, "steps at most; an epoch is an evaluation, not a step", source=_SCIPY, ge=1),
            Knob("ftol", float, 2.2e-9, "ends when a step improves the loss by less, as a share", source=_SCIPY, ge=0),
            Knob("gtol", float, 1e-5, "ends when no element of the gradient is larger", source=_SCIPY, ge=0),
        ),
        "Liu and Nocedal 1989, doi:10.1007/BF01589116; Byrd et al. 1995, doi:10.1137/0916069 (scipy.optimize L-BFGS-B)",
        _minimize_options,
        needs_closure=True,
        keras_defaults=False,
    ),
)

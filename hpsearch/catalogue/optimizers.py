"""The optimizers, one row each. Adding one touches this file only.

Every `build` takes the row's knobs by their Keras names and returns a Keras optimizer, a stock one where
Keras has it. The learning rate that is passed is the schedule's start; the trainer sets the rate in force
before each update.

Ranges hold the Keras default and span the decades in which an image classifier of this size trains at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hpsearch.catalogue.optimizer_knobs import (
    KERAS,
    WEIGHT_DECAY,
    above_zero,
    amsgrad,
    betas,
    common,
    decay,
    epsilon,
    learning_rate,
    nesterov,
    off_or,
    one_clipping,
    positive,
    power,
    searched_weight_decay,
    strength,
)
from hpsearch.catalogue.rows import Distribution, Entry, Knob, catalogue

# Schmidt et al. 2021 searched the learning rate of every optimizer from 1e-4 to 1.
_SCHMIDT = "arXiv:2007.01547"
_SCIPY = "SciPy default"
_MEASURED = "measured on Fashion-MNIST, 784-64-10, two epochs"


def _keras(name: str) -> Callable[..., Any]:
    """Builds the stock Keras class of this name."""

    def build(**knobs: Any) -> Any:
        import keras

        return getattr(keras.optimizers, name)(**knobs)

    return build


def _proximal_gradient_descent(**knobs: Any) -> Any:
    from hpsearch.catalogue.proximal import ProximalGradientDescent

    return ProximalGradientDescent(**knobs)


def _muon(**knobs: Any) -> Any:
    import keras

    # The output layer is for Adam (Liu et al. 2025); our models call it so.
    return keras.optimizers.Muon(exclude_layers=["logits"], **knobs)


def _initial_accumulator_value(recommended: Distribution | None = None, source: str = KERAS) -> Knob:
    # It fills the slots when the optimizer is built.
    doc = "the sum of g^2 at the start"
    return Knob("initial_accumulator_value", float, 0.1, doc, recommended, source, ge=0, structural=True)


def _lbfgs(**knobs: Any) -> dict[str, Any]:
    """The options of scipy.optimize.minimize."""
    return knobs


OPTIMIZERS = catalogue(
    Entry(
        "sgd",
        "v <- momentum v - lr g;  w <- w + v  (nesterov: w <- w + momentum v - lr g)",
        (
            learning_rate(0.01, 1e-3, 1.0),
            decay("momentum", 0.0, "share of the last step that is kept", 1e-3, 1.0),
            nesterov(recommended={"choice": [False, True]}),
            *common(),
        ),
        "Polyak 1964, doi:10.1016/0041-5553(64)90137-5; Sutskever et al. 2013, ICML (Nesterov form)",
        _keras("SGD"),
        check=one_clipping,
    ),
    Entry(
        "adagrad",
        "n <- n + g^2;  w <- w - lr g / sqrt(n + epsilon)",
        (
            # The paper's form is 1, says Keras; its own default is at the slow end.
            learning_rate(1e-3, 1e-3, 1.0, _SCHMIDT),
            _initial_accumulator_value(),
            epsilon(),
            *common(),
        ),
        "Duchi et al. 2011, JMLR 12:2121-2159",
        _keras("Adagrad"),
        check=one_clipping,
    ),
    Entry(
        "rmsprop",
        "a <- rho a + (1 - rho) g^2;  w <- w - lr g / sqrt(a + epsilon)",
        (
            learning_rate(1e-3, 1e-4, 1e-2),
            decay("rho", 0.9, "decay of the average of g^2", 1e-2, 0.5),
            # With momentum m the step grows by 1 / (1 - m), so the range stops at 0.9 where sgd's goes on.
            decay("momentum", 0.0, "share of the last step that is kept", 0.1, 1.0),
            epsilon(),
            Knob("centered", bool, False, "divide by the estimated variance of g, not by g^2", source=KERAS),
            *common(),
        ),
        "Tieleman and Hinton 2012, Coursera lecture 6.5; Graves 2013, arXiv:1308.0850 (centered)",
        _keras("RMSprop"),
        check=one_clipping,
    ),
    Entry(
        "adadelta",
        "a, b: averages of g^2 and d^2;  d = g sqrt(b + epsilon) / sqrt(a + epsilon);  w <- w - lr d",
        (
            # The paper has no learning rate, which is 1; Keras's default is a thousandth of that.
            learning_rate(1e-3, 1e-3, 10.0, "arXiv:1212.5701, algorithm 1 (1.0)"),
            decay("rho", 0.95, "decay of both averages", 1e-2, 0.5),
            epsilon(),
            *common(),
        ),
        "Zeiler 2012, arXiv:1212.5701, algorithm 1",
        _keras("Adadelta"),
        check=one_clipping,
    ),
    Entry(
        "adam",
        "bias-corrected averages m of g and v of g^2;  w <- w - lr m / (sqrt(v) + epsilon)",
        (learning_rate(1e-3, 1e-4, 3e-2), *betas(), epsilon(), amsgrad(), *common()),
        "Kingma and Ba 2015, arXiv:1412.6980, algorithm 1; Reddi et al. 2018, arXiv:1904.09237 (amsgrad)",
        _keras("Adam"),
        check=one_clipping,
    ),
    Entry(
        "adamax",
        "bias-corrected average m of g;  u <- max(beta_2 u, |g|);  w <- w - lr m / (u + epsilon)",
        (learning_rate(1e-3, 1e-4, 3e-2), *betas(), epsilon(), *common()),
        "Kingma and Ba 2015, arXiv:1412.6980, algorithm 2",
        _keras("Adamax"),
        check=one_clipping,
    ),
    Entry(
        "nadam",
        "adam with the average of g looked ahead by one step",
        (learning_rate(1e-3, 1e-4, 3e-2), *betas(), epsilon(), *common()),
        "Dozat 2016, Incorporating Nesterov Momentum into Adam, ICLR workshop",
        _keras("Nadam"),
        check=one_clipping,
    ),
    Entry(
        "ftrl",
        "n <- n + g^2;  z <- z + g - (change of n^p) w / lr;  w <- -(z - clip(z, l1)) / (n^p / lr + 2 l2),  p = -power",
        (
            learning_rate(1e-3, 1e-3, 0.3),
            # TensorFlow computes a power of 0.5 that it knows beforehand as a root, so with other bits.
            power("learning_rate_power", -0.5, "power of n that divides the step", structural=True),
            # The first update scales the initial weights by 1 - sqrt(n / (n + g^2)), which from 0.1 is nearly 0: an
            # MLP forgets them. From 1e-6 they stay (after two epochs at a rate of 0.01: 0.84 instead of 0.57).
            _initial_accumulator_value({"choice": [0.1, 1e-6]}, _MEASURED),
            strength(
                "l1_regularization_strength",
                "weights whose |z| is smaller are exactly zero",
                off_or(1e-5, 3e-2),
                f"{_MEASURED}: 4 to 72 % zeros",
            ),
            strength("l2_regularization_strength", "shrinks the weights"),
            strength("l2_shrinkage_regularization_strength", "adds 2 of it times w to g"),
            strength("beta", "adds beta / lr to the divisor"),
            *common(),
        ),
        "McMahan et al. 2013, KDD, doi:10.1145/2487575.2488200, algorithm 1",
        _keras("Ftrl"),
        check=one_clipping,
    ),
    Entry(
        "proximal_gradient_descent",
        "v = w - lr g + momentum times the last change of w;  w <- sign(v) max(|v| - lr l1, 0) / (1 + lr l2)",
        (
            learning_rate(0.01, 1e-3, 1.0),
            decay("momentum", 0.0, "share of the last change that is kept", 1e-3, 1.0),
            nesterov(),
            strength(
                "l1",
                "times sum |w| of all weights; gives exact zeros",
                off_or(1e-6, 1e-3),
                f"{_MEASURED}: 0.05 to 73 % zeros",
            ),
            strength("l2", "half of it times sum w^2 of all weights; shrinks"),
            *common(),
        ),
        "Parikh and Boyd 2014, doi:10.1561/2400000003, section 4.2; Duchi and Singer 2009, JMLR 10:2899-2934",
        _proximal_gradient_descent,
        check=one_clipping,
        keras=False,
    ),
    Entry(
        "adamw",
        "adam with weight decay apart from the gradient",
        (learning_rate(1e-3, 1e-4, 3e-2), *betas(), epsilon(), amsgrad(), *common(searched_weight_decay())),
        "Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2",
        _keras("AdamW"),
        check=one_clipping,
    ),
    Entry(
        "lion",
        "w <- w - lr sign(beta_1 m + (1 - beta_1) g);  m <- beta_2 m + (1 - beta_2) g",
        (
            # A third to a tenth of Adam's, says the paper.
            learning_rate(1e-3, 1e-5, 3e-3, "arXiv:2302.06675"),
            # Keras refuses 0.
            replace(decay("beta_1", 0.9, "share of the average in the step's sign", 1e-2, 0.5), ge=None, gt=0),
            decay("beta_2", 0.99, "decay of the average of g", 1e-3, 0.1),
            *common(),
        ),
        "Chen et al. 2023, arXiv:2302.06675, algorithm 2",
        _keras("Lion"),
        check=one_clipping,
    ),
    Entry(
        "adafactor",
        "v: average of g^2, factored;  w <- w - max(epsilon_2, rms(w)) min(lr, 1 / sqrt(t)) clipped(g / sqrt(v))",
        (
            # Relative to the size of the weights; the paper's is 0.01.
            learning_rate(1e-3, 3e-4, 1e-1, "arXiv:1804.04235, section 9 (0.01)"),
            power("beta_2_decay", -0.8, "the decay of v at update t is 1 - t^beta_2_decay"),
            positive("epsilon_1", 1e-30, "added to g^2"),
            positive("epsilon_2", 1e-3, "smallest size of weights that scales the step"),
            positive("clip_threshold", 1.0, "a larger root mean square of a step is scaled to it"),
            Knob("relative_step", bool, True, "without effect in Keras 3.15: min(lr, 1 / sqrt(t)) holds either way"),
            *common(),
        ),
        "Shazeer and Stern 2018, arXiv:1804.04235, algorithms 4 and 5",
        _keras("Adafactor"),
        check=one_clipping,
    ),
    Entry(
        "lamb",
        "w <- w - lr |w| u / |u| for each tensor,  u: the step of adam",
        (learning_rate(1e-3, 3e-4, 3e-2), *betas(), epsilon(), *common()),
        "You et al. 2020, arXiv:1904.00962, algorithm 2",
        _keras("Lamb"),
        check=one_clipping,
    ),
    Entry(
        "muon",
        "matrices but the last: v <- momentum v + g;  w <- w - lr U V^T,  v = U S V^T (nearly);  all else: adamw",
        (
            # With rms_rate it takes Adam's learning rates.
            learning_rate(1e-3, 1e-4, 3e-2, "arXiv:2502.16982"),
            decay("momentum", 0.95, "share of v that is kept", 1e-2, 0.5),
            nesterov(default=True),
            Knob("ns_steps", int, 5, "Newton-Schulz iterations of an update", source=KERAS, ge=1),
            *(
                Knob(f"muon_{name}", float, value, "coefficient of the Newton-Schulz iteration", source=KERAS, ge=-10)
                for name, value in (("a", 3.4445), ("b", -4.775), ("c", 2.0315))
            ),
            above_zero("rms_rate", "scales a step to this root mean square; null: not", 0.2),
            Knob("adam_beta_1", float, 0.9, "of adamw: decay of the average of g", source=KERAS, ge=0, lt=1),
            Knob("adam_beta_2", float, 0.999, "of adamw: decay of the average of g^2", source=KERAS, ge=0, lt=1),
            above_zero("adam_weight_decay", "of adamw: as weight_decay; null: none", 0.004),
            positive("adam_lr_ratio", 1.0, "of adamw: its learning rate as a multiple"),
            epsilon(),
            Knob("exclude_embeddings", bool, True, "adamw for embeddings", source=KERAS),
            *common(above_zero("weight_decay", f"{WEIGHT_DECAY}; null: none", 0.004)),
        ),
        "Jordan et al. 2024, github.com/KellerJordan/Muon; Liu et al. 2025, arXiv:2502.16982",
        _muon,
        check=one_clipping,
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
                {"int": [5, 50], "log": True},
                _SCIPY,
                ge=1,
            ),
            Knob("maxls", int, 20, "evaluations of a line search at most", source=_SCIPY, ge=1),
            Knob("maxiter", int, 15000, "steps at most; an epoch is an evaluation, not a step", source=_SCIPY, ge=1),
            Knob("ftol", float, 2.2e-9, "ends when a step improves the loss by less, as a share", source=_SCIPY, ge=0),
            Knob("gtol", float, 1e-5, "ends when no element of the gradient is larger", source=_SCIPY, ge=0),
        ),
        "Liu and Nocedal 1989, doi:10.1007/BF01589116; Byrd et al. 1995, doi:10.1137/0916069 (scipy.optimize L-BFGS-B)",
        _lbfgs,
        solver=True,
        keras=False,
    ),
)

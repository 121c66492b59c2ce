"""The learning-rate schedules, one entry each. Adding one touches this file only.

Time t is counted in epochs, from 0 at the first update; T is `max_epochs`; lr0 is the optimizer's learning rate. With
`per: step` t moves at every update (t = updates so far / updates per epoch); with `per: epoch` it is rounded down to
whole epochs. So a decay rate means the same at every batch size.

`build(lr0, t, T, **knobs)` is the formula: it returns the rate at time t. Where an entry has `callback`,
`build(**knobs)` returns a Keras callback that sets the rate between epochs.

The prior of a range is where one would start: the default or a value of the knob's source. Where these do not suit a
training of 20 epochs (the default of `max_epochs`), it is a value that does, and a comment says which.

`stock(lr0, updates, T, **knobs)` returns the class of `keras.optimizers.schedules` that computes these rates, and its
arguments. Keras counts in updates, so it takes the number of updates in an epoch. None: no class computes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from hpsearch.catalogue.entries import REQUIRED, Entry, Knob, Reference, by_name

UNITS = ("step", "epoch")
_SGDR = "arXiv:1608.03983"
_KERAS = "Keras default"
_STAIRCASE = Knob("per", Literal[UNITS], "step", "step: the rate moves at every update; epoch: once an epoch")
_ALPHA = Knob("alpha", float, 0.0, "the lowest rate, as a share of lr0", source=_KERAS, ge=0, le=1)

Stock = tuple[str, dict[str, Any]] | None


def _constant(lr0: float, _t: float, _total: float) -> float:
    return lr0


def _inverse_time(lr0: float, t: float, _total: float, *, decay_rate: float) -> float:
    return lr0 / (1.0 + decay_rate * t)


def _exponential(lr0: float, t: float, _total: float, *, decay_rate: float) -> float:
    return lr0 * math.pow(decay_rate, t)


def _stock_decay(name: str) -> Callable[..., Stock]:
    def stock(lr0: float, updates: int, _total: int, *, decay_rate: float, per: str) -> Stock:
        arguments = {"initial_learning_rate": lr0, "decay_steps": updates, "decay_rate": decay_rate}
        return name, arguments | ({"staircase": True} if per == "epoch" else {})

    return stock


def _step(lr0: float, t: float, _total: float, *, drop: float, epochs_per_drop: float) -> float:
    return lr0 * math.pow(drop, math.floor(t / epochs_per_drop))


def _piecewise_constant(_lr0: float, t: float, _total: float, *, values: Sequence[float]) -> float:
    return values[min(int(t), len(values) - 1)]


def _polynomial(lr0: float, t: float, total: float, *, power: float, alpha: float) -> float:
    return lr0 * (alpha + (1.0 - alpha) * math.pow(1.0 - min(t, total) / total, power))


def _stock_polynomial(lr0: float, updates: int, total: int, *, power: float, alpha: float, per: str) -> Stock:
    if per == "epoch":
        return None
    arguments = {"initial_learning_rate": lr0, "decay_steps": total * updates, "end_learning_rate": alpha * lr0}
    return "PolynomialDecay", arguments | {"power": power}


def _cosine(lr0: float, t: float, total: float, *, alpha: float, warmup: float, warmup_from: float) -> float:
    warming = warmup * total
    if t < warming:
        return lr0 * (warmup_from + (1.0 - warmup_from) * t / warming)
    # Loshchilov and Hutter, eq. 5, with eta_max = lr0 and eta_min = alpha lr0.
    return lr0 * _half_cosine((min(t, total) - warming) / (total - warming), alpha)


def _stock_cosine(
    lr0: float, updates: int, total: int, *, alpha: float, warmup: float, warmup_from: float, per: str
) -> Stock:
    if per == "epoch":
        return None
    every = total * updates
    if not warmup:
        return "CosineDecay", {"initial_learning_rate": lr0, "decay_steps": every, "alpha": alpha}
    arguments = {"initial_learning_rate": warmup_from * lr0, "decay_steps": every - warmup * every, "alpha": alpha}
    return "CosineDecay", arguments | {"warmup_target": lr0, "warmup_steps": warmup * every}


def _cosine_restarts(
    lr0: float, t: float, _total: float, *, first_decay: float, t_mul: float, m_mul: float, alpha: float
) -> float:
    # Period i takes first_decay t_mul^i epochs. Adding 1e-9 keeps a restart that falls on an update from being rounded
    # to the next update.
    passed = t / first_decay
    if t_mul == 1:
        restarts = math.floor(passed + 1e-9)
        share = passed - restarts
    else:
        restarts = math.floor(math.log1p(passed * (t_mul - 1.0)) / math.log(t_mul) + 1e-9)
        length = math.pow(t_mul, restarts)
        share = (passed - (length - 1.0) / (t_mul - 1.0)) / length
    return lr0 * _half_cosine(share, alpha, math.pow(m_mul, restarts))


def _stock_restarts(lr0: float, updates: int, _total: int, *, first_decay: float, per: str, **knobs: float) -> Stock:
    # In float32 Keras may restart an update too late.
    if per == "epoch":
        return None
    arguments = {"initial_learning_rate": lr0, "first_decay_steps": first_decay * updates}
    return "CosineDecayRestarts", arguments | {name: knobs[name] for name in ("t_mul", "m_mul", "alpha")}


def _half_cosine(share: float, alpha: float, height: float = 1.0) -> float:
    return alpha + (1.0 - alpha) * height * 0.5 * (1.0 + math.cos(math.pi * share))


def _reduce_on_plateau(**knobs: Any) -> Any:
    import keras

    mode = "min" if knobs["monitor"].endswith("loss") else "max"
    return keras.callbacks.ReduceLROnPlateau(mode=mode, **knobs)


def _custom(*, function: Callable[[int, float], float]) -> Any:
    import keras

    return keras.callbacks.LearningRateScheduler(function)


SCHEDULES = by_name(
    Entry("constant", "lr(t) = lr0", (), "Robbins and Monro 1951, doi:10.1214/aoms/1177729586 (fixed step)", _constant),
    Entry(
        "inverse_time",
        "lr(t) = lr0 / (1 + decay_rate t)",
        (
            Knob(
                "decay_rate",
                float,
                1.0,
                "how much the divisor grows in one epoch",
                # The middle of the logarithmic range: the last of 20 epochs has a seventh of the rate.
                recommended={"float": [0.01, 10.0], "log": True, "prior": 0.3},
                source="Bengio 2012, arXiv:1206.5533, section 3.1",
                ge=0,
            ),
            _STAIRCASE,
        ),
        "Robbins and Monro 1951, doi:10.1214/aoms/1177729586; keras.optimizers.schedules.InverseTimeDecay",
        _inverse_time,
        stock=_stock_decay("InverseTimeDecay"),
    ),
    Entry(
        "exponential",
        "lr(t) = lr0 decay_rate^t",
        (
            Knob(
                "decay_rate",
                float,
                0.9,
                "what is left of the rate after one epoch",
                # The prior is the default: the last of 20 epochs has an eighth of the rate.
                recommended={"one_minus": [0.01, 0.5], "log": True, "prior": 0.9},
                source="keras.optimizers.schedules.ExponentialDecay (0.96 in its example)",
                gt=0,
                le=1,
            ),
            _STAIRCASE,
        ),
        "keras.optimizers.schedules.ExponentialDecay",
        _exponential,
        stock=_stock_decay("ExponentialDecay"),
    ),
    Entry(
        "step",
        "lr(t) = lr0 drop^floor(t / epochs_per_drop), piecewise constant",
        (
            Knob(
                "drop",
                float,
                0.5,
                "what is left of the rate after each drop",
                recommended={"float": [0.1, 0.94], "prior": 0.1},
                source="0.1 in He et al. 2016, arXiv:1512.03385 (the prior); 0.94 in Szegedy et al. 2016, "
                "arXiv:1512.00567",
                gt=0,
                le=1,
            ),
            Knob(
                "epochs_per_drop",
                float,
                10.0,
                "epochs between two drops; a drop may fall within an epoch where it is no whole number",
                # About a third of 20 epochs, as in He et al. 2016.
                recommended={"float": [1.0, 10.0], "log": True, "prior": 7.0},
                source="2 in Szegedy et al. 2016, arXiv:1512.00567; about a third of the training in He et al. 2016",
                ge=0.001,
            ),
            _STAIRCASE,
        ),
        "keras.optimizers.schedules.PiecewiseConstantDecay",
        _step,
    ),
    Entry(
        "piecewise_constant",
        "lr(t) = values[floor(t)], the last one from there on",
        (Knob("values", tuple[float, ...], REQUIRED, "the learning rate of each epoch, in place of lr0", gt=0),),
        "keras.optimizers.schedules.PiecewiseConstantDecay",
        _piecewise_constant,
    ),
    Entry(
        "polynomial",
        "lr(t) = lr0 (alpha + (1 - alpha) (1 - t / T)^power)",
        (
            Knob(
                "power",
                float,
                1.0,
                "1: linear; above: most of the decay comes early; below: late",
                recommended={"float": [0.5, 4.0], "log": True, "prior": 1.0},
                source="0.5 and 1 in keras.optimizers.schedules.PolynomialDecay; 0.9 in Chen et al. 2017, "
                "arXiv:1606.00915, section 4.1; 1 in Li et al. 2020, arXiv:1905.04753",
                gt=0,
                le=10,
            ),
            _ALPHA,
            _STAIRCASE,
        ),
        "Chen et al. 2017, arXiv:1606.00915; keras.optimizers.schedules.PolynomialDecay",
        _polynomial,
        stock=_stock_polynomial,
    ),
    Entry(
        "cosine",
        "lr(t) = lr0 (alpha + (1 - alpha) (1 + cos(pi t / T)) / 2); with warmup w: first linear from lr0 warmup_from "
        "to lr0 for w T epochs, then the cosine over the rest",
        (
            _ALPHA,
            Knob("warmup", float, 0.0, "share of the training in which the rate first grows; 0: none", ge=0, lt=1),
            Knob(
                "warmup_from",
                float,
                0.1,
                "the first rate of the warm-up, as a share of lr0",
                source="1/32 to 1 in Goyal et al. 2017, arXiv:1706.02677, section 2.2",
                gt=0,
                le=1,
            ),
            _STAIRCASE,
        ),
        f"Loshchilov and Hutter 2017, {_SGDR}, eq. 5; Goyal et al. 2017, arXiv:1706.02677 (warm-up); "
        "keras.optimizers.schedules.CosineDecay",
        _cosine,
        stock=_stock_cosine,
    ),
    Entry(
        "cosine_restarts",
        "period i takes first_decay t_mul^i epochs; in it lr = lr0 (alpha + (1 - alpha) m_mul^i (1 + cos(pi s)) / 2), "
        "s: the share of the period that has passed",
        (
            Knob(
                "first_decay",
                float,
                10.0,
                "epochs of the first period",
                # The middle of the logarithmic range: with t_mul = 2 the periods have 3, 6 and 12 epochs.
                recommended={"float": [1.0, 10.0], "log": True, "prior": 3.0},
                source=f"1 and 10 in {_SGDR}, section 4.1",
                ge=0.001,
            ),
            Knob(
                "t_mul",
                float,
                2.0,
                "how much longer each period is than the one before",
                recommended={"choice": [1.0, 2.0], "prior": 2.0},
                source=f"1 and 2 in {_SGDR}, section 4.1",
                ge=1,
                le=100,
            ),
            Knob("m_mul", float, 1.0, "each restart's rate, as a share of the one before", source=_KERAS, gt=0, le=1),
            _ALPHA,
            _STAIRCASE,
        ),
        f"Loshchilov and Hutter 2017, {_SGDR}; keras.optimizers.schedules.CosineDecayRestarts",
        _cosine_restarts,
        stock=_stock_restarts,
    ),
    Entry(
        "reduce_on_plateau",
        "lr <- max(factor lr, min_lr) after `patience` epochs in which `monitor` did not improve",
        (
            Knob(
                "factor",
                float,
                0.1,
                "what is left of the rate after each reduction",
                recommended={"float": [0.1, 0.5], "prior": 0.2},
                source="keras.callbacks.ReduceLROnPlateau: models often benefit from a reduction by 2 to 10; 0.2 (the "
                "prior) in its example",
                gt=0,
                lt=1,
            ),
            Knob(
                "patience",
                int,
                10,
                "epochs without improvement before a reduction; early stopping may come first",
                # Half of early stopping's patience, so that two epochs at the reduced rate remain.
                recommended={"int": [1, 10], "log": True, "prior": 2},
                source="5 and 10 in keras.callbacks.ReduceLROnPlateau; less beside early stopping's patience of 4",
                ge=1,
            ),
            Knob("min_delta", float, 1e-4, "an improvement must be larger than this", source=_KERAS, ge=0),
            Knob("cooldown", int, 0, "epochs after a reduction that are not counted", source=_KERAS, ge=0),
            Knob("min_lr", float, 0.0, "the lowest rate", source=_KERAS, ge=0),
            Knob(
                "monitor",
                Literal["val_loss", "val_accuracy", "loss", "accuracy"],
                "val_loss",
                "what must improve",
                source=_KERAS,
            ),
        ),
        "keras.callbacks.ReduceLROnPlateau",
        _reduce_on_plateau,
        callback=True,
    ),
    Entry(
        "custom",
        "lr = function(epoch, lr) before each epoch; epoch is counted from 0, lr is the present rate",
        (Knob("function", Reference, REQUIRED, "a user's own schedule(epoch, lr) as `module:name`"),),
        "keras.callbacks.LearningRateScheduler",
        _custom,
        callback=True,
    ),
)

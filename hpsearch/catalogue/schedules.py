"""The learning-rate schedules, one row each. Adding one touches this file only.

Time t is counted in epochs, from 0 at the first update; T is `max_epochs`. With `per: step` t moves
at every update (t = updates so far / updates per epoch); with `per: epoch` it is held at whole epochs,
a staircase. So a decay rate means the same thing at every batch size.

Every `build` is the formula itself: `build(learning_rate, t, T, **knobs)` returns the rate in force.
"""

from __future__ import annotations

import math
from typing import Literal

from hpsearch.catalogue.distributions import Float, OneMinus
from hpsearch.catalogue.rows import Entry, Knob, catalogue

UNITS = ("step", "epoch")


def _per() -> Knob:
    return Knob("per", Literal[UNITS], "step", "step: the rate moves at every update; epoch: once an epoch")


def _constant(learning_rate: float, _t: float, _total: float) -> float:
    return learning_rate


def _inverse_time(learning_rate: float, t: float, _total: float, *, decay_rate: float) -> float:
    return learning_rate / (1.0 + decay_rate * t)


def _exponential(learning_rate: float, t: float, _total: float, *, decay_rate: float) -> float:
    return learning_rate * math.pow(decay_rate, t)


def _cosine(learning_rate: float, t: float, total: float, *, alpha: float) -> float:
    # Loshchilov and Hutter, eq. 5, with eta_max = learning_rate and eta_min = alpha * learning_rate.
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(t, total) / total))
    return learning_rate * (alpha + (1.0 - alpha) * cosine)


SCHEDULES = catalogue(
    Entry("constant", "lr(t) = lr0", (), "", _constant),
    Entry(
        "inverse_time",
        "lr(t) = lr0 / (1 + decay_rate t)",
        (
            Knob(
                "decay_rate",
                float,
                1.0,
                "how much the divisor grows in one epoch",
                recommended=Float(0.01, 10.0, log=True),
                source="Bengio 2012, arXiv:1206.5533, section 3.1",
                ge=0,
            ),
            _per(),
        ),
        "Robbins and Monro 1951, doi:10.1214/aoms/1177729586; keras.optimizers.schedules.InverseTimeDecay",
        _inverse_time,
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
                recommended=OneMinus(0.01, 0.5, log=True),
                source="keras.optimizers.schedules.ExponentialDecay (0.96 in its example)",
                gt=0,
                le=1,
            ),
            _per(),
        ),
        "keras.optimizers.schedules.ExponentialDecay",
        _exponential,
    ),
    Entry(
        "cosine",
        "lr(t) = lr0 (alpha + (1 - alpha) (1 + cos(pi t / T)) / 2)",
        (
            Knob(
                "alpha",
                float,
                0.0,
                "the last rate, as a share of the first",
                source="Keras default",
                ge=0,
                le=1,
            ),
            _per(),
        ),
        "Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5; keras.optimizers.schedules.CosineDecay",
        _cosine,
    ),
)

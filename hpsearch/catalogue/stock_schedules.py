"""The schedules that a class of `keras.optimizers.schedules` computes: its name and arguments, for a row's knobs.

Each is called as `stock(learning_rate, updates, total, **knobs)` with the updates of one epoch and the number of
epochs, and counts in updates where the formulas of `schedules` count in epochs. None: no class gives these rates.
"""

from __future__ import annotations

from typing import Any

Stock = tuple[str, dict[str, Any]] | None


def inverse_time(learning_rate: float, updates: int, _total: int, *, decay_rate: float, per: str) -> Stock:
    return "InverseTimeDecay", _decay(learning_rate, updates, decay_rate, per)


def exponential(learning_rate: float, updates: int, _total: int, *, decay_rate: float, per: str) -> Stock:
    return "ExponentialDecay", _decay(learning_rate, updates, decay_rate, per)


def polynomial(learning_rate: float, updates: int, total: int, *, power: float, alpha: float, per: str) -> Stock:
    if per == "epoch":
        return None
    return "PolynomialDecay", {
        "initial_learning_rate": learning_rate,
        "decay_steps": total * updates,
        "end_learning_rate": alpha * learning_rate,
        "power": power,
    }


def cosine(
    learning_rate: float, updates: int, total: int, *, alpha: float, warmup: float, warmup_from: float, per: str
) -> Stock:
    if per == "epoch":
        return None
    every = total * updates
    if not warmup:
        return "CosineDecay", {"initial_learning_rate": learning_rate, "decay_steps": every, "alpha": alpha}
    return "CosineDecay", {
        "initial_learning_rate": warmup_from * learning_rate,
        "decay_steps": every - warmup * every,
        "alpha": alpha,
        "warmup_target": learning_rate,
        "warmup_steps": warmup * every,
    }


def cosine_restarts(
    learning_rate: float,
    updates: int,
    _total: int,
    *,
    first_decay: float,
    t_mul: float,
    m_mul: float,
    alpha: float,
    per: str,
) -> Stock:
    # In float32 Keras may restart an update too late.
    if per == "epoch":
        return None
    return "CosineDecayRestarts", {
        "initial_learning_rate": learning_rate,
        "first_decay_steps": first_decay * updates,
        "t_mul": t_mul,
        "m_mul": m_mul,
        "alpha": alpha,
    }


def _decay(learning_rate: float, updates: int, decay_rate: float, per: str) -> dict[str, Any]:
    arguments = {"initial_learning_rate": learning_rate, "decay_steps": updates, "decay_rate": decay_rate}
    return arguments | ({"staircase": True} if per == "epoch" else {})

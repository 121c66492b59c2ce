"""The four distributions that may stand in place of a value, as plain frozen data.

They are what a study file writes (`{float: [0.001, 1.0], log: true}`), what a catalogue row
recommends, and what `hpsearch.search` hands to Optuna.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Float:
    """A real number in [low, high]; with `log`, uniform in its logarithm."""

    low: float
    high: float
    log: bool = False

    def plain(self) -> dict[str, Any]:
        return {"float": [self.low, self.high]} | ({"log": True} if self.log else {})

    def contains(self, value: object) -> bool:
        return _is_number(value) and self.low <= value <= self.high  # type: ignore[operator]


@dataclass(frozen=True)
class Int:
    """A whole number low, low + step, ... up to high; with `log`, uniform in its logarithm."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def plain(self) -> dict[str, Any]:
        extra: dict[str, Any] = {"log": True} if self.log else {}
        return {"int": [self.low, self.high]} | extra | ({"step": self.step} if self.step != 1 else {})

    def contains(self, value: object) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0


@dataclass(frozen=True)
class OneMinus:
    """The value 1 - x with x in [low, high]; with `log`, x is uniform in its logarithm.

    The field's parametrization of momentum and betas, whose effect depends on 1 / (1 - value):
    0.9, 0.99 and 0.999 lie equally far apart (Choi et al. 2019, arXiv:1910.05446, appendix D).
    """

    low: float
    high: float
    log: bool = False

    def plain(self) -> dict[str, Any]:
        return {"one_minus": [self.low, self.high]} | ({"log": True} if self.log else {})

    def contains(self, value: object) -> bool:
        # 1 - x is rounded, so a bound written as 0.9 meets 1 - 0.1 within one part in 1e12.
        return _is_number(value) and self.low - 1e-12 <= 1 - value <= self.high + 1e-12  # type: ignore[operator]


@dataclass(frozen=True)
class Choice:
    """One of the options; an option may be any value, a range, or a whole sub-tree of a study file."""

    options: tuple[Any, ...]

    def plain(self) -> dict[str, Any]:
        return {"choice": [option.plain() if isinstance(option, Range) else option for option in self.options]}

    def contains(self, value: object) -> bool:
        return any(o.contains(value) if isinstance(o, Range) else o == value for o in self.options)


Range = Float | Int | OneMinus
Distribution = Float | Int | OneMinus | Choice


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

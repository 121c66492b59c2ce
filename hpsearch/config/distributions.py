"""Distributions of numbers, as a study file writes them: `{float: [0.001, 1.0], log: true}`.

Optuna holds the number that is drawn; for `one_minus` that is 1 - value.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from hpsearch.config import foreign
from hpsearch.config.trial import Frozen
from hpsearch.config.yaml_text import is_number, shown_value

# The description in the schema.
_PRIOR = "the recommended value, around which samplers that use priors draw more often; it may change between runs"


class Range(Frozen):
    """A number to be drawn between two bounds, as a study file writes it: `{float: [0.001, 1.0], log: true}`.

    `prior` is a value of a configuration, also of `one_minus`.
    """

    kind: ClassVar[str]
    log: bool = Field(False, description="uniform in the logarithm")
    prior: float | None = Field(None, description=_PRIOR)

    @property
    def low(self) -> Any:
        """The smallest number that is drawn."""
        return self.bounds[0]  # type: ignore[attr-defined]

    @property
    def high(self) -> Any:
        """The largest number that is drawn."""
        return self.bounds[1]  # type: ignore[attr-defined]

    @property
    def ends(self) -> tuple[Any, Any]:
        """The numbers to draw for the smallest and the largest value."""
        return self.low, self.high

    @field_validator("bounds", mode="before", check_fields=False)
    @classmethod
    def _check_bounds(cls, bounds: Any, info: ValidationInfo) -> tuple[int | float, int | float]:
        """Apply the rules of a range, each stated with the value that breaks it."""
        numbers = [bound for bound in bounds if is_number(bound)] if isinstance(bounds, list | tuple) else []
        are_whole = all(isinstance(bound, int) for bound in numbers)
        if len(numbers) != 2 or len(bounds) != 2 or (cls.kind == "int" and not are_whole):
            wanted = "two whole numbers" if cls.kind == "int" else "two numbers"
            instead = foreign.bounds_hint(cls.kind, bounds)
            after = f"; {instead}" if instead else ""
            raise ValueError(f"a range must be {wanted} [low, high], but got {shown_value(bounds)}{after}")
        low, high = bounds
        if not all(abs(bound) <= sys.float_info.max for bound in bounds) or abs(high - low) > sys.float_info.max:
            raise ValueError(f"a range must be finite, but got {shown_value(bounds)}")
        if not low < high:
            what = f"write the value {low} itself" if low == high else f"write [{high}, {low}]"
            raise ValueError(f"the range is [{low}, {high}], but low must be less than high; {what}")
        if info.data.get("log") and low <= 0:
            raise ValueError(f"the range begins at {low}, but must begin above 0 with log: true")
        step = info.data.get("step", 1)
        if cls.kind == "int" and (high - low) % step:
            end = high - (high - low) % step
            what = f"write [{low}, {end}]" if end > low else f"write [{low}, {low + step}]"
            raise ValueError(f"the range is [{low}, {high}] with step {step}, but must end at a step; {what}")
        return (low, high) if cls.kind == "int" else (float(low), float(high))

    @model_validator(mode="after")
    def _check_prior(self) -> Self:
        if self.prior is not None and not self.contains(self.prior):
            low, high = (f"{end:.12g}" for end in sorted(map(self.value, self.ends)))
            given, instead = shown_value(self.prior), self._prior_hint(self.prior)
            raise ValueError(f"`prior` is {given}, but must lie in [{low}, {high}]{instead}")
        return self

    def _prior_hint(self, prior: float) -> str:  # noqa: ARG002
        """Return what to write in place of a prior that lies outside; empty if it is not known."""
        return ""

    def plain(self, *, prior: bool = False) -> dict[str, Any]:
        """Return the distribution as a study file writes it.

        Args:
            prior: whether to include the prior. It only steers the sampler, so it is no part of a study's identity and
                of no parameter's name.
        """
        extra = self.model_dump(exclude={"bounds"} if prior else {"bounds", "prior"}, exclude_defaults=True)
        return {self.kind: [self.low, self.high], **extra}

    def contains(self, value: Any) -> bool:
        """Return whether a value of a configuration can be drawn."""
        return is_number(value) and bool(self.low <= value <= self.high)

    def value(self, drawn: float) -> int | float:
        """Return the value of a configuration for a number that was drawn."""
        return drawn

    def drawn(self, value: float) -> int | float:
        """Return the number to draw for a value of a configuration; rounding never leaves the range."""
        return float(min(max(float(value), self.low), self.high))

    def nearest(self, value: Any) -> int | float:
        """Return the number to draw for the nearest value; where `value` is no number, for the middle of the range."""
        if not is_number(value):
            value = self.value((self.low * self.high) ** 0.5 if self.log else (self.low + self.high) / 2)
        return self.drawn(value)


class Float(Range):
    """A real number in [low, high]."""

    kind: ClassVar = "float"
    bounds: tuple[float, float] = Field(alias="float", strict=False)


class Int(Range):
    """A whole number low, low + step, ... up to high."""

    kind: ClassVar = "int"
    step: int = Field(1, ge=1)
    prior: int | None = Field(None, description=_PRIOR)
    bounds: tuple[int, int] = Field(alias="int", strict=False)

    @field_validator("step")
    @classmethod
    def _check_step(cls, step: int, info: ValidationInfo) -> int:
        if step != 1 and info.data.get("log"):
            raise ValueError(f"step is {step}, but a range with log: true has no steps")
        return step

    def _prior_hint(self, prior: float) -> str:
        inside = self.step > 1 and self.low <= prior <= self.high
        return f" on a step of {self.step}; write {self.drawn(prior)}" if inside else ""

    def numbers(self) -> range:
        """Return all numbers of the range."""
        return range(self.low, self.high + 1, self.step)

    def contains(self, value: Any) -> bool:
        return is_number(value) and isinstance(value, int) and value in self.numbers()

    def drawn(self, value: float) -> int:
        if self.contains(value):
            return int(value)
        clipped = min(max(float(value), self.low), self.high)
        return int(self.low + round((clipped - self.low) / self.step) * self.step)


class OneMinus(Range):
    """The value 1 - x with x in [low, high], for momentum and betas.

    Their effect depends on 1 / (1 - value): on a logarithmic scale of x, 0.9, 0.99 and 0.999 lie equally far apart
    (Choi et al. 2019, arXiv:1910.05446, appendix D).
    """

    kind: ClassVar = "one_minus"
    bounds: tuple[float, float] = Field(alias="one_minus", strict=False)

    @property
    def ends(self) -> tuple[float, float]:
        return self.high, self.low

    def _prior_hint(self, prior: float) -> str:
        return f"; it is the value itself: write {1 - prior:.12g}" if self.contains(1 - prior) else ""

    def contains(self, value: Any) -> bool:
        # 1 - x is rounded, so a bound written as 0.9 meets 1 - 0.1 within one part in 1e12.
        return is_number(value) and self.low - 1e-12 <= 1 - value <= self.high + 1e-12

    def value(self, drawn: float) -> float:
        return 1.0 - drawn

    def drawn(self, value: float) -> float:
        return float(min(max(1.0 - value, self.low), self.high))


RANGES: dict[str, type[Range]] = {model.kind: model for model in (Float, Int, OneMinus)}

"""The section `compare:` of a study file: which trials are held against which, and what is shown of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from hpsearch.catalogue.metrics import CURVES, SUMMARY_METRICS
from hpsearch.config.sections import Frozen
from hpsearch.config.trial import TrialConfig
from hpsearch.errors import unknown_name

_Names = Annotated[tuple[str, ...], Field(strict=False)]
if TYPE_CHECKING:
    _Figures = tuple[str, ...]
    _Curves = tuple[str, ...]
else:
    _Figures = Annotated[tuple[Literal[tuple(SUMMARY_METRICS)], ...], Field(strict=False)]
    _Curves = Annotated[tuple[Literal[tuple(CURVES)], ...], Field(strict=False)]


class Compare(Frozen):
    """A row for each group of trials: mean, standard deviation and count of each figure over its trials."""

    by: _Names = Field(
        min_length=1,
        description="what trials of one group have in common: parameters (model.activation) or plain values "
        "(learning_rate); the first one is the horizontal axis",
    )
    best_of: _Names = Field((), description="of these each group keeps the values with the best mean objective")
    target: float | None = Field(None, description="of the objective, for epochs_to_target and seconds_to_target")
    report: _Figures = Field(("val_accuracy", "epochs", "seconds_per_epoch"), description="the table's columns")
    curves: _Curves = Field(("val_accuracy",), description="pictures of these metrics over the epochs")
    values: _Figures = Field(("val_accuracy",), description="pictures of these figures over the first of `by`")
    growth: _Figures = Field((), description="pictures with a power law fitted: figure = c x^k, x the first of `by`")
    log_x: bool = Field(False, description="a logarithmic horizontal axis under `values`")

    @model_validator(mode="after")
    def _has_its_target(self) -> Compare:
        wanted = [name for name in (*self.report, *self.values, *self.growth) if name.endswith("_to_target")]
        if wanted and self.target is None:
            raise ValueError(f"`target` must be given for {wanted[0]}, but got null")
        return self


def value_of(name: str, params: Mapping[str, Any], flat: Mapping[str, Any]) -> Any:
    """What a trial has under a name: an option's label where it is a parameter, else the plain value.

    Args:
        params: as Optuna holds them.
        flat: the configuration, as `TrialConfig.flat` gives it.
    """
    return params[name] if name in params else flat.get(name)


def as_number(value: Any, config: TrialConfig) -> float | None:
    """A value on a numeric axis; `full`, of a batch, is all training examples. None: it has no place there."""
    if value == "full":
        return config.data.training_examples
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def check_compare(
    section: Compare, varied: Mapping[str, Sequence[Any]], configs: Sequence[TrialConfig]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What the section asks for that the study does not have, by its key path.

    Args:
        section: as written.
        varied: the study's parameters, with the labels of those that are choices.
        configs: the corners of its space.
    """
    flats = [config.flat() for config in configs]
    known = {*varied, *(name for flat in flats for name in flat)}
    found = [(key, i, name) for key in ("by", "best_of") for i, name in enumerate(getattr(section, key))]
    unknown = [((key, i), unknown_name("name", name, known)) for key, i, name in found if name not in known]
    yield from unknown
    if unknown or not (section.growth or section.log_x):
        return
    first = section.by[0]
    if section.growth and len(section.by) > 1:
        yield ("growth",), f"a power law is fitted over one name of `by`, but got {', '.join(section.by)}"
    for config, flat in zip(configs, flats, strict=True):
        for value in varied.get(first) or [flat.get(first)]:
            number = as_number(value, config)
            if number is None or number <= 0:
                yield ("by", 0), f"`growth` and `log_x` need numbers above 0, but {first} can be {value!r}"
                return

"""One run of MLflow held against what it should be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from hpsearch.tracking.histories import History
from hpsearch.tracking.images import RunImage
from hpsearch.tracking.mlflow_runs import Kept, used
from hpsearch.tracking.tags import OUTCOME_TAG

# What is named of one run's differences of a kind; the rest is counted.
_SHOWN = 3


def differences(kept: Kept, image: RunImage, metrics: History) -> Iterator[tuple[str, str]]:
    """In what a run of MLflow differs from its image: the kind of difference, and a line about all of that kind.

    Args:
        metrics: every value of the run's metrics.
    """
    ours = [name for name in image.tags if name != OUTCOME_TAG]
    for kind, has, should in (
        ("parameters", kept.params, image.params),
        ("outcome", _part(kept.tags, [OUTCOME_TAG]), _part(image.tags, [OUTCOME_TAG])),
        # Further tags are a person's own, or MLflow's.
        ("tags", _part(kept.tags, ours), _part(image.tags, ours)),
    ):
        names = sorted({*has, *should})
        wrong = [_was(name, has.get(name), should.get(name)) for name in names if has.get(name) != should.get(name)]
        if wrong:
            yield kind, f"{kind}: {_some(wrong)}"
    if wrong := list(_wrong_inputs(kept, used(image.inputs))):
        yield "inputs", f"inputs: {_some(wrong)}"
    if wrong := list(_wrong_metrics(metrics, image)):
        yield "metrics", f"metrics: {_some(wrong)}"


def _part(values: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: values[name] for name in names if name in values}


def _was(name: str, has: str | None, should: str | None) -> str:
    if has is None:
        return f"{name} is missing"
    return f"{name} is {_short(has)}, should be {_short(should) if should is not None else 'absent'}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _some(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


def _wrong_inputs(kept: Kept, wanted: Mapping[tuple[str, str], Mapping[str, str]]) -> Iterator[str]:
    """Further datasets are a person's own."""
    for (name, digest), tags in wanted.items():
        if (name, digest) not in kept.inputs:
            yield f"the dataset {name} ({digest}) is missing"
        elif tags != kept.inputs[name, digest]:
            yield f"the dataset {name} ({digest}) is tagged {kept.inputs[name, digest]}, should be {dict(tags)}"


def _by_step(image: RunImage) -> dict[str, dict[int, float]]:
    metrics: dict[str, dict[int, float]] = {}
    for row in image.rows:
        for name, value in row.metrics.items():
            metrics.setdefault(name, {})[row.step] = value
    return metrics


def _wrong_metrics(kept: Mapping[str, Mapping[int, Sequence[float]]], image: RunImage) -> Iterator[str]:
    """Metrics that the study does not know are a person's own."""
    for name, steps in _by_step(image).items():
        has = kept.get(name, {})
        if lacking := [step for step in steps if step not in has]:
            yield f"{name} lacks step {', '.join(map(str, lacking[:10]))}{' ...' if len(lacking) > 10 else ''}"
        for step, values in has.items():
            if step not in steps:
                yield f"{name} has a step {step} too many"
            elif len(values) > 1:
                yield f"{name} has step {step} {len(values)} times"
            elif values[0] != steps[step] and not (math.isnan(values[0]) and math.isnan(steps[step])):
                yield f"{name} at step {step} is {values[0]:.6g}, should be {steps[step]:.6g}"

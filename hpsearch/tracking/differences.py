"""A run in MLflow compared with its desired state."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hpsearch.tracking.names import OUTCOME_TAG
from hpsearch.tracking.run_states import RunState
from hpsearch.tracking.runs import MlflowRun

# The most differences of one kind in a run that are named; the others are counted.
_SHOWN = 3


@dataclass(frozen=True)
class RunDifference:
    """The differences of one kind between a run and its desired state.

    Attributes:
        kind: parameters, outcome, tags, inputs, metrics or artifacts.
        texts: each difference in words.
        permanent: whether MLflow cannot take back what is wrong, so that the run must be written again.
    """

    kind: str
    texts: Sequence[str]
    permanent: bool

    @property
    def line(self) -> str:
        more = f"; and {len(self.texts) - _SHOWN} more" if len(self.texts) > _SHOWN else ""
        return f"{self.kind}: {'; '.join(self.texts[:_SHOWN])}{more}"


def differences(run: MlflowRun, state: RunState) -> Iterator[RunDifference]:
    """Yield the differences of each kind between a run, whose metrics were read, and its desired state.

    Tags, metrics, inputs and artifacts that the state does not have are the user's own, or MLflow's.
    """
    wrong = [name for name in {**run.params, **state.params} if run.params.get(name) != state.params.get(name)]
    if wrong:
        texts = [_was(name, run.params.get(name), state.params.get(name)) for name in sorted(wrong)]
        yield RunDifference("parameters", texts, permanent=any(name in run.params for name in wrong))
    for kind, names in (
        ("outcome", {*run.tags, *state.tags} & {OUTCOME_TAG}),
        ("tags", {*state.tags} - {OUTCOME_TAG}),
    ):
        wrong = sorted(name for name in names if run.tags.get(name) != state.tags.get(name))
        if wrong:
            texts = [_was(name, run.tags.get(name), state.tags.get(name)) for name in wrong]
            yield RunDifference(kind, texts, permanent=any(name not in state.tags for name in wrong))
    if found := list(_wrong_inputs(run, state)):
        yield RunDifference("inputs", [text for text, _ in found], any(permanent for _, permanent in found))
    if found := list(_wrong_metrics(run, state)):
        yield RunDifference("metrics", [text for text, _ in found], any(permanent for _, permanent in found))


def wrong_texts(run: MlflowRun, state: RunState) -> Iterator[str]:
    """Yield a sentence for each artifact that is missing or another one."""
    has = run.texts or {}
    for name, text in state.texts.items():
        if has.get(name) != text:
            yield f"the artifact {name} is {'another' if name in has else 'missing'}"


def _was(name: str, has: str | None, should: str | None) -> str:
    if has is None:
        return f"{name} is missing"
    return f"{name} is {_short(has)}, should be {_short(should) if should is not None else 'absent'}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _wrong_inputs(run: MlflowRun, state: RunState) -> Iterator[tuple[str, bool]]:
    for each in state.inputs:
        has, where = run.inputs.get((each.name, each.digest)), f"the dataset {each.name} ({each.digest})"
        if has is None:
            yield f"{where} is missing", False
        elif has != each.tags:
            yield f"{where} is tagged {has}, should be {dict(each.tags)}", True


def _wrong_metrics(run: MlflowRun, state: RunState) -> Iterator[tuple[str, bool]]:
    """Yield each difference, and whether it is permanent; metrics by name, in the order of the desired state."""
    known = run.metrics or {}
    if not run.repeated and known.keys() <= {row.step for row in state.rows if known.get(row.step) is row.metrics}:
        # This process has written these rows; at most further ones are missing.
        lacking = [row for row in state.rows if row.step not in known]
        yield from ((f"step {row.step} is missing", False) for row in lacking)
        return
    should: dict[str, dict[int, float]] = {}
    for row in state.rows:
        for name, value in row.metrics.items():
            should.setdefault(name, {})[row.step] = value
    has: dict[str, dict[int, float]] = {name: {} for name in should}
    for step, values in known.items():
        for name in values.keys() & should.keys():
            has[name][step] = values[name]
    for name, steps in should.items():
        yield from _wrong_steps(name, has[name], steps, run.repeated)


def _wrong_steps(
    name: str, has: Mapping[int, float], should: Mapping[int, float], repeated: Mapping[tuple[str, int], int]
) -> Iterator[tuple[str, bool]]:
    if lacking := [step for step in should if step not in has]:
        yield f"{name} lacks step {', '.join(map(str, lacking[:10]))}{' ...' if len(lacking) > 10 else ''}", False
    for step, value in has.items():
        if step not in should:
            yield f"{name} has a step {step} too many", True
        elif times := repeated.get((name, step)):
            yield f"{name} has step {step} {times} times", True
        elif value != should[step] and not (math.isnan(value) and math.isnan(should[step])):
            yield f"{name} at step {step} is {value:.6g}, should be {should[step]:.6g}", True

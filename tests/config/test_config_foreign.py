"""Distributions in the notation of other tools: each is answered with the text that a study file has for it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import gain_study

from hpsearch.config.foreign import bounds_hint, notation_hint, several_hint
from hpsearch.config.space import parse
from hpsearch.config.study import load_study, stored_trial
from hpsearch.config.yaml_text import load_value
from hpsearch.errors import StudyFileError

FOREIGN = {
    # Weights & Biases
    "{distribution: uniform, min: 0, max: 1}": "{float: [0, 1]}",
    "{distribution: log_uniform_values, min: 1e-4, max: 1e-1}": "{float: [0.0001, 0.1], log: true}",
    # exp(-9) and exp(0)
    "{distribution: log_uniform, min: -9, max: 0}": "{float: [0.0001234, 1.0], log: true}",
    "{distribution: q_uniform, min: 0.5, max: 2.5, q: 0.5}": "{float: [0.5, 2.5]}",
    "{distribution: int_uniform, min: 1, max: 10}": "{int: [1, 10]}",
    "{values: [32, 64]}": "{choice: [32, 64]}",
    # Ray Tune
    "tune.loguniform(1e-4, 1e-1)": "{float: [0.0001, 0.1], log: true}",
    "tune.choice([16, 32])": "{choice: [16, 32]}",
    "tune.qrandint(4, 130, 4)": "{int: [4, 128], step: 4}",
    "{grid_search: [1, 2]}": "{choice: [1, 2]}",
    "{tune.choice: [1, 2]}": "{choice: [1, 2]}",
    # hyperopt, NNI
    "hp.uniform('rate', 0, 1)": "{float: [0, 1]}",
    "{_type: choice, _value: [a, b]}": "{choice: [a, b]}",
    "{_type: loguniform, _value: [1e-4, 1e-1]}": "{float: [0.0001, 0.1], log: true}",
    "{randint: 10}": "{int: [0, 9]}",
    # Optuna, KerasTuner, Ax, Katib
    "trial.suggest_float('rate', 1e-5, 1e-1, log=True)": "{float: [1e-05, 0.1], log: true}",
    "{min_value: 32, max_value: 512, step: 32}": "{int: [32, 512], step: 32}",
    "{min_value: 1e-4, max_value: 1e-2, sampling: log}": "{float: [0.0001, 0.01], log: true}",
    "{type: range, bounds: [1e-6, 0.4], log_scale: true}": "{float: [1e-06, 0.4], log: true}",
    "{parameterType: double, feasibleSpace: {min: '0.01', max: '0.03'}}": "{float: [0.01, 0.03]}",
    # what people try
    "{low: 0.1, high: 0.5}": "{float: [0.1, 0.5]}",
    "{min: 16, max: 256}": "{int: [16, 256]}, or {float: [16, 256]} if it need not be a whole number",
    "{type: float, min: 0.1, max: 0.5}": "{float: [0.1, 0.5]}",
    "{uniform: [0, 1]}": "{float: [0, 1]}",
    "{log_uniform: {min: 0.1, max: 0.5}}": "{float: [0.1, 0.5], log: true}",
}


def test_what_other_tools_write_is_answered_with_ours():
    for text, ours in FOREIGN.items():
        problems = []
        parse(load_value(text, "here"), ("trial", "x"), problems)
        [(path, sentence)] = problems
        assert path == ("trial", "x"), text
        assert sentence.endswith(f"is another tool's notation; write {ours}"), text


def test_the_answer_is_a_distribution():
    for text in [text for text in FOREIGN.values() if " or " not in text]:
        problems = []
        node = parse(load_value(text, "here"), ("trial", "x"), problems)
        assert (type(node).__name__ in ("Ranged", "Options"), problems) == (True, []), text


def test_what_may_be_a_value_is_one():
    cases = [
        "{}",
        "{lr: 0.1}",
        "{min: 1}",
        "{min: {float: [0, 1]}, max: 1}",
        "{low: 5, high: 1}",
        "{window: 3, min: 1, max: 2}",
        "{name: piecewise_constant, values: [0.1, 0.01]}",
        "{type: adam}",
        "{step: 2}",
        "uniform",
        "f(x)",
        "range(1, 10)",
        "choice(",
        "[0.1, 0.5]",
    ]
    for text in cases:
        assert notation_hint(load_value(text, "here")) is None, text


_KEY = st.sampled_from(
    ["min", "max", "type", "log", "step", "q", "values", "range", "choice", "uniform", "randint", "name"]
)
_LEAF = st.one_of(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-5, 5)
    | st.integers(-(10**400), 10**400)
    | st.text(max_size=5),
    st.sampled_from(
        ["loguniform", "int", "tune.uniform(0, 1)", "choice(*a)", "uniform(**b)", "randint(3)", "1e999", "1..2"]
    ),
)
_ANY = st.recursive(_LEAF, lambda c: st.lists(c, max_size=3) | st.dictionaries(_KEY, c, max_size=3), max_leaves=6)


@settings(max_examples=300, deadline=None)
@given(_ANY)
def test_whatever_is_written_is_answered_or_not(value):
    for found in (notation_hint(value), several_hint(value), bounds_hint("int", value), bounds_hint("float", value)):
        assert found is None or "\n" not in found


def test_a_builders_own_arguments_may_be_called_min_and_max():
    problems = []
    parse({"model": {"arguments": {"min": 0, "max": 1}}}, ("trial",), problems)
    assert problems == []


def test_nan_and_infinity_are_refused_for_a_training_of_ones_own_too(tmp_path):
    """NaN is not equal to itself, so that the study would be another one at each start."""
    cases = [
        ("trial.clip={choice: [1.0, .inf]}", "trial.clip.choice[1]: must be a finite number, but got inf"),
        ("trial.clip={choice: {none: .nan, one: 1}}", "trial.clip.choice.none: must be a finite number, but got nan"),
        ("trial.deep={list: [1, {inner: -.inf}]}", "trial.deep.list[1].inner: must be a finite number, but got -inf"),
        ("trial.clip=1e999", "trial.clip: must be a finite number, but got inf"),
        ("trial.x={float: [0, .inf]}", "trial.x.float: a range must be finite, but got [0, inf]"),
        ("enqueue=[{x: .nan}]", "enqueue[0].x: must lie in {float: [0.0, 1.0]}, but got nan"),
        ("trial.x={min: 0.1, max: 0.5}", "trial.x: {min: 0.1, max: 0.5} is another tool's notation; write {float: ["),
    ]
    for changes, message in cases:
        file = gain_study(tmp_path, "own", "def train(config, seed):\n    yield {}\n", "search: {trials: 2}\n")
        with pytest.raises(StudyFileError) as refused:
            load_study(file, [changes])
        assert str(refused.value).startswith(f"--set {changes}: {message}"), (changes, message)


def test_a_recorded_configuration_takes_none_of_them_either():
    plain = {"trainable": "own:train", "x": 0.5, "seed": 1}
    with pytest.raises(StudyFileError, match="must be a finite number, but got nan"):
        stored_trial(plain, "trial 0", ["trial.x=.nan"])

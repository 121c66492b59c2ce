"""A person's own code by `module:name`: what goes wrong with it is one line, with the key that names it."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from training import own_code
from training.stock import small, train

from hpsearch.errors import UserCodeError, first_line
from hpsearch.training.user_code import load, load_function

OWN = "training.own_code"


def told(call, *arguments):
    with pytest.raises(UserCodeError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("no_module_of_this_name:f", "cannot be found: No module named 'no_module_of_this_name'"),
        (
            f"{OWN}.deeper:f",
            "cannot be found: No module named 'training.own_code.deeper'; 'training.own_code' is not a ",
        ),
        (f"{OWN}:nothing", "cannot be found: module 'training.own_code' has no attribute 'nothing'"),
        (f"{OWN}:number", "must be a function, but is 3"),
    ],
)
def test_what_is_not_there_is_told(reference, sentence):
    assert told(load_function, reference, "loss.function").startswith(f"loss.function: '{reference}' {sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import not_installed\n", "cannot be imported: ModuleNotFoundError: No module named 'not_installed'"),
        ("def f(:\n", "cannot be imported: SyntaxError: "),
        ("raise RuntimeError('first\\nsecond')\n", "cannot be imported: RuntimeError: first"),
        ("1 / 0\n", "cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_with_its_error_as_the_cause(text, sentence, tmp_path, monkeypatch):
    name = f"broken_{abs(hash(text))}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert told(load, f"{name}:f", "model.builder").startswith(f"model.builder: '{name}:f' {sentence}")
    with pytest.raises(UserCodeError) as caught:
        load(f"{name}:f", "model.builder")
    assert caught.value.__cause__ is not None


SECTIONS = {
    "schedule.function": {"schedule": {"name": "custom", "function": f"{OWN}:out_of_order"}},
    "loss.function": {"loss": {"name": "custom", "function": f"{OWN}:out_of_order"}},
    "model.builder": {"model": {"architecture": "custom", "builder": f"{OWN}:out_of_order"}},
    "training.callbacks": {"training": {"callbacks": [f"{OWN}:out_of_order"]}},
}


@pytest.mark.parametrize("engine", ["graph", "fit"])
@pytest.mark.parametrize("where", SECTIONS)
def test_what_raises_is_told_with_its_key_and_keeps_its_traceback(where, engine):
    with pytest.raises(UserCodeError) as caught:
        train(small(engine, **SECTIONS[where]))
    assert str(caught.value) == f"{where}: '{OWN}:out_of_order' raised RuntimeError: out of order"
    (note,) = caught.value.__notes__
    assert re.search(r'own_code.py", line \d+, in out_of_order', note)


def _raised_by_a_layer(images):
    keras.Sequential([keras.layers.Flatten(), own_code.Broken()])(images)


def _raised_by_a_layer_in_a_graph(images):
    tf.function(_raised_by_a_layer)(images)


def _raised_in_user_code(images):
    tf.function(lambda x: tf.reshape(x, [-1, 5]))(images)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (_raised_by_a_layer, "RuntimeError: Exception encountered when calling Broken.call(): no such thing"),
        (
            _raised_by_a_layer_in_a_graph,
            "RuntimeError: Exception encountered when calling Broken.call(): no such thing",
        ),
        (_raised_in_user_code, "ValueError: Dimension size must be evenly divisible by 5 but is 1568 for "),
        (
            keras.Sequential([keras.Input((7, 7)), keras.layers.Flatten(), keras.layers.Dense(3)]),
            "ValueError: Exception encountered when calling Sequential.call(): Input 0 ",
        ),
        (lambda _: keras.layers.Dense(-3), "ValueError: Received an invalid value for `units`, expected a positive "),
    ],
)
def test_an_error_of_keras_keeps_its_reason_in_one_line(call, line):
    with pytest.raises(Exception, match=r".") as caught:
        call(np.zeros((2, 28, 28), np.float32))
    found = first_line(caught.value)
    assert found.startswith(line)
    assert "\n" not in found
    assert "\x1b" not in found
    assert not found.rstrip().endswith(("call()", ":"))


@pytest.mark.parametrize(
    ("builder", "reason"),
    [
        ("with_a_broken_layer", "RuntimeError: Exception encountered when calling Broken.call(): no such thing"),
        # Batches of 100 can be reshaped; the last one, of 34, cannot.
        (
            "in_fives",
            "InvalidArgumentError: Graph execution error: Input to reshape is a tensor with 26656 values, but ",
        ),
    ],
)
def test_a_layer_that_fails_in_training_is_told_with_its_reason(builder, reason):
    message = told(train, small(model={"architecture": "custom", "builder": f"{OWN}:{builder}"}))
    assert message.startswith(f"training with your own code ({OWN}:{builder}) raised {reason}")


def test_arguments_that_a_builder_does_not_take_are_told():
    model = {"architecture": "custom", "builder": f"{OWN}:sequential", "arguments": {"depth": 3}}
    message = told(train, small(model=model))
    assert message.startswith(f"model.builder: '{OWN}:sequential' raised TypeError: ")
    assert "unexpected keyword argument 'depth'" in message

"""A person's own code by `module:name`: what goes wrong with it is one line, with the key that names it."""

from __future__ import annotations

import re

import pytest
from training.stock import small, train

from hpsearch.errors import UserCodeError
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


def test_arguments_that_a_builder_does_not_take_are_told():
    model = {"architecture": "custom", "builder": f"{OWN}:sequential", "arguments": {"depth": 3}}
    message = told(train, small(model=model))
    assert message.startswith(f"model.builder: '{OWN}:sequential' raised TypeError: ")
    assert "unexpected keyword argument 'depth'" in message

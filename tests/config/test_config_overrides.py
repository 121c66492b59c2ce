"""`--set key.path=value`: any value of a study file, from the command line."""

from __future__ import annotations

import pytest

from hpsearch.config.yaml_text import MAX_DEPTH, apply_overrides, load_document
from hpsearch.errors import StudyFileError

TEXT = """\
name: x
trial:
  model: {architecture: mlp, units: [256, 128]}
  optimizer: adam
  schedule:
"""


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(TEXT)
    return load_document(path)


def test_a_value_is_put_in_place_and_the_rest_stays(document):
    cases = [
        ("name=y", ["name"], "y"),
        ("trial.batch_size=64", ["trial", "batch_size"], 64),
        ("trial.optimizer=sgd", ["trial", "optimizer"], "sgd"),
        ("trial.optimizer={name: sgd, momentum: 9e-1}", ["trial", "optimizer"], {"name": "sgd", "momentum": 0.9}),
        ("trial.model.units.1=64", ["trial", "model", "units"], [256, 64]),
        ("trial.model.units.0={int: [8, 16]}", ["trial", "model", "units"], [{"int": [8, 16]}, 128]),
        ("trial.model.units=[]", ["trial", "model", "units"], []),
        ("trial.training.early_stopping.patience=3", ["trial", "training"], {"early_stopping": {"patience": 3}}),
        ("trial.schedule.name=cosine", ["trial", "schedule"], {"name": "cosine"}),
        ("search.timeout=1e3", ["search", "timeout"], 1000.0),
        ("description=a=b", ["description"], "a=b"),
        ("description=no", ["description"], "no"),
        ("description='1'", ["description"], "1"),
        ("description=", ["description"], None),
        ("trial.schedule=null", ["trial", "schedule"], None),
        (" name = y", ["name"], "y"),
    ]
    for override, path, value in cases:
        changed = apply_overrides(document, [override])
        expected = apply_overrides(document, []).data
        found = changed.data
        for key in path[:-1]:
            expected, found = expected.get(key, {}), found[key]
        assert found[path[-1]] == value, (override, path, value)
        assert {key: below for key, below in found.items() if key != path[-1]} == {
            key: below for key, below in expected.items() if key != path[-1]
        }, (override, path, value)


def test_later_overrides_win_and_build_on_earlier_ones(document):
    overrides = ["trial.optimizer={name: sgd}", "trial.optimizer.momentum=0.5", "trial.optimizer.momentum=0.9"]
    assert apply_overrides(document, overrides).data["trial"]["optimizer"] == {"name": "sgd", "momentum": 0.9}


def test_the_document_itself_is_not_changed(document, tmp_path):
    apply_overrides(document, ["trial.model.units.0=1", "trial.batch_size=3", "name=y"])
    assert document == load_document(tmp_path / "s.yaml")


def test_an_alias_elsewhere_in_the_file_keeps_its_value(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("a: &x {k: 1, l: [1, 2]}\nb: *x\n")
    changed = apply_overrides(load_document(path), ["a.k=2", "a.l.0=5"])
    assert changed.data == {"a": {"k": 2, "l": [5, 2]}, "b": {"k": 1, "l": [1, 2]}}


def test_an_empty_file_can_be_filled(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("")
    assert apply_overrides(load_document(path), ["trial.batch_size=3"]).data == {"trial": {"batch_size": 3}}


def test_an_impossible_override_is_told_with_itself(document):
    cases = [
        ("name", "must be key.path=value, as in trial.training.max_epochs=3"),
        ("=3", "must be key.path=value"),
        ("trial..x=3", "must be key.path=value"),
        (".trial=3", "must be key.path=value"),
        ("", "must be key.path=value"),
        ("trial.optimizer.name=sgd", "the value that holds 'name' is 'adam', which has no keys"),
        ("name.a.b=1", "the value that holds 'a' is 'x', which has no keys"),
        ("trial.model.units.2=1", "'2' must be the number of one of 2 items, from 0"),
        ("trial.model.units.-1=1", "'-1' must be the number of one of 2 items"),
        ("trial.model.units.last=1", "'last' must be the number of one of 2 items"),
        ("trial.model.units.0.x=1", "the value that holds 'x' is 256, which has no keys"),
        ("trial.model.units.²=1", "'²' must be the number of one of 2 items"),
        ("trial.batch_size=[1", "not valid YAML"),
        ("trial.batch_size={1: 2}", "a key must be a word"),
        ("trial.batch_size={a: 1, a: 2}", "the key 'a' stands twice"),
        ("trial.batch_size=!!python/name:os.system", "python/name"),
        (".".join(["a"] * 2000) + "=1", f"nested more than {MAX_DEPTH} levels deep"),
    ]
    for override, fragment in cases:
        with pytest.raises(StudyFileError) as caught:
            apply_overrides(document, [override])
        (problem,) = caught.value.problems
        assert problem.startswith(f"--set {override}: "), (override, fragment)
        assert fragment in problem, (override, fragment)


def test_a_wrong_value_is_told_where_it_was_set(problems_in):
    cases = [
        ("trial.batch_size=0", "--set trial.batch_size=0: trial.batch_size: must be >= 1, but got 0"),
        ("trial.optimizer=adm", "--set trial.optimizer=adm: trial.optimizer: unknown optimizer 'adm'"),
        ("trail.batch_size=3", "--set trail.batch_size=3: trail: unknown key 'trail' (did you mean 'trial'?)"),
        ("trial.training.epochs=3", "--set trial.training.epochs=3: trial.training.epochs: unknown key 'epochs'"),
        (
            "trial.batch_size={choice: [32, 0]}",
            "--set trial.batch_size={choice: [32, 0]}: trial.batch_size.choice[1]: must be >= 1",
        ),
    ]
    for override, message in cases:
        (problem,) = problems_in("trial:\n  batch_size: {choice: [1, 2]}\n", [override])
        assert problem.startswith(message), (override, message)


def test_what_was_not_set_is_told_where_it_stands_in_the_file(problems_in):
    problems = problems_in("trial:\n  batch_size: 0\n  training: {max_epochs: 0}\n", ["trial.training.max_epochs=-1"])
    assert sorted(problem.partition(": ")[0] for problem in problems) == [
        "--set trial.training.max_epochs=-1",
        "study.yaml:2",
    ]

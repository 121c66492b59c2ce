"""What varies in a study is found, whatever it is, and configurations that differ get lines that differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpsearch.config.space import configurations
from hpsearch.config.study import load_study, readable_study, varied_of
from hpsearch.config.trial import TrainableConfig, TrialConfig
from hpsearch.config.varied import Lines, Varied, find_varied, value_text
from hpsearch.config.yaml_text import dump

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))
FIXED = "batch_size: 32, schedule: constant, seed: 1"
ADAM = "optimizer: {name: adam, learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999"


@pytest.fixture
def study(tmp_path):
    def make(text: str):
        file = tmp_path / "study.yaml"
        file.write_text(text)
        return load_study(file)

    (tmp_path / "mine.py").write_text("def net(shape, classes, width, depth): ...\n\n\ndef train(config, seed): ...\n")
    return make


def lines_of(spec) -> list[str]:
    return [spec.varied.line(config) for config in spec.corners]


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
@pytest.mark.parametrize("quick", [False, True])
def test_every_point_of_a_packaged_comparison_has_a_line_of_its_own(file, quick):
    if quick and "\nquick:" not in file.read_text():
        return
    spec = load_study(file, quick=quick)
    names = {name for name in spec.varied.names if name != "seed"}
    assert names
    seen = {}
    for config in spec.corners:
        line = spec.varied.line(config)
        assert seen.setdefault(line, config) == config
    if spec.points:
        assert "seed" in spec.varied.names


def test_the_activations_and_seeds_of_the_short_comparison_are_in_its_lines():
    spec = load_study(STUDIES[0].parent / "activations.yaml", quick=True)
    assert len(list(configurations(spec.space))) == 8
    assert set(lines_of(spec)) >= {
        "activation=sigmoid seed=0",
        "activation=leaky_relu seed=0",
        "activation=sigmoid seed=1",
    }


def test_what_varies_is_shown_and_what_is_fixed_is_not(study):
    cases = [
        (
            "model: {architecture: custom, builder: 'mine:net', arguments: {width: {choice: [8, 16]}, depth: 2}}, "
            f"{ADAM}}}, {FIXED}",
            {"width=8", "width=16"},
        ),
        (
            f"model: {{architecture: mlp, units: {{choice: [[8], [16, 8]]}}}}, {ADAM}}}, {FIXED}",
            {"units=[8]", "units=[16,8]"},
        ),
        (
            "optimizer: {choice: [{name: sgd, learning_rate: 0.1, nesterov: false, momentum: {choice: [0.0, 0.9]}}, "
            f"{{name: adam, learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999}}]}}, {FIXED}",
            {"sgd momentum=0", "sgd momentum=0.9", "adam"},
        ),
        (
            f"{ADAM}, clipnorm: {{choice: [null, 1.0]}}}}, {FIXED}",
            {"clipnorm=none", "clipnorm=1"},
        ),
        (
            f"{ADAM}}}, training: {{early_stopping: {{choice: [null, {{patience: 3}}]}}}}, {FIXED}",
            {"early_stopping=none", "patience=3"},
        ),
        (
            f"{ADAM}}}, data: {{dataset: fashion_mnist, train_examples: {{choice: [1000, 2000]}}}}, {FIXED}",
            {"train_examples=1000", "train_examples=2000"},
        ),
    ]
    for trial, lines in cases:
        assert set(lines_of(study(f"trial: {{{trial}}}\n"))) == lines, (trial, lines)


def test_the_keys_of_a_users_own_training(study):
    cases = [
        ("x: {choice: [a, b]}, fixed: 3, seed: 1", {"x=a", "x=b"}),
        ("deep: {width: {choice: [1, 2]}, note: same}, seed: 1", {"width=1", "width=2"}),
        ("a: {n: {choice: [1, 2]}}, b: {n: 5}, seed: 1", {"a.n=1", "a.n=2"}),
        ("way: {choice: [{left: 1}, {right: 2}]}, seed: 1", {"left=1", "right=2"}),
        (
            "way: {choice: [{kind: svm, c: 1}, {kind: tree, depth: {int: [1, 3]}}]}, seed: 1",
            {"kind=svm", "kind=tree depth=1", "kind=tree depth=3"},
        ),
        ("text: {choice: ['two words', '']}, seed: 1", {'text="two words"', 'text=""'}),
        ("x: {choice: [a, b]}", {"x=a", "x=b"}),
    ]
    for trial, lines in cases:
        spec = study(f"trainable: 'mine:train'\nobjective: {{metric: loss}}\ntrial: {{{trial}}}\n")
        assert set(lines_of(spec)) == lines, (trial, lines)


def test_a_seed_of_its_own_is_listed_where_nothing_else_tells_trials_apart(study):
    own = "trainable: 'mine:train'\nobjective: {metric: loss}\ntrial: "
    assert study(own + "{x: {choice: [a, b]}}\n").varied.names == ["x", "seed"]
    assert study(own + "{x: {float: [0, 1]}}\n").varied.names == ["x"]
    assert study(own + "{x: {float: [0, 1]}}\n").varied.with_seed().names == ["x", "seed"]


def test_lines_show_more_digits_and_then_the_seed_before_they_repeat():
    lines = Lines(Varied((("", "", "x"),), {"x": "x"}))
    configs = [
        TrainableConfig("mine:train", {"x": x}, seed) for x, seed in ((0.123441, 1), (0.123442, 1), (0.123441, 2))
    ]
    shown = [lines.line(config) for config in configs]
    assert shown == ["x=0.1234", "x=0.123442", "x=0.123441"]
    # The same configuration has the same line each time.
    assert [lines.line(config) for config in configs] == shown
    assert lines.line(TrainableConfig("mine:train", {"x": 0.123441}, 3)) == "x=0.1234 seed=3"


def test_the_seed_is_never_listed_twice():
    """As where the untuned default is trained beside a finalist that has the same values otherwise."""
    lines = Lines(Varied((("", "", "x"),), {"x": "x"}).with_seed())
    configs = [TrainableConfig("mine:train", {"x": 1, "fixed": fixed}, 7) for fixed in ("tuned", "default")]
    assert [lines.line(config) for config in configs] == ["x=1 seed=7"] * 2


def test_a_study_without_a_readable_file_compares_its_trials(study):
    spec = study("trial: {optimizer: {choice: [sgd, adam]}}\n")
    assert varied_of(readable_study(dump(spec.document.data), "x"), []) == spec.varied
    configs = [TrialConfig.model_validate({"optimizer": name}) for name in ("sgd", "adam")]
    assert varied_of(readable_study("trial: {unknown: 1}", "x"), configs).names == ["optimizer"]
    assert varied_of(readable_study("", "x"), []) == find_varied([])


def test_values_are_single_words():
    values = (0.00123456, True, None, [8, 0.5], {"a": [1]}, "relu", "a b")
    assert [value_text(value) for value in values] == ["0.001235", "yes", "none", "[8,0.5]", "{a:[1]}", "relu", '"a b"']

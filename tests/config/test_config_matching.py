"""Configurations as parameters of a space: what is enqueued, and each optimizer's Keras defaults."""

from __future__ import annotations

import pytest

from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.matching import baselines, match
from hpsearch.config.space import Options, Pick, concrete, name_parameters, parse
from hpsearch.config.trial import TrialConfig


@pytest.fixture(scope="module")
def everything(load):
    return load("trial: {model: {architecture: mlp, units: [{int: [16, 64]}, 32]}}\n").space


def _config(space, params):
    """What a trial with these parameters trains; every parameter on the way must be among them."""

    def number(node):
        value = params[node.name]
        return 1 - value if "one_minus" in node.name else value

    return concrete(space, Pick(number, lambda node: node.labels.index(params[node.name])))


def test_what_is_given_becomes_parameters_and_the_rest_is_left_to_the_sampler(everything):
    cases = [
        ({}, {}),
        ({"batch_size": 64}, {"batch_size": 64}),
        ({"optimizer": "adam"}, {"optimizer": "adam"}),
        ({"optimizer": {"name": "adam"}}, {"optimizer": "adam"}),
        ({"schedule": "constant"}, {"schedule": "constant"}),
        (
            {"optimizer": {"name": "sgd", "momentum": 0.75, "nesterov": True}},
            {"optimizer": "sgd", "optimizer.sgd.one_minus_momentum": 0.25, "optimizer.sgd.nesterov": True},
        ),
        (
            {"optimizer": {"name": "adam", "learning_rate": 0.0001, "epsilon": 1e-7}},
            {"optimizer": "adam", "optimizer.adam.learning_rate": 0.0001},
        ),
        ({"model": {"units": [16, 32]}}, {"model.units.0": 16}),
        ({"model": {"architecture": "mlp", "activation": "relu"}}, {}),
        ({"training": {"max_epochs": 20, "early_stopping": {"patience": 4, "min_delta": 0.0}}, "seed": None}, {}),
        ({"training": {"early_stopping": {"patience": 4}, "engine": "auto", "metrics": []}}, {}),
    ]
    for config, params in cases:
        found = match(everything, config)
        assert found.problems == [], (config, params)
        assert found.params == params, (config, params)


def test_what_does_not_fit_is_one_problem_at_its_place(everything):
    cases = [
        ({"optimizer": {"name": "adam", "learning_rate": 1.0}}, ("optimizer", "learning_rate"), "must lie in"),
        ({"optimizer": {"name": "adam", "learning_rate": True}}, ("optimizer", "learning_rate"), "got true"),
        ({"optimizer": {"name": "adam", "epsilon": 1e-3}}, ("optimizer", "epsilon"), "unknown key 'epsilon'"),
        ({"optimizer": {"name": "adm"}}, ("optimizer",), "one of the study's options"),
        ({"optimizer": {"beta_1": 0.9}}, ("optimizer",), "the key 'name' is missing"),
        ({"optimizer": 3}, ("optimizer",), "one of the study's options"),
        ({"model": {"units": [16, 33]}}, ("model", "units", 1), "the study fixes this to 32, but got 33"),
        ({"model": {"units": [16]}}, ("model", "units"), "must be a list of 2, but got [16]"),
        ({"model": {"units": [16.5, 32]}}, ("model", "units", 0), "must lie in {int: [16, 64]}, but got 16.5"),
        ({"model": "cnn"}, ("model",), "the study has 'mlp' here, but got 'cnn'"),
        ({"model": 3}, ("model",), "must be a mapping"),
        ({"training": {"max_epochs": 3}}, ("training",), "the study leaves 'training' at its default"),
        ({"training": {"max_epoch": 20}}, ("training",), "the study leaves 'training' at its default"),
        ({"training": {"early_stopping": {"patience": 5}}}, ("training",), "at its default"),
        ({"bach_size": 32}, ("bach_size",), "(did you mean 'batch_size'?)"),
    ]
    for config, path, fragment in cases:
        ((where, sentence),) = match(everything, config).problems
        assert where == path, (config, path, fragment)
        assert fragment in sentence, (config, path, fragment)


def test_every_problem_of_a_configuration_is_told(everything):
    config = {"batch_size": 3, "optimizer": {"name": "sgd", "momentum": 2.0, "nesterov": 3}}
    places = [path for path, _ in match(everything, config).problems]
    assert places == [("batch_size",), ("optimizer", "momentum"), ("optimizer", "nesterov")]


def test_the_first_of_several_options_that_fit_is_taken(load):
    space = load(
        "trial: {optimizer: {choice: [{name: adam, beta_1: 0.5}, {name: adam, beta_1: 0.9}, {name: adam}]}}\n"
    ).space
    for beta, label in ((0.5, "adam"), (0.9, "adam#2"), (0.7, "adam#3")):
        assert match(space, {"optimizer": {"name": "adam", "beta_1": beta}}).params["optimizer"] == label
    assert match(space, {"optimizer": "adam"}).params == {"optimizer": "adam"}


def test_the_bound_of_a_one_minus_range_may_be_written_as_the_value_itself(load):
    for value in [0.9, 0.99, 0.999, 0.5]:
        space = load(f"trial: {{optimizer: {{name: adam, beta_1: {{one_minus: [0.0001, {1 - value:.3f}]}}}}}}\n").space
        found = match(space, {"optimizer": {"name": "adam", "beta_1": value}})
        assert found.problems == [], value
        (x,) = found.params.values()
        assert 0.0001 <= x <= float(f"{1 - value:.3f}"), value
        assert 1 - x == pytest.approx(value, abs=1e-12), value


def test_each_optimizers_keras_defaults_are_its_baseline(load):
    space = load("{}\n").space
    found = [TrialConfig.model_validate(_config(space, params)) for params in baselines(space)]
    assert [config.optimizer.selected() for config in found] == [r.name for r in OPTIMIZERS.values() if r.offered]
    for config in found:
        row = OPTIMIZERS[config.optimizer.selected()]
        for knob in row.knobs:
            value = config.optimizer.knobs()[knob.name]
            offered = name_parameters(parse(knob.recommended, (), []), ("x",))
            if knob.recommended is None or not match(offered, knob.default).problems:
                assert value == knob.default, (row.name, knob.name)
        assert config.schedule.selected() == "constant"
        assert config.batch_size == 32


def test_keras_defaults_outside_of_the_space_are_moved_to_its_nearest_values(load):
    spec = load(
        "trial:\n"
        "  model:\n"
        "    choice: [cnn, {architecture: mlp, units: {choice: [[{int: [10, 20]}, 8], [{int: [300, 400]}, 8]]}}]\n"
        "  optimizer: {name: adam, learning_rate: {float: [0.01, 0.1]}, beta_1: {one_minus: [0.2, 0.5]}}\n"
        "  schedule: {choice: [cosine, {name: exponential, decay_rate: {float: [0.2, 0.3]}}]}\n"
        "  batch_size: {choice: [256, 48, 512]}\n"
        "  training: {max_epochs: {int: [3, 9], step: 3}}\n"
    )
    (params,) = baselines(spec.space)
    assert params["optimizer.learning_rate"] == 0.01
    assert 1 - params["optimizer.one_minus_beta_1"] == 0.8
    assert 1 - params["optimizer.one_minus_beta_2"] == pytest.approx(0.999)
    assert params["schedule"] == "cosine"
    assert params["batch_size"] == 48
    assert params["training.max_epochs"] == 9
    assert params["model"] == "mlp"
    assert params['model.mlp.units.[{"int":[10,20]},8].0'] == 20


def test_what_has_no_default_is_the_middle_of_its_range(load):
    widths = "{int: [10, 20], step: 5}, {int: [1, 100], log: true}, 7"
    spec = load(f"trial: {{optimizer: sgd, model: {{architecture: mlp, units: [{widths}]}}}}\n")
    (params,) = baselines(spec.space)
    assert params["model.units.0"] == 15
    assert params["model.units.1"] == 10


def test_baselines_lie_inside_of_the_space(load, example):
    for text in ("{}\n", example, "trial: {batch_size: {int: [100, 200]}, optimizer: {choice: [sgd, adam]}}\n"):
        spec = load(text)
        nodes = {node.name: node for node in spec.parameters}
        for params in baselines(spec.space):
            TrialConfig.model_validate(_config(spec.space, params))
            for name, value in params.items():
                node = nodes[name]
                if isinstance(node, Options):
                    assert value in node.labels
                else:
                    assert node.distribution.low <= value <= node.distribution.high


def test_only_the_optimizers_of_the_study_have_a_baseline(load, example):
    assert [params["optimizer"] for params in baselines(load(example).space)] == ["sgd", "adam"]
    (params,) = baselines(load("trial: {optimizer: rmsprop}\n").space)
    assert "optimizer" not in params
    assert params["optimizer.learning_rate"] == 0.001

"""The search space: names of parameters, conditional branches, and whatever is drawn from it is valid."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.config.checking import check_space
from hpsearch.config.distributions import RANGES, Float, Int, OneMinus
from hpsearch.config.matching import match
from hpsearch.config.space import (
    Options,
    Pick,
    Ranged,
    concrete,
    corners,
    distributions,
    name_parameters,
    origin,
    parse,
    pick_from,
    plain,
    shown_distribution,
)
from hpsearch.config.trial import TrialConfig

STUDIES = [path.read_text() for path in sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))]
SPACES = [
    "{}\n",
    *STUDIES,
    "trial: {optimizer: {name: {choice: [adam, sgd]}, learning_rate: {choice: [0.1, {float: [0.01, 0.02]}]}}}\n",
    "trial: {optimizer: {name: sgd, momentum: {choice: [0.0, {one_minus: [0.001, 0.5], log: true}]}}}\n",
    "trial: {optimizer: {choice: [{choice: [sgd, adam]}, {name: adam, beta_1: 0.5}, {name: adam, beta_1: 0.6}]}}\n",
    "trial: {model: {architecture: mlp, units: [{int: [32, 128], step: 32}, 64, {int: [1, 9], log: true}]}}\n",
    "trial: {model: {choice: [mlp, {architecture: cnn, filters: {choice: [[8], [{int: [8, 9]}, 8]]}}]}}\n",
    "trial: {training: {early_stopping: {choice: [null, {patience: {int: [1, 5]}}]}}, seed: {int: [0, 99]}}\n",
    "trial: {model: {choice: {slim: {architecture: mlp, units: [8]}, wide: {architecture: mlp, l2: 1}, image: cnn}}}\n",
    "trial: {optimizer: {choice: [sgd, {name: adam, beta_1: 0.5}]}, seed: {choice: [0, 1]}}\nsearch: {sampler: grid}\n",
    "trial: {data: {validation: {int: [1000, 5000], step: 1000}}, batch_size: {int: [1, 55000], log: true}}\n",
]


def _low(node: Ranged) -> float:
    low = node.distribution.low
    return 1 - low if isinstance(node.distribution, OneMinus) else low


@st.composite
def _drawn(draw, node):
    """A number of a range, the ends included; what `one_minus` gives is 1 - x."""
    match node.distribution:
        case Int(low=low, high=high, step=step):
            return low + step * draw(st.integers(0, (high - low) // step))
        case Float(low=low, high=high):
            return draw(st.floats(low, high))
        case OneMinus(low=low, high=high):
            return 1 - draw(st.floats(low, high))


def _random_pick(data: st.DataObject) -> tuple[Pick, list[str]]:
    asked: list[str] = []

    def number(node: Ranged) -> float:
        asked.append(node.name)
        return data.draw(_drawn(node), label=node.name)

    def option(node: Options) -> int:
        asked.append(node.name)
        return data.draw(st.integers(0, len(node.options) - 1), label=node.name)

    return Pick(number, option), asked


def _replay(params) -> Pick:
    """What Optuna gives back for the parameters that it holds."""

    def number(node: Ranged) -> float:
        value = params[node.name]
        return 1 - value if isinstance(node.distribution, OneMinus) else value

    return Pick(number, lambda node: node.labels.index(params[node.name]))


@pytest.fixture(scope="module")
def spaces(load):
    return [load(text).space for text in SPACES]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_is_drawn_is_valid_and_leads_back_to_its_parameters(spaces, data):
    space = data.draw(st.sampled_from(spaces))
    pick, asked = _random_pick(data)
    drawn = concrete(space, pick)
    config = TrialConfig.model_validate(drawn)
    found = match(space, drawn)
    assert found.problems == []
    assert concrete(space, _replay(found.params)) == drawn
    # The whole configuration, defaults and all, as an export holds it.
    whole = match(space, config.plain())
    assert whole.problems == []
    assert TrialConfig.model_validate(concrete(space, _replay(whole.params))) == config
    assert max(Counter(asked).values(), default=1) == 1


def test_each_parameter_has_a_name_of_its_own(spaces):
    for space in spaces:
        parameters = list(distributions(space))
        names = [node.name for node in parameters]
        assert len(set(names)) == len(names)
        for node in parameters:
            if isinstance(node, Options):
                assert len(set(node.labels)) == len(node.labels)


def test_only_the_parameters_of_the_chosen_branch_are_asked_for(load):
    space = load("{}\n").space
    for index, label in enumerate(space.items["optimizer"].labels):
        asked = []

        def number(node, asked=asked):
            asked.append(node.name)
            return _low(node)

        def option(node, asked=asked, index=index):
            asked.append(node.name)
            return index if node.name == "optimizer" else 0

        config = concrete(space, Pick(number, option))
        assert config["optimizer"]["name"] == label
        of_optimizers = [name for name in asked if name.startswith("optimizer.")]
        assert of_optimizers
        assert all(name.startswith(f"optimizer.{label}.") for name in of_optimizers)


def _named(value):
    problems = []
    node = name_parameters(parse(value, ("trial",), problems))
    assert problems == []
    return node


def test_what_is_drawn_for_one_minus_is_called_so():
    tree = _named({"momentum": {"one_minus": [0.1, 0.5]}, "a": {"b": {"one_minus": [0.1, 0.5]}}})
    assert tree.items["momentum"].name == "one_minus_momentum"
    assert tree.items["a"].items["b"].name == "a.one_minus_b"


def test_a_range_among_options_is_called_range_and_a_dot_in_a_label_does_not_split_a_name():
    tree = _named({"momentum": {"choice": [0.5, {"one_minus": [0.001, 0.5]}]}})
    assert tree.items["momentum"].options[1].name == "momentum.one_minus_range"
    tree = _named({"momentum": {"choice": [{"choice": [{"one_minus": [0.001, 0.5]}, 0.25]}, 0.5]}})
    assert tree.items["momentum"].options[0].options[0].name.endswith("}.one_minus_range")


def test_labels_tell_the_options_apart():
    cases = [
        ([32, 64], (32, 64)),
        ([None, "a", 0.5, False], (None, "a", 0.5, False)),
        ([1, True, 1.0], ("1", "true", "1.0")),
        ([[128], [256, 128]], ("[128]", "[256,128]")),
        (["a", {"name": "a"}, {"name": "a", "b": 1}], ("a", "a#2", "a#3")),
        (["a#2", {"name": "a"}, {"name": "a", "b": 1}], ("a#2", "a", "a#3")),
        ([{"architecture": "mlp"}, {"x": 1}], ("mlp", '{"x":1}')),
        ([["x" * 70, 1], ["x" * 70, 2]], (f'["{"x" * 55}...', f'["{"x" * 55}...#2')),
    ]
    for options, labels in cases:
        found = _named({"a": {"choice": options}}).items["a"].labels
        assert found == labels, (options, labels)
        assert list(map(type, found)) == list(map(type, labels)), (options, labels)


def test_the_origin_of_a_value_is_where_it_was_written():
    tree = _named({"a": {"choice": [1, {"b": [5, {"int": [1, 2]}]}]}, "c": 3})
    pick = Pick(_low, lambda _node: 1)
    assert concrete(tree, pick) == {"a": {"b": [5, 1]}, "c": 3}
    assert origin(tree, ("a", "b", 1), pick) == ("trial", "a", "choice", 1, "b", 1)
    assert origin(tree, ("a", "b", 0), pick) == ("trial", "a", "choice", 1, "b", 0)
    assert origin(tree, ("c",), pick) == ("trial", "c")
    assert origin(tree, ("a", "missing"), pick) == ("trial", "a", "choice", 1, "missing")


def test_a_space_written_out_is_the_same_space(spaces):
    for space in spaces:
        problems = []
        again = name_parameters(parse(plain(space), ("trial",), problems))
        assert problems == []
        assert plain(again) == plain(space)
        assert list(corners(again)) == list(corners(space))


def test_corners_reach_every_option_and_both_ends():
    tree = _named(
        {"a": {"choice": [1, {"b": {"int": [3, 9]}}]}, "c": {"one_minus": [0.25, 0.5]}, "d": [{"int": [5, 6]}]}
    )
    found = [concrete(tree, pick_from(params)) for params in corners(tree)]
    assert [config["a"] for config in found if config["a"] != 1] == [{"b": 3}, {"b": 3}, {"b": 9}]
    assert {config["c"] for config in found} == {0.5, 0.75}
    assert {config["d"][0] for config in found} == {5, 6}


def test_sections_that_one_rule_ties_together_are_checked_in_every_combination():
    tree = _named(
        {
            "data": {
                "dataset": {"choice": ["fashion_mnist", "fashion_mnist_sample"]},
                "validation": {"choice": [100, 1000]},
            },
            "batch_size": {"choice": [32, 1500]},
        }
    )
    ((place, sentence),) = check_space(tree)
    assert place == ("trial", "batch_size", "choice", 1)
    assert "only 1,000 training images" in sentence


def test_what_a_range_holds_and_how_it_is_written():
    cases = [
        ({"float": [0.1, 1.0]}, [0.1, 0.5, 1.0, 1], [0.09, 1.1, True, "0.5", None, float("nan")]),
        ({"float": [0.1, 1.0], "log": True}, [0.1], [0.0]),
        ({"int": [2, 8], "step": 3}, [2, 5, 8], [3, 1, 11, 2.0, True, "2"]),
        ({"int": [2, 8], "log": True}, [2, 3], [9]),
        ({"one_minus": [0.1, 1.0]}, [0.0, 0, 0.5, 0.9], [0.91, -0.1, False, "0.5", float("nan")]),
        ({"one_minus": [0.001, 0.1], "log": True}, [0.9, 0.99, 0.999], [0.9991, 0.8999]),
        ({"float": [0.1, 1.0], "log": True, "prior": 0.1}, [0.5], [1.1]),
        ({"int": [2, 8], "step": 3, "prior": 5}, [5], [4]),
        ({"one_minus": [0.001, 0.1], "prior": 0.9}, [0.9], [0.1]),
    ]
    for written, inside, outside in cases:
        range_ = RANGES[next(iter(written))].model_validate(written)
        assert range_.plain(prior=True) == written
        assert range_.plain() == {key: value for key, value in written.items() if key != "prior"}
        for value in (*inside, *outside):
            assert range_.contains(value) == any(value is item for item in inside), (written, value)


def test_the_prior_of_a_choice_is_an_option_its_label_or_the_name_of_its_entry():
    cases = [
        ({"choice": ["sgd", "adam"], "prior": "adam"}, 1),
        ({"choice": [{"name": "sgd"}, {"architecture": "mlp"}], "prior": "mlp"}, 1),
        # An option that is the word itself comes before one of that name.
        ({"choice": [{"name": "sgd", "momentum": 0.5}, "sgd"], "prior": "sgd"}, 1),
        ({"choice": [{"name": "sgd"}, {"name": "sgd", "momentum": 0.5}], "prior": {"name": "sgd"}}, 0),
        ({"choice": {"slow": {"name": "sgd"}, "fast": {"name": "adam"}}, "prior": "fast"}, 1),
        ({"choice": {"slow": {"name": "sgd"}, "fast": {"name": "adam"}}, "prior": "sgd"}, 0),
        ({"choice": [[128], [256, 128]], "prior": [256, 128]}, 1),
        ({"choice": [1, True, None], "prior": True}, 1),
        ({"choice": [1, True, None], "prior": None}, 2),
        ({"choice": [0.0, {"float": [0.1, 1.0]}], "prior": 0}, 0),
        ({"choice": ["sgd", "adam"]}, None),
    ]
    for written, index in cases:
        node = _named({"a": written}).items["a"]
        assert node.prior == index, written
        assert "prior" not in plain(node)
        shown = shown_distribution(node)
        assert shown == {"choice": list(node.labels)} | ({} if index is None else {"prior": node.labels[index]})


def test_knobs_beside_a_choice_of_names_leave_the_choice_its_prior(load):
    node = load("trial: {optimizer: {name: {choice: [adam, sgd], prior: sgd}, learning_rate: 0.1}}\n")
    assert shown_distribution(node.space.items["optimizer"]) == {"choice": ["adam", "sgd"], "prior": "sgd"}

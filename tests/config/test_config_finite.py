"""Spaces in which a configuration can be drawn twice."""

from __future__ import annotations

import math

from hpsearch.config.space import can_repeat, configurations, size
from hpsearch.config.study import load_study


def space_of(folder, trial):
    file = folder / "space.yaml"
    file.write_text(f"trainable: json:loads\nobjective: {{metric: a, direction: maximize}}\ntrial: {trial}\n")
    return load_study(file).space


def test_a_space_has_so_many_configurations_and_may_repeat_them(tmp_path):
    cases = [
        ("{x: {choice: [a, b, c]}, seed: 1}", 3, True),
        ("{x: {choice: [a, b, c]}}", 3, False),
        ("{x: {choice: [a, b, c]}, seed: null}", 3, False),
        ("{x: {choice: [a, b]}, y: {int: [1, 7], step: 3}, seed: {choice: [1, 2]}}", 12, True),
        ("{x: {float: [0, 1]}, y: {choice: [a, b]}, seed: 1}", math.inf, False),
        ("{x: {choice: [plain, {by: {float: [0, 1]}}, {by: {choice: [3, 4]}}]}, seed: 1}", math.inf, True),
        ("{x: {one_minus: [0.1, 1]}, seed: 1}", math.inf, False),
    ]
    for trial, count, repeats in cases:
        space = space_of(tmp_path, trial)
        assert (size(space), can_repeat(space)) == (count, repeats), (trial, count, repeats)
        if count < math.inf:
            listed = [tuple(sorted(params.items())) for params in configurations(space)]
            assert len(listed) == len(set(listed)) == count, (trial, count, repeats)


def test_configurations_hold_the_parameters_of_the_chosen_branch_alone(tmp_path):
    space = space_of(tmp_path, "{x: {choice: {one: {a: {int: [1, 2]}}, two: {b: {choice: [true, null]}}}}, seed: 1}")
    assert list(configurations(space)) == [
        {"x": "one", "x.one.a": 1},
        {"x": "one", "x.one.a": 2},
        {"x": "two", "x.two.b": True},
        {"x": "two", "x.two.b": None},
    ]


def test_a_range_may_hold_more_numbers_than_a_list(tmp_path):
    space = space_of(tmp_path, f"{{x: {{int: [0, {10**30}]}}, y: {{choice: [a, b]}}, seed: 1}}")
    assert (size(space), can_repeat(space)) == (2 * (10**30 + 1), True)

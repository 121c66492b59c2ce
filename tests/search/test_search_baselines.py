"""What the trials are called that nobody tuned."""

from __future__ import annotations

import pytest
from optuna.trial import FixedTrial

from hpsearch.config.matching import baselines
from hpsearch.config.study import load_study
from hpsearch.config.trial import TrainableConfig, TrialConfig
from hpsearch.config.varied import UNTUNED, has_keras_defaults, note_of
from hpsearch.search.sampling import suggest
from hpsearch.search.stages import Finalist

NEAREST = "nearest to the Keras defaults"


@pytest.mark.parametrize(
    ("trial", "notes"),
    [
        ("optimizer: {choice: [adam, rmsprop]}, schedule: {choice: [constant, cosine]}", ["Keras defaults"] * 2),
        ("optimizer: {choice: [adam, proximal_gradient_descent]}, schedule: constant", ["Keras defaults", NEAREST]),
        ("optimizer: {name: adam, learning_rate: {float: [0.01, 0.1]}}, schedule: constant", [NEAREST]),
        ("optimizer: {name: adam, beta_2: 0.99}, schedule: constant", [NEAREST]),
        ("optimizer: adam, schedule: cosine", [NEAREST]),
    ],
)
def test_keras_defaults_are_named_only_where_the_space_holds_them(tmp_path, trial, notes):
    file = tmp_path / "defaults.yaml"
    file.write_text(f"trial: {{{trial}}}\n")
    spec = load_study(file)
    configs = [spec.config(suggest(FixedTrial(params), spec.space)) for params in baselines(spec.space)]
    assert sorted(note_of(config, baseline=True) for config in configs) == sorted(notes)
    assert {note_of(config, baseline=False) for config in configs} == {""}


def test_the_training_beside_finalists_has_a_name_of_its_own():
    assert note_of(TrialConfig(), baseline=True, finalists=True) == UNTUNED == "untuned Keras default"
    assert Finalist(None, None, TrialConfig(), ()).label == UNTUNED


def test_a_users_own_training_has_no_keras_defaults():
    assert not has_keras_defaults(TrainableConfig("mine:train", {}))

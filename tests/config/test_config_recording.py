"""Which metrics can be the objective, which way they are better, and that every training records them."""

from __future__ import annotations

import pytest

from hpsearch.catalogue.metrics import METRICS
from hpsearch.config.study import load_study, load_trial
from hpsearch.errors import StudyFileError


def load(folder, text):
    file = folder / "objective.yaml"
    file.write_text(text)
    return load_study(file)


@pytest.mark.parametrize("part", ["", "val_"])
@pytest.mark.parametrize("name", METRICS)
def test_a_metric_of_the_catalogue_can_be_the_objective_and_is_recorded(tmp_path, name, part):
    spec = load(tmp_path, f"objective: {{metric: {part}{name}}}\ntrial: {{optimizer: adam}}\n")
    assert spec.objective.direction == METRICS[name].direction
    assert all(config.training.metrics == (name,) for config in spec.keras_corners)


def test_the_short_form_names_the_metric(tmp_path):
    objective = load(tmp_path, "objective: val_cross_entropy\ntrial: {optimizer: adam}\n").objective
    assert (objective.metric, objective.direction) == ("val_cross_entropy", "minimize")


def test_it_is_added_to_the_metrics_wherever_they_stand(tmp_path):
    cases = [
        ("{metrics: [f1_score]}", {("f1_score",)}),
        ("{metrics: [top_2_accuracy]}", {("top_2_accuracy", "f1_score")}),
        ("{metrics: {choice: [[], [top_2_accuracy]]}}", {("f1_score",), ("top_2_accuracy", "f1_score")}),
        (
            "{metrics: [{choice: [top_2_accuracy, cross_entropy]}]}",
            {("top_2_accuracy", "f1_score"), ("cross_entropy", "f1_score")},
        ),
        ("{choice: [{max_epochs: 3}, {max_epochs: 4, metrics: [f1_score]}]}", {("f1_score",)}),
    ]
    for training, expected in cases:
        spec = load(tmp_path, f"objective: val_f1_score\ntrial: {{optimizer: adam, training: {training}}}\n")
        assert {config.training.metrics for config in spec.keras_corners} == expected, (training, expected)


def test_an_exported_configuration_records_it_too(tmp_path):
    file = tmp_path / "best.yaml"
    file.write_text("objective: val_f1_score\ntrial: {optimizer: adam}\n")
    assert load_trial(file)[2].training.metrics == ("f1_score",)


def test_the_gradient_noise_scale_is_measured_where_it_is_the_objective(tmp_path):
    text = "objective: {metric: gradient_noise_scale, direction: minimize}\ntrial: {optimizer: adam%s}\n"
    assert all(config.training.gradient_noise for config in load(tmp_path, text % "").keras_corners)
    with pytest.raises(StudyFileError, match=r"trial.training.gradient_noise: is false, but must be true"):
        load(tmp_path, text % ", training: {gradient_noise: false}")


def test_what_cannot_be_the_objective_is_said_in_a_line(tmp_path):
    cases = [
        ("epoch_seconds", "the key 'direction' is missing: maximize or minimize, since epoch_seconds has none"),
        ("{metric: val_f1_score, direction: minimize}", "`direction` of val_f1_score must be maximize"),
        ("val_f2_score", "did you mean 'val_f1_score'?"),
        (
            "{metric: learning_rate, direction: minimize}",
            "learning_rate cannot be the objective: lbfgs has no learning",
        ),
    ]
    for objective, sentence in cases:
        with pytest.raises(StudyFileError, match="objective") as refused:
            load(tmp_path, f"objective: {objective}\ntrial: {{optimizer: {{choice: [adam, lbfgs]}}}}\n")
        assert sentence in str(refused.value), (objective, sentence)


def test_a_users_own_metric_of_such_a_name_may_be_better_either_way(tmp_path):
    (tmp_path / "mine.py").write_text("def train(config, seed): yield {}\n")
    own = "trainable: mine:train\ntrial: {x: {float: [0, 1]}}\nobjective: "
    assert load(tmp_path, f"{own}f1_score\n").objective.direction == "maximize"
    assert load(tmp_path, f"{own}{{metric: f1_score, direction: minimize}}\n").objective.direction == "minimize"

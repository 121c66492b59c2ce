"""A study file as a whole: what is right is accepted and filled from the catalogue; what a study is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.space import plain, shown_distribution
from hpsearch.config.study import load_study, load_trial
from hpsearch.config.trial import TrialConfig
from hpsearch.config.yaml_text import dump
from hpsearch.errors import StudyFileError

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))


def test_the_study_files_of_the_project_are_right():
    for path in STUDIES:
        assert load_study(path).parameters, path


def test_the_example_of_the_documentation_is_right(load, example):
    spec = load(example)
    assert spec.name == "fashion-mnist"
    assert spec.search.timeout == 20 * 60
    assert spec.search.trials == 60
    assert spec.objective.metric == "val_accuracy"
    assert [node.name for node in spec.parameters if node.name.startswith(("optimizer", "batch"))] == [
        "optimizer",
        "optimizer.sgd.learning_rate",
        "optimizer.sgd.one_minus_momentum",
        "optimizer.sgd.nesterov",
        "optimizer.adam.learning_rate",
        "optimizer.adam.one_minus_beta_1",
        "optimizer.adam.one_minus_beta_2",
        "batch_size",
    ]


def _space(spec: Any) -> Any:
    return plain(spec.space)


def _without_priors(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_priors(item) for key, item in value.items() if key != "prior"}
    return [_without_priors(item) for item in value] if isinstance(value, list) else value


def test_what_is_left_out_takes_the_recommended_ranges_of_the_whole_catalogue(load):
    for text in ["trial: {}\n", "{}\n", "name: x\n"]:
        space = _space(load(text))
        for section, rows in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            expected = [{"name": row.name, **row.recommended()} for row in rows.values() if row.offered]
            assert space[section] == _without_priors({"choice": expected}), text
        assert space["batch_size"] == {"choice": [32, 64, 128, 256, 512]}, text
        assert set(space) == {"optimizer", "schedule", "batch_size"}, text


def test_a_bare_name_is_short_for_a_mapping_with_that_name(load):
    bare = "trial:\n  model: cnn\n  optimizer: sgd\n  schedule: {choice: [cosine, constant]}\n"
    full = (
        "trial:\n  model: {architecture: cnn}\n  optimizer: {name: sgd}\n"
        "  schedule: {choice: [{name: cosine}, {name: constant}]}\n"
    )
    several = "trial:\n  model: cnn\n  optimizer: sgd\n  schedule: {name: {choice: [cosine, constant]}}\n"
    assert _space(load(bare)) == _space(load(full)) == _space(load(several))


def test_a_fixed_value_is_no_parameter_and_its_neighbours_still_are(load):
    spec = load("trial:\n  optimizer: {name: sgd, momentum: 0.9}\n  schedule: constant\n  batch_size: 64\n")
    assert [node.name for node in spec.parameters] == ["optimizer.learning_rate", "optimizer.nesterov"]
    assert _space(spec)["optimizer"]["momentum"] == 0.9


def test_knobs_beside_a_choice_of_names_hold_for_each_name(load):
    spec = load("trial:\n  optimizer: {name: {choice: [adam, sgd]}, learning_rate: 0.1}\n")
    assert [option["learning_rate"] for option in _space(spec)["optimizer"]["choice"]] == [0.1, 0.1]
    assert "optimizer.sgd.one_minus_momentum" in {node.name for node in spec.parameters}


def test_distributions_stand_anywhere_inside_of_the_trial(load):
    cases = [
        ("{model: {architecture: mlp, units: [{int: [32, 128], step: 32}, 64]}}", ["model.units.0"]),
        (
            "{model: {architecture: mlp, dropout: {choice: [0.0, {float: [0.1, 0.5]}]}}}",
            ["model.dropout", "model.dropout.range"],
        ),
        (
            "{training: {choice: [{max_epochs: 3}, {max_epochs: {int: [5, 9]}, early_stopping: null}]}}",
            ["training", 'training.{"max_epochs":{"int":[5,9]},"early_stopping":null}.max_epochs'],
        ),
        ("{training: {early_stopping: {choice: [null, {patience: 3}]}}}", ["training.early_stopping"]),
        (
            "{model: {choice: [{choice: [mlp, cnn]}, {architecture: mlp, units: []}]}}",
            ["model", 'model.{"choice":[{"architecture":"mlp"},{"architecture":"cnn"}]}'],
        ),
        ("{model: {architecture: mlp, units: {choice: [[], [16], [{int: [8, 9]}]]}}}", None),
        ("{seed: {int: [0, 9]}}", ["seed"]),
        ("{seed: 3, data: {validation: 100}, loss: categorical_crossentropy}", []),
    ]
    for trial, names in cases:
        spec = load(f"trial: {trial}\n")
        section = trial[1:].split(":")[0]
        found = [node.name for node in spec.parameters if node.name.startswith(section)]
        assert names is None or found == names, (trial, names)


def test_a_file_without_a_name_is_named_after_itself(tmp_path):
    path = tmp_path / "my study (2).yaml"
    path.write_text("trial: {}\n")
    assert load_study(path).name == "my-study-2-"


def test_a_timeout_is_seconds_or_a_duration(load):
    for text, seconds in [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("0.5", 0.5)]:
        assert load(f"search: {{timeout: {text}}}\n").search.timeout == seconds, (text, seconds)


def test_the_direction_is_the_metrics_own_when_left_out(load):
    objective = load("objective: {metric: val_loss}\n").objective
    assert objective.direction == "minimize"
    assert objective.better(1.0, 2.0)
    assert not objective.better(2.0, 1.0)
    assert not objective.better(1.0, 1.05, min_delta=0.1)


def test_the_datasets_of_a_study_are_those_of_any_trial(load):
    assert load("{}\n").datasets() == ["fashion_mnist"]
    both = load("trial: {data: {dataset: {choice: [fashion_mnist_sample, fashion_mnist]}}}\n")
    assert both.datasets() == ["fashion_mnist", "fashion_mnist_sample"]


IDENTITY = "name: x\ntrial: {optimizer: sgd, batch_size: 32}\nsearch: {seed: 0, trials: 9}\nfinalists: {top: 3}\n"


def test_budget_text_and_finalists_do_not_change_what_a_study_is(load):
    for override in [
        "search.trials=3",
        "search.timeout=20m",
        "description=other",
        "finalists.top=9",
        "name=other",
        "limits.retries=9",
    ]:
        assert load(IDENTITY, [override]).identity() == load(IDENTITY).identity(), override


def test_whatever_matters_changes_what_a_study_is(load):
    cases = [
        "trial.batch_size=64",
        "trial.optimizer.name=adam",
        "trial.optimizer={name: sgd, learning_rate: {float: [0.1, 1]}}",
        "trial.seed=1",
        "search.seed=1",
        "search.sampler=random",
        "search.pruner=none",
        "search.baselines=false",
        "objective.metric=val_loss",
        "enqueue=[{batch_size: 32}]",
    ]
    for override in cases:
        long = IDENTITY.replace("optimizer: sgd", "optimizer: {name: sgd}")
        assert load(long).identity() == load(IDENTITY).identity(), override
        assert load(long, [override]).identity() != load(long).identity(), override


def test_a_prior_may_change_between_runs(load):
    """Priors steer the sampler only, so neither the identity nor a parameter's name has them."""
    trial = (
        "trial:\n  optimizer: {{name: sgd, learning_rate: {{float: [0.01, 1.0], log: true{}}}}}\n"
        "  model: {{architecture: mlp, units: {{choice: [[{{int: [8, 16]{}}}], [4]]{}}}}}\n"
    )
    without, with_priors = (
        load(trial.format(*priors)) for priors in (("", "", ""), (", prior: 0.1", ", prior: 9", ", prior: [4]"))
    )
    assert "prior" not in str(without.identity())
    assert with_priors.identity() == without.identity()
    assert [node.name for node in with_priors.parameters] == [node.name for node in without.parameters]
    found = [shown_distribution(node).get("prior") for node in with_priors.parameters]
    assert {0.1, 9, "[4]"} <= set(found)


def test_the_recommended_ranges_of_a_study_have_the_catalogues_priors(load):
    found = {node.name: shown_distribution(node).get("prior") for node in load("{}\n").parameters}
    assert found["optimizer.sgd.learning_rate"] == 0.1
    assert found["optimizer.adam.one_minus_beta_2"] == 0.999
    assert found["schedule.cosine_restarts.t_mul"] == 2.0
    assert found["batch_size"] == 128
    # Which optimizer and which schedule to take is the study's question, so none is recommended.
    assert {name for name, prior in found.items() if prior is None} == {"optimizer", "schedule"}


def test_an_exported_configuration_is_loaded_as_it_was(tmp_path):
    config = TrialConfig.model_validate({"optimizer": {"name": "sgd", "learning_rate": 1e-5}, "seed": 7})
    path = tmp_path / "best.yaml"
    path.write_text(dump({"name": "best", "objective": {"metric": "val_loss"}, "trial": config.plain()}))
    name, objective, loaded = load_trial(path)
    assert (name, objective.direction, loaded) == ("best", "minimize", config)


def test_what_is_no_single_configuration_is_refused(tmp_path):
    cases = [
        ("trial:\n  batch_size: {choice: [1, 2]}\n", "2: trial.batch_size", "is a distribution; `hpsearch train`"),
        ("trial: {choice: [{}]}\n", "1: trial", "is a distribution"),
        ("trial:\n  batch_size: 0\n", "2: trial.batch_size", "must be >= 1"),
        ("name: x\n", "1", "a configuration must be a mapping with the key 'trial'"),
        ("trial: 3\n", "1: trial", "must be a mapping"),
    ]
    for text, place, fragment in cases:
        path = tmp_path / "best.yaml"
        path.write_text(text)
        with pytest.raises(StudyFileError) as caught:
            load_trial(path)
        (problem,) = caught.value.problems
        assert problem.startswith(f"{path}:{place}: "), (text, place, fragment)
        assert fragment in problem, (text, place, fragment)


OWN_CODE = """\
trial:
  model: {architecture: custom, builder: "mine.models:wide", arguments: {width: {int: [8, 64]}, kind: [a, 1]}}
  loss: {name: {choice: [custom]}, function: "mine:loss"}
  schedule:
    choice:
      - constant
      - {name: custom, function: {choice: ["mine:halved", "mine:warm"]}}
  training: {callbacks: ["mine:Told", "keras.callbacks:TerminateOnNaN"]}
"""


def test_a_persons_own_code_is_named_and_its_arguments_may_be_distributions(tmp_path):
    stop = "raise RuntimeError('a study file is checked without importing anything')\n"
    names = ("loss", "halved", "warm", "Told")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text(stop + "".join(f"def {name}(): ...\n" for name in names))
    (tmp_path / "mine" / "models.py").write_text(stop + "def wide(): ...\n")
    file = tmp_path / "own.yaml"
    file.write_text(OWN_CODE)
    spec = load_study(file)
    names = {node.name for node in spec.parameters}
    assert {"model.arguments.width", "schedule", "schedule.custom.function"} < names
    assert {config.model.knobs()["arguments"]["width"] for config in spec.corners} == {8, 64}
    assert {name for config in spec.corners for _, name in config.references()} == {
        *("mine.models:wide", "mine:loss", "mine:halved", "mine:warm", "mine:Told", "keras.callbacks:TerminateOnNaN")
    }
    flat = spec.corners[0].flat()
    assert (flat["builder"], flat["arguments.width"], flat["arguments.kind"]) == ("mine.models:wide", 8, ["a", 1])


def test_a_module_that_is_nowhere_is_told_once_for_each_place_that_names_it(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(OWN_CODE)
    with pytest.raises(StudyFileError) as caught:
        load_study(file)
    absent = "there is no module 'mine' beside the file or in the current folder"
    assert sorted(caught.value.problems) == [
        f"{file}:2: trial.model.builder: {absent}",
        f"{file}:3: trial.loss.function: {absent}",
        f"{file}:7: trial.schedule.choice[1].function.choice[0]: {absent}",
        f"{file}:7: trial.schedule.choice[1].function.choice[1]: {absent}",
        f"{file}:8: trial.training.callbacks[0]: {absent}",
    ]


def test_a_module_that_is_nowhere_is_told_of_an_exported_configuration_too(tmp_path):
    file = tmp_path / "best.yaml"
    file.write_text("trial:\n  schedule: {name: custom, function: 'mine:halved'}\n")
    with pytest.raises(
        StudyFileError, match=r"2: trial\.schedule\.function: there is no module 'mine' beside the file"
    ):
        load_trial(file)
    (tmp_path / "mine.py").write_text("def halved(epoch, lr): ...\n")
    assert load_trial(file)[2].schedule.knobs() == {"function": "mine:halved"}


def test_tables_leave_out_what_is_switched_off():
    assert not {"warmup_from", "ema_momentum"} & set(TrialConfig.model_validate({"schedule": "cosine"}).flat())
    on = {"schedule": {"name": "cosine", "warmup": 0.1}, "optimizer": {"name": "sgd", "use_ema": True}}
    assert {"warmup_from", "ema_momentum"} < set(TrialConfig.model_validate(on).flat())


def test_a_section_that_holds_nothing_is_left_out(tmp_path):
    file = tmp_path / "empty.yaml"
    file.write_text("name:\ntrial:\nobjective:\nsearch:\nenqueue:\n")
    assert load_study(file).identity() == load_study(file, ["search.trials=7"]).identity()
    assert load_study(file).name == "empty"


def test_a_rung_that_nobody_wrote_may_lie_beyond_the_last_epoch(tmp_path):
    file = tmp_path / "one.yaml"
    file.write_text("trial: {training: {max_epochs: 1}}\n")
    assert load_study(file).name == "one"

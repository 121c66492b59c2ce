"""A grid: every combination once, defaults where nothing is written; labelled choices; the quick version."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from hpsearch.config.matching import match
from hpsearch.config.space import Pick, concrete, plain
from hpsearch.config.study import load_study
from hpsearch.config.trial import TrialConfig
from hpsearch.config.yaml_text import dump, load_value
from hpsearch.errors import StudyFileError

CONDITIONAL = """
trial:
  model: {choice: {plain: {architecture: mlp, units: {choice: [[8], [16]]}}, conv: {architecture: cnn, units: [4]}}}
  optimizer:
    choice:
      - {name: sgd, learning_rate: {choice: [0.1, 0.01]}, momentum: {choice: [0.0, 0.9]}}
      - adam
  seed: {choice: [0, 1, 2]}
search: {sampler: grid}
"""


def configs_of(spec):
    """What each point trains."""

    def config(point):
        pick = Pick(lambda _: pytest.fail("a grid has no ranges"), lambda node: node.labels.index(point[node.name]))
        return TrialConfig.model_validate(concrete(spec.space, pick))

    return [config(point) for point in spec.points]


def test_every_combination_stands_once_those_inside_of_options_too(load):
    spec = load(CONDITIONAL)
    models = [("mlp", (8,)), ("mlp", (16,)), ("cnn", (4,))]
    optimizers = [("sgd", rate, momentum) for rate in (0.1, 0.01) for momentum in (0.0, 0.9)] + [("adam", 0.001, None)]
    expected = [(*model, *optimizer, seed) for model, optimizer, seed in product(models, optimizers, range(3))]
    found = []
    for config in configs_of(spec):
        model, optimizer = config.model.model_dump(), config.optimizer.model_dump()
        knobs = (optimizer["name"], optimizer["learning_rate"], optimizer.get("momentum"))
        found.append((model["architecture"], model["units"], *knobs, config.seed))
    assert found == expected
    assert spec.total() == len(expected) == 45
    # Only what is on the way of a point is a parameter of it.
    assert spec.points[-1] == {"model": "conv", "optimizer": "adam", "seed": 2}


def test_what_a_grid_leaves_out_takes_its_default_and_no_range(load):
    (first, *_) = configs_of(load("trial: {optimizer: {choice: [rmsprop, sgd]}}\nsearch: {sampler: grid}\n"))
    assert first == TrialConfig.model_validate({"optimizer": "rmsprop"})
    spec = load("trial: {seed: {choice: [1, 2]}}\nsearch: {sampler: {name: grid}}\n")
    assert configs_of(spec) == [TrialConfig(seed=1), TrialConfig(seed=2)]


def test_nobody_is_pruned_in_a_grid_unless_the_file_says_so(load):
    search = load(CONDITIONAL).search
    assert (search.pruner.name, search.baselines) == ("none", False)
    assert load(CONDITIONAL, ["search.pruner=median"]).search.pruner.name == "median"


def test_a_grid_has_as_many_trials_as_points_and_never_more(load):
    for written, asked, total in [(None, None, 45), (7, None, 7), (None, 9, 9), (7, 99, 45)]:
        overrides = [f"search.trials={written}"] if written else []
        assert load(CONDITIONAL, overrides).total(asked) == total, (written, asked, total)


def test_what_is_no_grid_is_refused_in_a_line(problems_in):
    cases = [
        (
            ["trial.optimizer.choice.0.learning_rate={float: [0.1, 1]}"],
            "trial.optimizer.choice[0].learning_rate",
            "a grid takes choices only, as in {choice: [0.01, 0.1]}, but got the range {float: [0.1, 1.0]}",
        ),
        (["trial={seed: 1}"], "trial", "a grid must have at least one choice"),
        (
            [f"trial.seed={{choice: {list(range(200))}}}"],
            "trial",
            "a grid must have at most 2,000 points, but this one has 3,000",
        ),
        (["enqueue=[{optimizer: adam}]"], "enqueue", "a grid tries all of its points and nothing else"),
        (["search.baselines=true"], "search.baselines", "`baselines` must be false under a grid"),
        # Each option is right with the first of the others; only one combination is not.
        (
            ["trial.training.engine=xla", "trial.model.choice.conv={choice: [mlp, cnn]}"],
            "trial.training.engine",
            "takes minutes to compile",
        ),
    ]
    for overrides, place, sentence in cases:
        (problem,) = problems_in(CONDITIONAL, overrides)
        assert f" {place}: " in problem, (overrides, place, sentence)
        assert sentence in problem, (overrides, place, sentence)


def test_labels_are_what_optuna_holds_and_what_the_study_is_known_by(load):
    spec = load(CONDITIONAL)
    (model,) = [node for node in spec.parameters if node.name == "model"]
    assert model.labels == ("plain", "conv")
    assert [node.name for node in spec.parameters][1] == "model.plain.units"
    # As it is written, so that it can be read again; another label is another study.
    assert plain(spec.space)["model"] == load_value(CONDITIONAL, "")["trial"]["model"]
    renamed = CONDITIONAL.replace("conv:", "image:")
    assert load(renamed).identity() != spec.identity()
    assert load(dump({"trial": plain(spec.space), "search": {"sampler": "grid"}})).identity() == spec.identity()


def test_labels_stand_in_any_search_and_their_options_take_what_others_take(load):
    spec = load("trial: {optimizer: {choice: {slow: {name: sgd, momentum: 0.0}, fast: adam}}}\n")
    names = [node.name for node in spec.parameters]
    assert "optimizer.slow.learning_rate" in names
    assert "optimizer.fast.one_minus_beta_1" in names
    found = match(spec.space, {"optimizer": {"name": "adam", "learning_rate": 0.01}})
    assert found.problems == []
    assert found.params["optimizer"] == "fast"
    named = load("trial: {optimizer: {name: {choice: {a: sgd, b: adam}}, learning_rate: 0.1}}\n")
    assert [node.labels for node in named.parameters if node.name == "optimizer"] == [("a", "b")]


def test_a_wrong_labelled_choice_is_told(problems_in):
    cases = [
        ("{}", "a choice must be a list of at least one option"),
        ("{a: sgd, b: sgd}", "each option must stand once, but 'sgd' stands twice"),
        ("{a: sgd, b: adm}", "unknown optimizer 'adm' (did you mean 'adam'?)"),
    ]
    for choice, sentence in cases:
        (problem,) = problems_in(f"trial:\n  optimizer:\n    choice: {choice}\n")
        assert problem.startswith("study.yaml:3: trial.optimizer.choice"), (choice, sentence)
        assert sentence in problem, (choice, sentence)


QUICK = """\
trial:
  training: {max_epochs: 50}
  seed: {choice: [0, 1, 2]}
search: {sampler: grid}
quick:
  trial.training.max_epochs: 3
  trial.seed: {choice: [7, 8]}
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "tea.yaml"
    file.write_text(text)
    return file


def test_the_quick_version_is_a_study_of_its_own_name(tmp_path):
    file = write(tmp_path, QUICK)
    full, quick = load_study(file), load_study(file, quick=True)
    assert (full.name, full.longest, full.total()) == ("tea", 50, 3)
    assert (quick.name, quick.longest, quick.total()) == ("tea-quick", 3, 2)
    assert [config.seed for config in configs_of(quick)] == [7, 8]
    # What is run is kept: taken out of the database it is the same study, without being quick once more.
    (tmp_path / "kept.yaml").write_text(dump(quick.document.data))
    again = load_study(tmp_path / "kept.yaml")
    assert (again.name, again.identity()) == ("tea-quick", quick.identity())
    # The command line has the last word.
    assert load_study(file, ["name=mine", "trial.training.max_epochs=1"], quick=True).longest == 1
    assert load_study(file, ["name=mine"], quick=True).name == "mine"
    # What `quick` says does not matter to the full study.
    assert load_study(write(tmp_path, QUICK.replace("[7, 8]", "[9]"))).identity() == full.identity()


def test_a_wrong_quick_version_is_told_in_a_line(tmp_path):
    cases = [
        ("", "--quick needs a section `quick` of key paths"),
        ("quick: {}\n", "--quick needs a section `quick`"),
        ("quick: 3\n", "--quick needs a section `quick`"),
        ("quick:\n  trial..x: 3\n", "tea.yaml:6: quick: 'trial..x' must be a key path"),
        ("quick:\n  trial.training.epochs: 3\n", "tea.yaml:6: trial.training.epochs: unknown key 'epochs'"),
        ("quick:\n  trial.training.max_epochs: 0\n", "tea.yaml:6: trial.training.max_epochs: must be >= 1, but got 0"),
    ]
    for section, sentence in cases:
        file = write(tmp_path, QUICK.partition("quick:")[0] + section)
        with pytest.raises(StudyFileError) as caught:
            load_study(file, quick=True)
        (problem,) = caught.value.problems
        assert sentence in problem, (section, sentence)


def test_a_comparison_of_what_the_study_has_not_is_refused(problems_in):
    cases = [
        ("{by: [lerning_rate]}", "compare.by[0]", "unknown name 'lerning_rate' (did you mean 'learning_rate'?)"),
        ("{by: [seed], best_of: [moment]}", "compare.best_of[0]", "unknown name 'moment'"),
        ("{by: []}", "compare.by", "at least 1"),
        ("{}", "compare", "the key 'by' is missing"),
        ("{by: [seed], report: [val_acuracy]}", "compare.report[0]", "(did you mean 'val_accuracy'?)"),
        ("{by: [seed], curves: [seconds]}", "compare.curves[0]", "unknown curve 'seconds'"),
        ("{by: [seed], report: [epochs_to_target]}", "compare", "`target` must be given for epochs_to_target"),
        ("{by: [model], growth: [seconds]}", "compare.by[0]", "need numbers above 0, but model can be 'plain'"),
        ("{by: [max_epochs, seed], growth: [seconds]}", "compare.growth", "one name of `by`, but got max_epochs, seed"),
        ("{by: [seed], log_x: true}", "compare.by[0]", "need numbers above 0, but seed can be 0"),
        ("{by: [seed], colour: red}", "compare.colour", "unknown key 'colour'"),
    ]
    for compare, place, sentence in cases:
        (problem,) = problems_in(f"{CONDITIONAL}compare: {compare}\n")
        assert f" {place}: " in problem, (compare, place, sentence)
        assert sentence in problem, (compare, place, sentence)


def test_parameters_and_plain_names_can_be_compared(load):
    spec = load(f"{CONDITIONAL}compare: {{by: [learning_rate, model, optimizer.sgd.momentum], log_x: true}}\n")
    assert spec.file.compare.report == ("val_accuracy", "epochs", "seconds_per_epoch")
    # What is shown of a study does not change what it is.
    assert spec.identity() == load(CONDITIONAL).identity()

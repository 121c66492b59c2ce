"""Every study file that ships: valid, in full and quick; a few of them run for real on the packaged sample."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import ROOT, hpsearch, result_of

from hpsearch.catalogue.models import MODELS
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.space import Branch, Fixed, Options
from hpsearch.config.study import load_study

STUDIES = sorted((ROOT / "studies").glob("*.yaml"))
COMPARISONS = [
    "optimizers",
    "learning_rates",
    "activations",
    "epochs",
    "dataset_sizes",
    "regularization",
    "batch_sizes",
    "architectures",
    "decay_schedules",
]


def study(name: str) -> Path:
    return ROOT / "studies" / f"{name}.yaml"


def test_the_folder_holds_study_files_and_their_reference_only():
    assert {file for file in (ROOT / "studies").iterdir() if file not in STUDIES} == {ROOT / "studies" / "README.md"}


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_a_study_that_ships_is_valid_and_says_how_it_is_run(file):
    spec = load_study(file)
    assert spec.datasets() == ["fashion_mnist"]
    assert spec.file.description
    assert f"hpsearch run studies/{file.name}" in file.read_text()


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_comparison_has_several_seeds_a_point_in_full_and_quick(name):
    for quick, seeds in ((False, 5), (True, 2)):
        spec = load_study(study(name), quick=quick)
        assert spec.file.compare
        others = {str({key: value for key, value in point.items() if key != "seed"}) for point in spec.points}
        assert len({point["seed"] for point in spec.points}) == seeds
        assert len(spec.points) == seeds * len(others)
        assert spec.total() == len(spec.points)
    assert f"hpsearch run studies/{name}.yaml --quick" in study(name).read_text()


@pytest.mark.parametrize(
    ("name", "section", "entries"),
    [("optimizers", "optimizer", OPTIMIZERS), ("decay_schedules", "schedule", SCHEDULES)],
)
def test_the_comparisons_name_entries_of_the_catalogue_and_nearly_all_of_them(name, section, entries):
    choice = load_study(study(name)).space.items[section]
    assert isinstance(choice, Options)
    named = {option.items["name"].value for option in choice.options if isinstance(option, Branch)}
    # An entry may be added without a change of the study.
    complete = {entry.name for entry in entries.values() if entry.complete}
    assert named <= complete
    assert len(named) > 0.8 * len(complete)


def test_every_architecture_is_compared():
    choice = load_study(study("architectures")).space.items["model"]
    assert set(choice.labels) == set(MODELS) - {"custom"}


def test_every_optimizer_has_the_same_budget():
    spec = load_study(study("optimizers"))
    budgets = dict.fromkeys(spec.space.items["optimizer"].labels, 0)
    for point in spec.points:
        budgets[point["optimizer"]] += 1
    assert set(budgets.values()) == {4 * 5}
    assert isinstance(spec.space.items["batch_size"], Fixed)


# The quickstart is run by the tests of the commands.
@pytest.mark.parametrize(("name", "options"), [("fashion_mnist", []), ("regularization", ["--quick"])])
@pytest.mark.e2e
def test_a_study_that_ships_runs(name, options, tmp_path):
    small = ["--set=trial.data.dataset=fashion_mnist_sample", "--set=trial.data.validation=400"]
    small += ["--set=trial.training.max_epochs=2", "--trials=5", *options]
    small += ["--set=finalists={top: 1, seeds: 2}"] if name == "fashion_mnist" else []
    done = result_of(hpsearch("run", str(study(name)), *small, "-f", "json", home=tmp_path))
    assert sum(done["trials"].values()) == 5
    assert done["trials"]["failed"] == 0
    assert ("comparison" in done) == (name == "regularization")

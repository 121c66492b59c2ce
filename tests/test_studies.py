"""Every study file that ships: valid, and run for real on the packaged sample."""

from __future__ import annotations

import pytest
from support import ROOT, hpsearch, result_of

from hpsearch.config.study import load_study

STUDIES = sorted((ROOT / "studies").iterdir())


def test_the_folder_holds_study_files_only():
    assert {file.suffix for file in STUDIES} == {".yaml"}


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_a_study_that_ships_is_valid_and_says_how_it_is_run(file):
    spec = load_study(file)
    assert spec.datasets() == ["fashion_mnist"]
    assert spec.file.description
    assert f"hpsearch run studies/{file.name}" in file.read_text()


# The quickstart is run by the tests of the commands.
@pytest.mark.parametrize("file", [f for f in STUDIES if f.stem != "quickstart"], ids=lambda file: file.stem)
def test_a_study_that_ships_runs(file, tmp_path):
    small = ["--set=trial.data.dataset=fashion_mnist_sample", "--set=trial.data.validation=400"]
    done = hpsearch(
        "run", str(file), *small, "--set=trial.training.max_epochs=2", "--trials=5", "-f", "json", home=tmp_path
    )
    assert sum(result_of(done)["trials"].values()) == 5
    assert result_of(done)["trials"]["failed"] == 0

"""`hpsearch delete`: nothing of a study is left, and nothing else is touched."""

from __future__ import annotations

import shutil

import mlflow
import optuna
import pytest
from mlflow.entities import ViewType
from support import gain_study, hpsearch, lines_of, result_of, start_hpsearch, wait_for

pytestmark = pytest.mark.e2e

TRAINING = """
import os, time

def train(config, seed):
    for epoch in range(2):
        while os.environ.get("WAITS") and not os.path.exists("go"):
            time.sleep(0.05)
        yield {"gain": config["x"]}
"""
SEARCH = "search: {trials: 2, sampler: random, pruner: none}\nfinalists: {top: 1, seeds: 2}\n"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A home folder with the studies `short`, which has finalists, and `other`."""
    folder = tmp_path_factory.mktemp("delete")
    for name in ("short", "other"):
        gain_study(folder, name, TRAINING, SEARCH)
    for name in ("short", "other"):
        done = hpsearch("run", f"{name}.yaml", "--workers=1", home=folder / "home", cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(original, tmp_path):
    """A copy of it."""
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy"


def client_of(folder):
    return mlflow.MlflowClient(f"sqlite:///{folder / 'home' / 'mlflow.db'}")


def run_names(folder, experiment):
    found = client_of(folder).get_experiment_by_name(experiment)
    return sorted(run.info.run_name for run in client_of(folder).search_runs([found.experiment_id])) if found else None


def studies(folder):
    return sorted(optuna.get_all_study_names(f"sqlite:///{folder / 'home' / 'optuna.db'}"))


def test_nothing_is_left_and_the_name_is_free(folder):
    others = run_names(folder, "other")
    assert studies(folder) == ["other", "other/finalists", "short", "short/finalists"]
    done = hpsearch("delete", "short", "--yes", home=folder / "home", cwd=folder)
    assert done.returncode == 0, done.stderr
    said = lines_of(done.stderr)
    assert "2 trials, 2 trainings of study 'short'" in said[0]
    assert said[1] == f"{folder / 'home' / 'mlflow.db'}: 5 runs"
    assert said[-1] == "study 'short' was deleted"
    assert studies(folder) == ["other", "other/finalists"]
    assert run_names(folder, "short") is None
    assert run_names(folder, "other") == others
    left = [path.name for path in (folder / "home").rglob("*short*")]
    assert left == []
    again = hpsearch("run", "short.yaml", "--workers=1", "-f", "json", home=folder / "home", cwd=folder)
    assert sum(result_of(again)["trials"].values()) == 2
    agrees = hpsearch("doctor", "short", home=folder / "home", cwd=folder)
    assert agrees.returncode == 0, agrees.stdout
    assert len(run_names(folder, "short")) == 5


def test_it_asks_and_nothing_is_deleted_without_an_answer(folder):
    refused = hpsearch("delete", "short", home=folder / "home")
    assert refused.returncode == 2
    assert lines_of(refused.stderr)[-1] == (
        "error: study 'short' was not deleted: without a terminal to ask in, --yes is needed"
    )
    unknown = hpsearch("delete", "shor", "--yes", home=folder / "home")
    assert unknown.returncode == 2
    assert "did you mean 'short'?" in unknown.stderr
    assert len(studies(folder)) == 4
    assert len(run_names(folder, "short")) == 5


def test_runs_that_are_kept_do_not_get_into_a_new_study(folder):
    before = run_names(folder, "short")
    done = hpsearch("delete", "short", "--yes", "--keep-runs", home=folder / "home")
    assert done.returncode == 0, done.stderr
    name = done.stderr.partition("the runs are kept in the experiment '")[2].partition("'")[0]
    assert run_names(folder, name) == before
    assert run_names(folder, "short") is None
    assert studies(folder) == ["other", "other/finalists"]


def test_runs_that_are_kept_keep_their_artifacts(folder):
    """A new study of the same name has its artifacts in the same folder; only its own are deleted with it."""
    artifacts = folder / "home" / "artifacts" / "short"

    def files():
        return {path for path in artifacts.rglob("*") if path.is_file()}

    kept = files()
    assert kept
    for words in (["delete", "--yes", "--keep-runs", "short"], ["run", "--workers=1", "short.yaml"]):
        done = hpsearch(*words, home=folder / "home", cwd=folder)
        assert done.returncode == 0, done.stderr
    assert files() > kept
    done = hpsearch("delete", "short", "--yes", home=folder / "home")
    assert done.returncode == 0, done.stderr
    assert files() == kept


def test_another_mlflow_keeps_what_is_not_the_study_s(folder, tmp_path):
    """Runs of others in the same experiment stay; an MLflow that is not there is said, and the rest is deleted."""
    client = client_of(folder)
    experiment = client.get_experiment_by_name("short").experiment_id
    mine = client.create_run(experiment, run_name="my own").info.run_id
    gone = {"MLFLOW_TRACKING_URI": "http://me:s3cret@127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    done = hpsearch("delete", "short", "--yes", home=folder / "home", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", **gone)
    assert done.returncode == 4, done.stderr
    assert "s3cret" not in done.stderr
    assert "http://me:***@127.0.0.1:9: MLflow cannot be read" in done.stderr
    assert "5 runs; other runs in its experiment that stay: 1" in done.stderr
    assert "tags.`hpsearch.study_id` = '" in lines_of(done.stderr)[-1]
    assert studies(folder) == ["other", "other/finalists"]
    assert [run.info.run_id for run in client.search_runs([experiment])] == [mine]
    assert len(client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)) == 5


def test_a_study_that_is_run_is_refused_and_one_that_was_killed_is_deleted(folder):
    gain_study(folder, "long", TRAINING, "search: {trials: 2, sampler: random, pruner: none}\n")
    process = start_hpsearch("run", "long.yaml", "--workers=1", home=folder / "home", cwd=folder, WAITS="1")
    wait_for((folder / "home" / "studies" / "long" / "holder.json").is_file, 60, "the study is held")
    wait_for(lambda: "long" in studies(folder), 60, "the study is there")
    refused = hpsearch("delete", "long", "--yes", home=folder / "home")
    assert refused.returncode == 2
    assert "study 'long' is being run by process" in refused.stderr
    process.kill()
    (folder / "go").touch()
    process.communicate(timeout=60)
    done = hpsearch("delete", "long", "--yes", home=folder / "home")
    assert done.returncode == 0, done.stderr
    assert "long" not in studies(folder)


def test_a_deletion_that_was_killed_is_finished_by_the_same_command(folder):
    """The states in between: MLflow's runs gone, its experiment renamed, files gone, the finalists gone."""
    client = client_of(folder)
    found = client.get_experiment_by_name("short")
    runs = client.search_runs([found.experiment_id])
    study = next(run.data.tags["hpsearch.study_id"] for run in runs)
    for run in runs:
        client.delete_run(run.info.run_id)
    client.rename_experiment(found.experiment_id, f"short-deleted-{study[:8]}")
    shutil.rmtree(folder / "home" / "studies" / "short")
    optuna.delete_study(study_name="short/finalists", storage=f"sqlite:///{folder / 'home' / 'optuna.db'}")
    done = hpsearch("delete", "short", "--yes", home=folder / "home")
    assert done.returncode == 0, done.stderr
    assert studies(folder) == ["other", "other/finalists"]
    assert client.get_experiment(found.experiment_id).lifecycle_stage == "deleted"
    assert not (folder / "home" / "studies" / "short").exists()

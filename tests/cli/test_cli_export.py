"""`hpsearch export` as a person uses it; what the files hold is tested in tests/export."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import hpsearch, lines_of, slow_study

from hpsearch.cli.export import ExportFormat
from hpsearch.export.formats import FORMATS


def test_the_command_names_every_format():
    assert [form.value for form in ExportFormat] == list(FORMATS)


def test_yaml_is_what_is_printed_and_needs_no_tensorflow(finished):
    done = hpsearch("export", "quickstart", home=finished.home, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith("# Another training agrees where it reaches val_accuracy 0.")
    said = lines_of(done.stderr)
    assert all(line.startswith("import time:") for line in said)
    imported = {line.rpartition("|")[2].strip() for line in said}
    assert "hpsearch.export.formats" in imported
    assert not imported & {"keras", "tensorflow", "mlflow"}


def test_a_file_is_written_verified_and_once_changed_refused(finished, tmp_path):
    written = hpsearch("export", "quickstart", "-o", "best.yaml", "--verify", home=finished.home, cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    assert "written to best.yaml; train it with `hpsearch train best.yaml`" in written.stderr
    assert lines_of(written.stderr)[-1].startswith("best.yaml agrees with trial ")
    file = tmp_path / "best.yaml"
    changed = file.read_text().replace("batch_size: ", "batch_size: 1")
    file.write_text(changed)
    done = hpsearch("export", "quickstart", "-o", "best.yaml", "--verify", home=finished.home, cwd=tmp_path)
    assert done.returncode == 4
    exists, difference, verdict = lines_of(done.stderr)
    assert exists == "best.yaml exists: it is verified as it is, not written again"
    assert difference.startswith("best.yaml: trial.batch_size: was ")
    assert verdict.startswith("best.yaml does not agree with trial ")
    assert verdict.endswith(" of 'quickstart': it rebuilds to something else, so it was not trained")
    assert file.read_text() == changed


def test_what_is_verified_may_go_to_standard_output(finished, tmp_path):
    done = hpsearch("export", "quickstart", "-f", "json", "--verify", home=finished.home, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["description"].startswith("Trial ")
    assert lines_of(done.stderr)[-1].startswith("the export agrees with trial ")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_is_told_in_a_line(finished, tmp_path):
    bad = {
        ("-f", "model"): "error: a model is no text; name its file: -o FILE.keras",
        ("-o", "nowhere/best.keras"): "error: nowhere/best.keras: cannot be written: there is no folder nowhere",
        ("-o", "empty.json", "--verify"): "error: empty.json: not valid JSON: ",
        ("-o", "broken.py", "--verify"): "error: broken.py: line 1: not valid Python: ",
        ("-o", "study.yaml", "--verify"): "error: study.yaml:1: a configuration must be a mapping with the key 'trial'",
    }
    (tmp_path / "empty.json").touch()
    (tmp_path / "broken.py").write_text("x = (\n")
    (tmp_path / "study.yaml").write_text("name: x\n")
    for options, line in bad.items():
        done = hpsearch("export", "quickstart", *options, home=finished.home, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        # A file that is read while a user's code may change the current folder is named with its whole path.
        assert lines_of(done.stderr)[-1].replace(f"{tmp_path}/", "").startswith(line), done.stderr


@pytest.mark.e2e
def test_a_training_of_ones_own_is_held_against_its_own_metric(tmp_path):
    home, study = tmp_path / "home", slow_study(tmp_path, epochs=3, pause=0, trials=2)
    assert hpsearch("run", str(study), home=home, cwd=tmp_path).returncode == 0
    done = hpsearch("export", "slow", "-o", "best.yaml", "--verify", home=home, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    agreement = ", identical to the study's (a training of your own: only you know its noise)"
    assert lines_of(done.stderr)[-1].endswith(agreement)
    (tmp_path / "slow_training.py").write_text((tmp_path / "slow_training.py").read_text().replace("1 / (", "2 / ("))
    done = hpsearch("export", "slow", "-o", "best.yaml", "--verify", home=home, cwd=tmp_path)
    assert done.returncode == 4
    assert ", outside of the study's 0." in lines_of(done.stderr)[-1]
    refused = hpsearch("export", "slow", "-f", "python", home=home, cwd=tmp_path)
    assert refused.stderr.startswith("error: slow_training:train is your own training, which can be exported as yaml")


@pytest.fixture
def own_data(tmp_path):
    """A home folder with a study on examples of 6 features, some of 3 classes rarer than the others."""
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.repeat([0, 1, 2], [130, 70, 41]))
    x = (generator.normal(size=(241, 6)) + 2 * np.eye(3, 6)[labels]).astype("float32")
    np.savez(tmp_path / "own.npz", x_train=x, y_train=labels, x_test=x, y_test=labels)
    study = tmp_path / "own.yaml"
    sections = [
        "data: {dataset: own.npz, normalization: standardize}",
        "model: {architecture: mlp, units: [8]}",
        "optimizer: {name: adam, learning_rate: 0.01}",
        "schedule: constant",
        "batch_size: 8",
        "training: {max_epochs: 8, early_stopping: null}",
    ]
    study.write_text(f"trial: {{{', '.join(sections)}}}\nsearch: {{trials: 1}}\n")
    home = tmp_path / "home"
    done = hpsearch("run", str(study), home=home, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return home


@pytest.mark.e2e
def test_a_script_trains_on_ones_own_examples(own_data, tmp_path):
    done = hpsearch("export", "own", "-o", "best.py", "--verify", home=own_data, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'np.load("own.npz")' in (tmp_path / "best.py").read_text()
    assert "three standard errors of an accuracy on 20 validation examples" in (tmp_path / "best.py").read_text()

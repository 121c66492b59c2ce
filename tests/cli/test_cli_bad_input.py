"""Bad input gets one clear line and exit code 2, before anything trains or is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import QUICKSTART, hpsearch, lines_of

MALFORMED = {
    "not_yaml": ("trial: [1, 2", "not valid YAML"),
    "not_a_mapping": ("- 1\n- 2\n", "must be a mapping"),
    "unknown_top_key": ("trail: {}\n", "unknown key 'trail' (did you mean 'trial'?)"),
    "unknown_optimizer": ("trial: {optimizer: adm}\n", "unknown optimizer 'adm' (did you mean 'adam'?)"),
    "unknown_knob": ("trial:\n  optimizer: {name: sgd, momentun: 0.9}\n", "did you mean 'momentum'?"),
    "wrong_type": ("trial: {batch_size: many}\n", "must be a whole number, but got 'many'"),
    "empty_choice": ("trial: {batch_size: {choice: []}}\n", "at least one option"),
    "inverted_range": (
        "trial:\n  optimizer: {name: adam, learning_rate: {float: [0.1, 0.001], log: true}}\n",
        "the range is [0.1, 0.001], but low must be less than high; write [0.001, 0.1]",
    ),
    "log_of_zero": (
        "trial: {optimizer: {name: adam, learning_rate: {float: [0, 1], log: true}}}\n",
        "must begin above 0",
    ),
    "too_many_held_out": ("trial: {data: {validation: 60000}}\n", "validation is 60,000, but"),
    "unknown_metric": ("objective: {metric: acuracy}\n", "did you mean 'accuracy'?"),
    "bad_name": ("name: ../../etc\ntrial: {}\n", "`name` must be"),
    "bad_duration": ("search: {timeout: soon}\n", "90s, 20m or 2h"),
    "enqueue_outside": ("enqueue: [{batch_size: 77}]\n", "must be one of the study's options"),
    "two_direction": ("objective: {metric: val_loss, direction: maximize}\n", "must be minimize"),
}


def refused(*command: str, home: Path) -> str:
    """The one line (or more, one a problem) that a refused command prints."""
    cache = home.parent / "cache"
    done = hpsearch(*command, home=home, HPSEARCH_CACHE=str(cache))
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert not cache.exists(), "data was fetched"
    return done.stderr


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_study_file_gets_one_clear_line(case, tmp_path):
    text, sentence = MALFORMED[case]
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    message = refused("run", str(file), home=tmp_path / "home")
    assert sentence in message
    assert str(file) in message
    assert len(lines_of(message)) == 1
    assert not (tmp_path / "home").exists()


def test_a_missing_study_file(tmp_path):
    message = refused("run", str(QUICKSTART.parent / "quickstat.yaml"), home=tmp_path / "home")
    assert "no such file" in message
    assert "quickstart.yaml" in message


@pytest.mark.parametrize("command", ["trials", "show", "best", "export", "ui", "doctor"])
def test_an_unknown_study(command, tmp_path, finished):
    assert "unknown study" in refused(command, "nothing", home=tmp_path / "home")
    done = hpsearch(command, "quickstat", home=finished.home)
    assert done.returncode == 2
    assert "did you mean 'quickstart'?" in done.stderr


def test_an_unknown_trial(finished):
    done = hpsearch("show", "quickstart", "--trial", "99", home=finished.home)
    assert done.returncode == 2
    assert "has no trial 99; it has 0 to 5" in done.stderr


def test_a_home_that_cannot_be_written_to(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    message = refused("run", str(QUICKSTART), home=blocked)
    assert "--home" in message
    assert len(lines_of(message)) == 1


def test_a_damaged_database(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "optuna.db").write_bytes(b"this is no database" * 1000)
    for command in (["run", str(QUICKSTART)], ["trials", "quickstart"], ["studies"]):
        message = refused(*command, home=home)
        assert "optuna.db" in message
        assert len(lines_of(message)) == 1


def test_an_output_file_that_cannot_be_written(finished, tmp_path):
    done = hpsearch("export", "quickstart", "-o", str(tmp_path / "no" / "folder.yaml"), home=finished.home)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_train_takes_no_study_file(tmp_path):
    message = refused("train", str(QUICKSTART), home=tmp_path / "home")
    assert "a distribution" in message


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "x.yaml", "--trials", "0"], ["frobnicate"], ["best", "a", "-f", "xml"]]
)
def test_wrong_words_on_the_command_line(arguments, tmp_path):
    refused(*arguments, home=tmp_path / "home")


def test_an_override_that_does_not_fit_names_itself(tmp_path):
    message = refused("run", str(QUICKSTART), "--set", "trial.training.max_epochs=zero", home=tmp_path / "home")
    assert "--set trial.training.max_epochs=zero" in message
    assert "must be a whole number, but got 'zero'" in message

"""A grid in the database: all points wait, each once, whatever was killed in between."""

from __future__ import annotations

import optuna
import pytest

from hpsearch.config.study import load_study
from hpsearch.search.coordinator import Coordinator
from hpsearch.search.home import Home
from hpsearch.search.sampling import suggest
from hpsearch.search.stop import Stop
from hpsearch.search.storage import begin_study, find_study

STUDY = """
name: grid
trial:
  optimizer:
    choice: {calm: {name: sgd, learning_rate: {choice: [0.1, 0.01]}}, usual: adam}
  training: {early_stopping: {choice: [null, {patience: 2}]}}
search: {sampler: grid}
compare: {by: [optimizer]}
"""


@pytest.fixture
def spec(tmp_path):
    file = tmp_path / "grid.yaml"
    file.write_text(STUDY)
    return load_study(file)


def waiting(study):
    return [trial.system_attrs["fixed_params"] for trial in study.optuna.get_trials()]


def test_every_point_waits_and_is_what_a_trial_gets(spec, tmp_path):
    study = begin_study(Home(tmp_path / "home"), spec, STUDY)
    assert waiting(study) == list(spec.points)
    assert len(spec.points) == 6
    drawn = [suggest(study.take(trial), spec.space) for trial in study.optuna.get_trials()]
    assert [config["training"]["early_stopping"] for config in drawn] == [None, {"patience": 2}] * 3
    assert [config["optimizer"].get("learning_rate") for config in drawn] == [0.1, 0.1, 0.01, 0.01, None, None]
    # Optuna holds the labels.
    assert [t.params["optimizer"] for t in study.optuna.get_trials()] == ["calm"] * 4 + ["usual"] * 2


def test_a_run_that_was_killed_while_it_enqueued_goes_on_where_it_was(spec, tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    enqueue, calls = optuna.Study.enqueue_trial, []

    def killed_at_the_third(study, *arguments, **more):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        enqueue(study, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "enqueue_trial", killed_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            begin_study(home, spec, STUDY)
    assert waiting(find_study(home, "grid")) == list(spec.points[:2])
    assert waiting(begin_study(home, spec, STUDY)) == list(spec.points)
    assert waiting(begin_study(home, spec, STUDY)) == list(spec.points)


def test_the_comparison_is_that_of_the_file_as_it_was_last_run(spec, tmp_path):
    home = Home(tmp_path / "home")
    begin_study(home, spec, STUDY)
    assert find_study(home, "grid").compare.by == ("optimizer",)
    other = STUDY.replace("[optimizer]", "[learning_rate]")
    begin_study(home, spec, other)
    assert find_study(home, "grid").compare.by == ("learning_rate",)
    begin_study(home, spec, STUDY.partition("compare")[0])
    assert find_study(home, "grid").compare is None


def test_a_grid_that_has_its_total_draws_nothing_more(spec, tmp_path):
    class Nobody:
        """An executor that must not be asked for anything."""

        def slots(self):
            return []

    study = begin_study(Home(tmp_path / "home"), spec, STUDY)
    for trial in study.optuna.get_trials():
        suggest(study.take(trial), spec.space)
        study.optuna.tell(trial.number, 0.5)
    ended = Coordinator(study, spec, Nobody(), list, total=spec.total(), stop=Stop(), checkpoints=tmp_path).run(
        STUDY, 1
    )
    assert len(ended.records) == len(spec.points)

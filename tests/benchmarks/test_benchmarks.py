"""The lists, the report's arithmetic and the folder of results; no contender runs here."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from benchmarks.__main__ import in_turn
from benchmarks.configurations import LISTS, study_file
from benchmarks.contenders import CONTENDERS
from benchmarks.report import Spread, lines, markdown_table, report, text_table
from benchmarks.results import BenchmarkError, Folder, Run, TrainedConfiguration, check
from benchmarks.task import Settings, Task
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.study import load_study
from hpsearch.config.trial import TrialConfig

SETTINGS = Settings(epochs=5, train_examples=55_000)


@pytest.mark.parametrize(("name", "length", "of_each"), [("twelve", 12, 4), ("fortyeight", 48, 16)])
def test_a_list_has_its_length_and_every_optimizer_alike(name, length, of_each):
    configurations = LISTS[name]
    assert len({json.dumps(each, sort_keys=True) for each in configurations}) == length
    optimizers = Counter(each["optimizer"]["name"] for each in configurations)
    assert optimizers == {"sgd": of_each, "rmsprop": of_each, "adam": of_each}
    assert {each["schedule"]["name"] for each in configurations} == {
        "constant",
        "inverse_time",
        "exponential",
        "cosine",
    }
    pairs = Counter((each["optimizer"]["name"], each["batch_size"]) for each in configurations)
    assert len(set(pairs.values())) == 1


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_a_study_that_trains_nothing_else(name, tmp_path):
    configurations = LISTS[name]
    file = tmp_path / "study.yaml"
    file.write_text(json.dumps(study_file(name, configurations, SETTINGS.data_section(), 5, 0)))
    spec = load_study(file)
    assert [dict(each) for each in spec.enqueue] == list(configurations)
    assert spec.search.trials == len(configurations)
    assert spec.search.pruner.name == "none"
    assert not spec.search.baselines
    # Whatever an entry leaves out is fixed by the study, so the sampler has nothing to say.
    for each in configurations:
        config = TrialConfig.model_validate(each)
        assert OPTIMIZERS[config.optimizer.selected()].recommended().keys() <= each["optimizer"].keys()
        assert ("decay_rate" in config.schedule.knobs()) == ("decay_rate" in each["schedule"])


def test_small_work_comes_from_the_packaged_sample():
    assert SETTINGS.data_section() == {"dataset": "fashion_mnist", "validation": 5_000}
    assert Settings(1, 1_600).data_section() == {"dataset": "fashion_mnist_sample", "validation": 400}


def test_a_task_comes_back_from_its_file(tmp_path):
    task = Task(Settings(1, 1_600, 2), "twelve", 1000, tmp_path / "data", tmp_path)
    task.save()
    assert Task.load(task.file) == task
    assert len(task.configurations) == 2
    assert task.updates(0) == 25  # 1,600 images in batches of 64


def test_every_contender_has_its_turn_at_each_place():
    orders = [in_turn("abc", repeat) for repeat in (1, 2, 3, 4)]
    assert orders == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


def run(who: str, repeat: int, seconds: float, accuracy: float = 0.5) -> Run:
    trained = (TrainedConfiguration(0, accuracy, 5), TrainedConfiguration(1, accuracy + 0.25, 5))
    return Run("twelve", who, repeat, seconds, 1000.0 + repeat, trained, 0.5, {"cores": "2"})


RUNS = [
    run("hpsearch", 1, 10.0),
    run("hpsearch", 2, 20.0),
    run("hpsearch", 3, 40.0),
    run("optuna", 1, 50.0, 0.25),
    run("optuna", 2, 40.0),
    run("optuna", 3, 120.0),
    run("ray_tune", 4, 30.0),
]


def test_lines_hold_medians_ranges_and_ratios_within_a_repeat():
    ours, optuna, ray = lines(RUNS)
    assert [ours.who, optuna.who, ray.who] == ["hpsearch", "optuna", "ray_tune"]
    assert ours.seconds == Spread(20.0, 10.0, 40.0)
    assert ours.epochs_per_second == Spread(0.5, 0.25, 1.0)
    assert ours.ratio == Spread(1.0, 1.0, 1.0)
    assert optuna.ratio == Spread(3.0, 2.0, 5.0)
    assert optuna.accuracy == Spread(0.625, 0.375, 0.625)
    assert optuna.peak_pss_mb == Spread(1002.0, 1001.0, 1003.0)
    assert ray.ratio is None  # no run of hpsearch in its repeat


def test_tables_show_ranges_only_where_there_is_one():
    plain, markdown = text_table(lines(RUNS)), markdown_table(lines(RUNS))
    assert "50.0 (40.0-120.0)" in plain
    assert "| 3.00 (2.00-5.00) |" in markdown
    assert "| ray_tune | 1 | 30.0 | 0.33 | 1004 | 0.6250 | - |" in markdown
    whole = report(RUNS, markdown=False)
    assert "2 configurations, 10 epochs in all" in whole
    assert f"  optuna: {CONTENDERS['optuna'].about}" in whole
    assert "cores: 2" in whole


def test_other_work_than_was_asked_for_is_refused():
    settings = Settings(1, 1_600, 2)
    first, second = TrainedConfiguration(0, 0.5, 1), TrainedConfiguration(1, 0.5, 1)
    assert check([second, first], settings, "twelve") == (first, second)
    for trained in ([first], [first, first], [first, TrainedConfiguration(1, 0.5, 2)]):
        with pytest.raises(BenchmarkError):
            check(trained, settings, "twelve")


def test_a_folder_keeps_runs_and_refuses_other_settings(tmp_path):
    folder = Folder(tmp_path / "out")
    folder.open(SETTINGS)
    folder.save(RUNS[0])
    folder.open(SETTINGS)
    assert folder.has("twelve", "hpsearch", 1)
    assert not folder.has("twelve", "hpsearch", 2)
    assert list(folder.runs()) == [RUNS[0]]
    with pytest.raises(BenchmarkError, match="name another --out"):
        folder.open(Settings(1))

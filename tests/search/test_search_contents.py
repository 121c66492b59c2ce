"""The user's own data and modules: checked before a trial starts, compared when a study goes on, recorded."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from support import gain_study, hpsearch

from hpsearch.config.checking import with_normalization
from hpsearch.config.study import load_study
from hpsearch.data.arrays import digest_of
from hpsearch.errors import ContentChangedError, DataError, StudyChangedError, StudyFileError
from hpsearch.executors.protocol import DIGEST, Job, WorkerSlot
from hpsearch.executors.user_content import UserContent
from hpsearch.search.contents import changed_since, contents_of, settle_contents
from hpsearch.search.home import Home
from hpsearch.search.jobs import Jobs
from hpsearch.search.prepare import check_files, inspect_functions
from hpsearch.search.recording import interrupt
from hpsearch.search.records import CONFIG, CONTENTS, EPOCH_PREFIX
from hpsearch.search.run import RunRequest, run_study
from hpsearch.search.stop import Stop
from hpsearch.search.storage import begin_study, check_unchanged

RNG = np.random.default_rng(0)
Y = np.arange(300) % 3
STUDY = """
name: own
trial:
  data: {dataset: mine.npz, validation: 60}
  model: {architecture: custom, builder: "net:build"}
  optimizer: sgd
  schedule: constant
  batch_size: 32
  training: {max_epochs: 1}
search: {sampler: random, trials: 4, baselines: false}
"""
SPLIT = "    x, y = np.arange(1200).reshape(300, 4) / 7, np.arange(300) % 3\n    return (x, y), (x[:9], y[:9])\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "mine.npz")
    (tmp_path / "net.py").write_text("import layers\n\ndef build(shape, classes): ...\n")
    (tmp_path / "layers.py").write_text("WIDTH = 8\n")
    (tmp_path / "data.py").write_text(f"import numpy as np\n\n\ndef load():\n{SPLIT}")
    return tmp_path


def save(file, x=None, y=Y):
    x = RNG.normal(size=(300, 4)) if x is None else x
    np.savez(file, x_train=x, y_train=y, x_test=x[:9], y_test=y[:9])


def spec_of(folder, text=STUDY, **overrides):
    (folder / "own.yaml").write_text(text)
    return load_study(folder / "own.yaml", [f"{key.replace('__', '.')}={value}" for key, value in overrides.items()])


def begun(folder, text=STUDY, *, early=False):
    """A study with one trial that has finished an epoch and waits to be gone on with; as an `early` version made it."""
    spec = spec_of(folder, text)
    study = begin_study(Home(folder / "home"), spec, text)
    trial = study.optuna.ask()
    trial.set_user_attr(CONFIG, spec.corners[0].plain())
    if not early:
        contents = settle_contents(study, contents_of(spec), print, accept=False)
        trial.set_user_attr(CONTENTS, contents.for_config(spec.corners[0]))
    trial.set_user_attr(f"{EPOCH_PREFIX}1", {"epoch": 1, "loss": 1.0})
    interrupt(trial)
    return spec, study


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mine.npz", lambda folder: save(folder / "mine.npz")),
        ("net.py", lambda folder: (folder / "net.py").write_text("import layers\nbuild = 1\n")),
        ("layers.py", lambda folder: (folder / "layers.py").write_text("WIDTH = 9\n")),
        ("layers.py", lambda folder: (folder / "layers.py").unlink()),
    ],
)
def test_what_has_changed_is_named_and_refused_until_it_is_accepted(folder, name, change):
    spec, study = begun(folder)
    change(folder)
    with pytest.raises(StudyChangedError, match=rf"{name}: was \w{{8}}, is now \w+; trial 0 was trained before"):
        contents_of(spec, check_unchanged(Home(folder / "home"), spec))
    lines = []
    now = settle_contents(study, contents_of(spec), lines.append, accept=True)
    assert [line.partition(":")[0] for line in lines] == ["accepted"]
    # From here on this is what the study's trials are trained with.
    contents_of(spec, check_unchanged(Home(folder / "home"), spec))
    before = study.find_record(0)
    assert before.contents != now.for_config(spec.corners[0])
    told = [name] if (folder / name).exists() else []
    assert list(changed_since(study, before, spec.corners[0], [folder])) == told


def test_comments_and_what_no_trial_was_trained_with_are_not_refused(folder):
    spec, study = begun(folder)
    recorded = study.contents
    (folder / "net.py").write_text("# New.\n" + (folder / "net.py").read_text())
    assert settle_contents(study, contents_of(spec, study), print, accept=False).plain() == recorded.plain()
    (folder / "new.yaml").write_text(STUDY)
    spec = load_study(folder / "new.yaml", ["name=new"])
    study = begin_study(Home(folder / "home"), spec, STUDY)
    settle_contents(study, contents_of(spec), print, accept=False)
    save(folder / "mine.npz")
    settle_contents(study, contents_of(spec, study), print, accept=False)


def test_an_interrupted_trial_starts_afresh_with_other_data(folder):
    spec, study = begun(folder)
    (waiting,) = study.optuna.get_trials()
    for accept in (False, True):
        contents = settle_contents(study, contents_of(spec), print, accept=accept)
        checkpoints = SimpleNamespace(resumable_epochs=lambda _: ["the first epoch"])
        kept = Jobs(study, spec, checkpoints, None, contents, {}).resumable_epochs(waiting)
        assert list(kept) == ([] if accept else ["the first epoch"])
        save(folder / "mine.npz")


@pytest.mark.parametrize("name", ["mine.npz", "net.py"])
def test_a_study_of_an_early_version_is_compared_by_its_data(folder, name):
    """That version kept the digests of files with data when it made the study, and none of modules."""
    spec, study = begun(folder, early=True)
    (waiting,) = study.optuna.get_trials()
    study = check_unchanged(Home(folder / "home"), spec)
    assert (study.contents, CONTENTS in waiting.user_attrs) == (None, False)
    if name == "mine.npz":
        save(folder / name)
        with pytest.raises(StudyChangedError, match=r"mine\.npz: was \w{8}, is now \w{8}; trial 0 was trained before"):
            contents_of(spec, study)
    else:
        (folder / name).write_text("build = 1\n")
        contents_of(spec, study)
    contents = settle_contents(study, contents_of(spec), print, accept=name == "mine.npz")
    checkpoints = SimpleNamespace(resumable_epochs=lambda _: ["the first epoch"])
    kept = Jobs(study, spec, checkpoints, None, contents, {}).resumable_epochs(waiting)
    assert list(kept) == ([] if name == "mine.npz" else ["the first epoch"])


def test_a_worker_refuses_a_file_or_a_module_that_changed_after_the_run_began(folder):
    spec = spec_of(folder)
    contents, config = contents_of(spec), spec.keras_corners[0]
    worker = UserContent([folder])
    worker.check_sources(contents.expected_sources())
    assert len(worker.arrays(config.data, contents.data["mine.npz"]).labels) == 300
    save(folder / "mine.npz")
    (folder / "layers.py").write_text("WIDTH = 10\n")
    # What the worker has imported stays as it was; a new worker would import the new code.
    worker.check_sources(contents.expected_sources())
    with pytest.raises(ContentChangedError, match=r"layers\.py has changed while the study ran"):
        UserContent([folder]).check_sources(contents.expected_sources())
    with pytest.raises(ContentChangedError, match=r"mine\.npz has changed while the study ran"):
        worker.arrays(config.data, contents.data["mine.npz"])


def test_a_function_is_called_twice_to_be_inspected_and_its_arrays_are_taken_by_the_next_training(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    (folder / "counted_data.py").write_text(
        f"import numpy as np\ncalls = []\n\n\ndef load():\n    calls.append(1)\n{SPLIT}"
    )
    spec = spec_of(folder, trial__data__dataset="counted_data:load")
    worker, config = UserContent([folder]), spec.keras_corners[0]
    found = worker.inspect(Job(-1, config.plain(), {}), config.data).info
    assert (found["examples"], found["classes"], found["shape"], found["dtype"]) == (300, 3, (4,), "float64")
    import counted_data

    assert len(worker.arrays(config.data, found[DIGEST]).labels) == 300
    assert len(counted_data.calls) == 2
    assert len(worker.arrays(config.data, found[DIGEST]).labels) == 300
    with pytest.raises(ContentChangedError, match="counted_data:load has changed"):
        worker.arrays(config.data, "0" * 32)


@pytest.mark.parametrize(
    ("overrides", "place", "sentence"),
    [
        ({"trial__data__dataset": "absent.npz"}, "trial.data.dataset", "there is no such file in"),
        (
            {"trial__batch_size": "{choice: [32, 250]}"},
            "trial.batch_size.choice[1]",
            "is 250, but there are only 240 training examples in mine.npz",
        ),
        ({"trial__data__validation": 300}, "trial.data.validation", "300"),
        ({"trial__data__validation": 2}, "trial.data.validation", "must each hold an example of each class"),
        ({"trial__data__train_examples": 241}, "trial.data.train_examples", "241"),
        ({"trial__model": "cnn"}, "trial.model", "an example is [4]"),
        ({"trial__training__class_weight": "[1, 2]"}, "trial.training.class_weight", "must have 3"),
        (
            {"trial__training__class_weight": "{choice: [[1, 2, 3], [1, 2, 3, 4]]}"},
            "trial.training.class_weight.choice[1]",
            "must have 3",
        ),
    ],
)
def test_what_does_not_fit_a_file_is_told_with_its_key_before_any_trial(folder, overrides, place, sentence):
    spec = spec_of(folder, **overrides)
    with pytest.raises(StudyFileError) as refused:
        check_files(spec)
    (line,) = refused.value.problems
    assert f" {place}" in line
    assert sentence in line


@pytest.mark.parametrize(
    ("kind", "expected"), [(np.uint8, "rescale"), (np.int64, "standardize"), (float, "standardize")]
)
def test_normalization_that_is_left_out_follows_the_type(folder, kind, expected):
    save(folder / "mine.npz", x=RNG.integers(0, 255, (300, 4)).astype(kind))
    spec = spec_of(folder)
    known = check_files(spec)
    assert with_normalization(spec.keras_corners[0], known).data.normalization == expected
    written = spec_of(folder, trial__data__normalization="rescale")
    assert with_normalization(written.keras_corners[0], known).data.normalization == "rescale"
    assert spec_of(folder, trial__data__dataset="fashion_mnist").keras_corners[0].data.normalization == "rescale"


class OneWorker:
    """An executor with one worker, in this process, that can inspect datasets."""

    def __init__(self, folder):
        self._worker, self._events = UserContent([folder]), []

    def slots(self):
        return [WorkerSlot(busy=bool(self._events), compiled=frozenset())]

    def submit(self, job):
        from hpsearch.config.trial import TrialConfig

        self._events = [self._worker.inspect(job, TrialConfig.model_validate(job.config).data)]

    def events(self, _timeout):
        events, self._events = self._events, []
        return events


@pytest.mark.parametrize(
    ("body", "error", "sentence"),
    [
        (
            "    raise OSError('no disk')\n",
            StudyFileError,
            r"trial.data.dataset: 'bad\d:load' raised OSError",
        ),
        ("    return 1\n", DataError, r"dataset 'bad\d:load': the function must return .* but returned an int"),
        (
            SPLIT.replace("x, y = np", "x, y = np.random.default_rng().random((300, 1)) + np"),
            DataError,
            r"^dataset 'bad\d:load': the function returns other data each time it is called; give its shuffle a seed$",
        ),
        (SPLIT.replace("% 3", "% 3 + 1"), DataError, r"dataset 'bad\d:load': labels must be numbered from 0"),
        (SPLIT.replace("% 3", "% 2"), StudyFileError, r"class_weight: `class_weight` has 3 numbers, but must have 2"),
    ],
)
def test_what_a_function_returns_is_checked_before_any_trial(folder, monkeypatch, body, error, sentence):
    monkeypatch.syspath_prepend(folder)
    module = f"bad{len(body) % 10}"
    (folder / f"{module}.py").write_text(f"import numpy as np\n\n\ndef load():\n{body}")
    spec = spec_of(folder, trial__data__dataset=f"{module}:load", trial__training__class_weight="[1, 2, 3]")
    with pytest.raises(error, match=sentence):
        inspect_functions(spec, OneWorker(folder), contents_of(spec), folder / "log", Stop())


def test_a_first_run_that_is_refused_leaves_no_study(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    (folder / "refused_data.py").write_text("def load():\n    return 1\n")
    monkeypatch.setattr("hpsearch.search.run._workers", lambda *_: OneWorker(folder))
    home = Home(folder / "home")
    spec = spec_of(folder, trial__data__dataset="refused_data:load")
    with pytest.raises(DataError, match="the function must return"):
        run_study(RunRequest(spec, STUDY, 1, 1), home, lambda *_: [], Stop(), print, lambda *_: True)
    assert check_unchanged(home, spec_of(folder)) is None


TRAINING = 'import steps\n\n\ndef train(config, seed):\n    yield {"gain": config["x"] * steps.FACTOR}\n'


@pytest.mark.e2e
def test_a_study_whose_module_was_edited_is_refused_and_goes_on_once_that_is_accepted(tmp_path):
    (tmp_path / "steps.py").write_text("FACTOR = 1\n")
    study = str(gain_study(tmp_path, "edited", TRAINING, "search: {trials: 2, sampler: random}\n"))
    home = tmp_path / "home"
    assert hpsearch("run", study, "--workers", "1", "--trials", "1", home=home).returncode == 0
    (tmp_path / "steps.py").write_text("FACTOR = 2\n")
    refused = hpsearch("run", study, "--workers", "1", home=home)
    assert refused.returncode == 2
    assert "  steps.py: was " in refused.stderr
    assert "trial 0 was trained before" in refused.stderr
    accepted = hpsearch("run", study, "--workers", "1", "--accept-changes", home=home)
    assert accepted.returncode == 0
    assert "accepted: steps.py: was " in accepted.stderr
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("edited").experiment_id], "tags.`hpsearch.kind` = 'trial'")
    assert len({run.data.tags["hpsearch.sources_digest"] for run in runs}) == 2
    again = hpsearch("reproduce", "edited", "0", "-f", "json", home=home)
    assert again.returncode == 4
    assert "note: steps.py has changed since trial 0 was trained: was" in again.stderr
    assert hpsearch("reproduce", "edited", "1", home=home).returncode == 0


@pytest.mark.e2e
def test_a_file_that_is_replaced_is_accepted_and_each_run_has_the_digest_of_its_data(tmp_path):
    save(tmp_path / "mine.npz")
    before = digest_of(tmp_path / "mine.npz")
    text = STUDY.replace('custom, builder: "net:build"', "mlp, units: [4]")
    (tmp_path / "own.yaml").write_text(text)
    command = ["run", str(tmp_path / "own.yaml"), "--workers", "1", "--home", str(tmp_path / "home")]
    assert hpsearch(*command, "--trials", "1", home=tmp_path).returncode == 0
    save(tmp_path / "mine.npz", x=RNG.normal(size=(300, 8)))
    assert hpsearch(*command, "--trials", "2", home=tmp_path).returncode == 2
    assert hpsearch(*command, "--trials", "2", "--accept-changes", home=tmp_path).returncode == 0
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'home' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("own").experiment_id
    runs = client.search_runs([experiment], "tags.`hpsearch.kind` = 'trial'", order_by=["tags.`hpsearch.trial`"])
    digests = [run.data.tags["hpsearch.data_digest"] for run in runs]
    assert digests == [before, digest_of(tmp_path / "mine.npz")]
    assert {run.data.params["normalization"] for run in runs} == {"standardize"}

"""The exported script: Python for every row, the study's own split, and the study's accuracy where hpsearch is not."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export.conftest import chosen_of, row_of
from export.made import trained_here
from support import sample_config

from hpsearch.catalogue.losses import LOSSES
from hpsearch.catalogue.models import MODELS
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.file import Objective
from hpsearch.config.trial import DataConfig, TrialConfig
from hpsearch.data.arrays import Arrays
from hpsearch.data.splits import stratified_split
from hpsearch.errors import HpsearchError
from hpsearch.export.formats import FORMATS
from hpsearch.export.script import ScriptSource, script
from hpsearch.export.verification import accuracy_in, run_alone
from hpsearch.training.examples import Normalization, TrainingData, examples_of

STEPWISE = [row.name for row in OPTIMIZERS.values() if not row.needs_closure]
SMALL = {"architecture": "mlp", "units": [4]}


@pytest.fixture(scope="module")
def data():
    return TrainingData.load(DataConfig(dataset="fashion_mnist_sample"))


def _text(config: TrialConfig, data: TrainingData, objective: Objective | None = None) -> str:
    text = script(ScriptSource(config, objective or Objective(), "Trial 3 of the study 'small'."), data)
    compile(text, "script", "exec")
    assert "hpsearch" not in text.replace("hpsearch keeps them", "").replace("/hpsearch/datasets", "").replace(
        'register_keras_serializable(package="hpsearch")', ""
    )
    assert max(map(len, text.splitlines())) <= 120
    return text


@pytest.mark.parametrize("optimizer", STEPWISE)
def test_it_is_python_for_every_optimizer_and_schedule(optimizer, data):
    for name in SCHEDULES:
        text = _text(sample_config(model=SMALL, optimizer=optimizer, schedule=row_of("schedule", name)), data)
        assert len(text.splitlines()) < 130 or optimizer == "proximal_gradient_descent"


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("model", MODELS)
def test_it_is_python_for_every_model_and_loss(model, loss, data):
    text = _text(sample_config(model=row_of("model", model), loss=row_of("loss", loss)), data)
    assert ("from training.own_code import" in text) == ("custom" in (model, loss))


def _executed(name: str, text: str, **has: Any) -> Any:
    """What a name stands for once the text has run."""
    has["np"] = np
    exec(text, has)
    return has[name]


@pytest.mark.parametrize(
    ("sizes", "validation", "seed"),
    [
        ([6000] * 10, 5000, 0),
        ([200] * 10, 166, 0),
        ([200] * 10, 500, 3),
        ([200] * 10, 123, 7),
        ([31, 7, 60, 2, 11], 30, 1),
        ([5, 5, 5], 4, 2),
    ],
)
def test_the_split_is_that_of_the_study(sizes, validation, seed):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.uint8)
    split = stratified_split(labels, validation, seed)
    examples = examples_of(Arrays(np.zeros((len(labels), 1), np.uint8), labels), Normalization())
    data = TrainingData(examples, split.train, split.validation, len(sizes))
    section = {"dataset": "own.npz", "validation": validation, "split_seed": seed, "normalization": "rescale"}
    text = _text(sample_config(data=section, model={"architecture": "perceptron"}), data)
    text = text[text.index("# Held out") : text.index("\nimages = images.astype")]
    even = len(set(sizes)) == 1 and validation % len(sizes) == 0
    assert ("shares" in text) != even
    np.testing.assert_array_equal(_executed("held_out", text, labels=labels), split.validation)
    np.testing.assert_array_equal(_executed("training", text, labels=labels), split.train)


@pytest.mark.parametrize("normalization", ["rescale", "standardize", "none"])
def test_the_examples_are_those_of_the_study(normalization, tmp_path, capfd):
    section = {"dataset": "fashion_mnist_sample", "train_examples": 700, "normalization": normalization}
    config = sample_config(data=section, model=SMALL, training={"max_epochs": 1, "early_stopping": None})
    data = TrainingData.load(config.data)
    ran = _ran(_text(config, data), tmp_path, capfd)
    np.testing.assert_array_equal(ran["training"], data.training)
    np.testing.assert_array_equal(ran["held_out"], data.validation)
    ours = (data.examples.images.numpy() - data.examples.shift.numpy()) / data.examples.scale.numpy()
    np.testing.assert_allclose(ran["images"], ours, atol=1e-4)


def _ran(text: str, folder: Path, capfd: Any) -> dict[str, Any]:
    """The script's names after it has run, and under `accuracy` what it printed last."""
    file = folder / "train.py"
    file.write_text(text)
    capfd.readouterr()
    names = runpy.run_path(str(file))
    return {**names, "accuracy": accuracy_in(capfd.readouterr().out.strip().splitlines()[-1])}


TRAININGS: dict[str, dict[str, Any]] = {
    "lamb-plateau": {
        "optimizer": {"name": "lamb", "learning_rate": 0.02},
        "schedule": {"name": "reduce_on_plateau", "patience": 2},
    },
    "proximal-exponential": {
        "optimizer": {"name": "proximal_gradient_descent", "learning_rate": 0.2, "l1": 1e-5},
        "schedule": {"name": "exponential", "decay_rate": 0.8, "per": "epoch"},
    },
    "muon-cnn-brier": {
        "model": {"architecture": "cnn", "filters": [8], "units": [16], "l2": 1e-4},
        "optimizer": {"name": "muon", "learning_rate": 0.01},
        "loss": "mean_squared_error",
    },
    "own-code": {
        "model": row_of("model", "custom"),
        "loss": row_of("loss", "custom"),
        "schedule": row_of("schedule", "custom"),
        "optimizer": {"name": "adam", "learning_rate": 0.01},
        "batch_size": 20,
    },
    "own-examples": {
        "data": {"dataset": "export.conftest:own_examples", "validation": 120, "normalization": "standardize"},
        "optimizer": {"name": "adam", "learning_rate": 0.02},
        "batch_size": 16,
    },
    "colours-cnn": {
        "data": {"dataset": "training.own_code:colours", "validation": 60},
        "model": {"architecture": "cnn", "filters": [4], "units": []},
        "optimizer": {"name": "adam", "learning_rate": 0.01},
        "batch_size": 20,
    },
    "far-away-floats": {
        "data": {"dataset": "training.own_code:far_away", "validation": 80, "normalization": "standardize"},
        "optimizer": {"name": "adam", "learning_rate": 0.02},
        "batch_size": 20,
    },
    "full-batch-weights": {
        "batch_size": "full",
        "optimizer": {"name": "rmsprop", "learning_rate": 0.01},
        "training": {
            "max_epochs": 50,
            "class_weight": "balanced",
            "early_stopping": {"patience": 9, "min_delta": 0.01},
        },
    },
}


@pytest.mark.parametrize("name", TRAININGS)
@pytest.mark.e2e
def test_what_it_trains_is_what_the_study_trained(name, context, data, tmp_path, capfd):
    training = {"max_epochs": 8, "early_stopping": None, "engine": "graph"}
    sections = {"training": training, "data": {"dataset": "fashion_mnist_sample", "validation": 500}}
    config = sample_config(**{**sections, **TRAININGS[name]})
    trainer, rows = trained_here(config, context)
    reference = chosen_of(config, rows, trainer.best).reference(context)
    ran = _ran(_text(config, TrainingData.load(config.data)), tmp_path, capfd)
    assert reference.value > 0.6
    assert reference.agrees(ran["accuracy"]), (reference, ran["accuracy"])
    # The same weights in the beginning, the same order: the same curve, but for the rounding of float32 sums.
    seen = ran["model"].history.history
    for metric, tolerance in (("val_accuracy", {"atol": 0.02}), ("loss", {"rtol": 0.02})):
        ours = [row.metrics[metric] for row in rows]
        np.testing.assert_allclose(seen[metric], ours, **tolerance, err_msg=metric)


def test_the_best_epoch_by_the_objective_is_what_is_told(data, tmp_path, capfd):
    training = {"max_epochs": 6, "early_stopping": {"patience": 2}}
    config = sample_config(model=SMALL, optimizer={"name": "sgd", "learning_rate": 3.0}, training=training)
    ran = _ran(_text(config, data, Objective(metric="val_loss")), tmp_path, capfd)
    seen = ran["model"].history.history
    assert ran["accuracy"] == pytest.approx(seen["val_accuracy"][int(np.argmin(seen["val_loss"]))], abs=1e-4)


def test_it_starts_from_the_weights_of_the_study(data, tmp_path):
    from hpsearch.training.executable import build_model

    config = sample_config(model={"architecture": "mlp", "units": [16], "batch_normalization": True})
    made, _, _ = _text(config, data).partition("optimizer =")
    file = tmp_path / "model.py"
    file.write_text(made)
    theirs = runpy.run_path(str(file))["model"].get_weights()
    for one, other in zip(theirs, build_model(config, data).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("builder", "line"),
    [
        ("half", "optimizer = keras.optimizers.LossScaleOptimizer(optimizer)"),
        ("with_own_step", "model = with_own_step((28, 28), 10)"),
        ("two_branches", "model = keras.Model(inputs, two_branches((28, 28), 10)(inputs))"),
    ],
)
def test_a_users_model_trains_in_a_script_as_it_did_in_the_study(builder, line, data):
    model = {"architecture": "custom", "builder": f"training.own_code:{builder}"}
    assert line in _text(sample_config(model=model), data).splitlines()


def test_hpsearch_cannot_be_imported_where_a_script_is_run(tmp_path):
    file = tmp_path / "script.py"
    file.write_text("import hpsearch\n")
    with pytest.raises(HpsearchError, match="ModuleNotFoundError: import of hpsearch halted"):
        run_alone(file, [Path(__file__).parents[2]], print)


@pytest.mark.e2e
def test_an_error_of_keras_in_a_script_keeps_its_reason(tmp_path):
    file = tmp_path / "script.py"
    file.write_text(
        "import keras, numpy\nkeras.Sequential([keras.Input((7,)), keras.layers.Dense(3)])(numpy.zeros((2, 5)))\n"
    )
    with pytest.raises(
        HpsearchError, match=r"^ValueError: Exception .* Sequential.call\(\): .* received input with shape \(2, 5\)$"
    ):
        run_alone(file, [], print)


def test_what_cannot_be_said_is_refused(context):
    for name in ("python", "keras"):
        with pytest.raises(HpsearchError, match="lbfgs is SciPy's: Keras has no such optimizer; export it as yaml"):
            FORMATS[name].text(chosen_of(sample_config(optimizer="lbfgs", batch_size="full")), context)

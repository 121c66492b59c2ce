"""A training that goes on from its checkpoint ends with the bits of one that was never interrupted."""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest
from support import sample_config

from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.file import Objective
from hpsearch.training import checkpoint
from hpsearch.training.checkpoint import CheckpointWriter, State, count_resumable_epochs, packed, read, unpacked, write
from hpsearch.training.examples import TrainingData
from hpsearch.training.executable import Executables
from hpsearch.training.results import EpochMetrics, Outcome
from hpsearch.training.trainer import Trainer

CLOCKS = ("epoch_seconds", "seconds_per_update")


def config_of(engine="graph", epochs=4, **sections):
    training = {"max_epochs": epochs, "early_stopping": None, "engine": engine} | sections.pop("training", {})
    return sample_config(**sections, training=training)


def trainer_of(config, executables, callbacks=()):
    return Trainer(config, Objective(), TrainingData.load(config.data), executables, callbacks)


def figures(rows):
    """All that an epoch says but how long it took."""
    return [{"epoch": row.epoch} | {k: v for k, v in row.metrics.items() if k not in CLOCKS} for row in rows]


def outcome_of(trainer, rows):
    weights = [values.tobytes() for values in trainer.model.get_weights()]
    return figures(rows), weights, trainer.best, trainer.outcome


def assert_goes_on_alike(config, file, after=2, make_callbacks=list):
    executables = Executables()
    whole = trainer_of(config, executables, make_callbacks())
    expected = outcome_of(whole, list(whole.epochs()))
    first = trainer_of(config, executables, make_callbacks())
    rows = []
    for row in first.epochs():
        rows.append(row)
        if row.epoch == after:
            write(file, config.plain(), first.state())
            break
    # All that is compiled is used by another trial in between, as in a worker; so nothing is left there.
    list(trainer_of(config.model_copy(update={"seed": 99}), executables, make_callbacks()).epochs())
    second = trainer_of(config, executables, make_callbacks())
    second.restore(read(file))
    rows += second.epochs()
    assert outcome_of(second, rows) == expected
    return rows


SGD = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}
CASES = {
    "momentum": {"optimizer": SGD},
    "adam and cosine": {"optimizer": {"name": "adam", "learning_rate": 0.01}, "schedule": "cosine"},
    "averaged weights": {"optimizer": SGD | {"use_ema": True, "ema_momentum": 0.9}},
    "dropout and batch normalization": {
        "model": {"architecture": "mlp", "units": [16], "dropout": 0.3, "batch_normalization": True}
    },
}


@pytest.mark.parametrize("engine", ["graph", "xla"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.e2e(but=("momentum-graph",))
def test_the_rest_of_the_curve_is_the_same_to_the_last_bit(case, engine, tmp_path):
    assert_goes_on_alike(config_of(engine, **CASES[case]), tmp_path / "0.npz")


@pytest.mark.e2e
def test_so_it_is_where_stock_keras_trains(tmp_path):
    model = CASES["dropout and batch normalization"] | CASES["averaged weights"]
    assert_goes_on_alike(config_of("fit", epochs=2, **model), tmp_path / "0.npz", after=1)


@pytest.mark.parametrize("name", [name for name, row in OPTIMIZERS.items() if not row.needs_closure])
@pytest.mark.e2e(but=("adam", "ftrl"))
def test_nothing_of_an_optimizer_is_lost(name, tmp_path):
    assert_goes_on_alike(config_of(epochs=2, optimizer=name), tmp_path / "0.npz", after=1)


@pytest.mark.parametrize("after", [3, 4])
def test_a_plateau_goes_on_waiting(after, tmp_path):
    def plateau():
        # After the first epoch nothing is an improvement; a reduction is followed by an epoch of rest.
        return [keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=2, cooldown=1, min_delta=100)]

    config = config_of(epochs=8, optimizer=SGD, schedule={"name": "exponential", "per": "step"})
    rows = assert_goes_on_alike(config, tmp_path / "0.npz", after, plateau)
    scheduled = [0.1 * 0.9**epoch for epoch in range(8)]
    rates = [row.metrics["learning_rate"] / rate for row, rate in zip(rows, scheduled, strict=True)]
    assert rates[-1] < 0.2 * rates[0]


def test_the_weights_that_a_callback_keeps_go_on_too(tmp_path):
    def stopping():
        return [keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)]

    config = config_of(epochs=40, optimizer={"name": "sgd", "learning_rate": 0.9, "momentum": 0.9})
    rows = assert_goes_on_alike(config, tmp_path / "0.npz", 2, stopping)
    assert len(rows) < 40


def test_early_stopping_goes_on_counting(tmp_path):
    config = config_of(
        epochs=60,
        optimizer={"name": "sgd", "learning_rate": 0.9, "momentum": 0.9},
        training={"early_stopping": {"patience": 3}},
    )
    whole = trainer_of(config, Executables())
    rows = list(whole.epochs())
    assert whole.outcome is Outcome.EARLY_STOPPED
    # While it waits.
    assert_goes_on_alike(config, tmp_path / "0.npz", after=whole.best.epoch + 1)
    assert len(rows) == whole.best.epoch + 3


def test_a_solver_keeps_its_state_to_itself():
    trainer = trainer_of(config_of(optimizer="lbfgs"), Executables())
    next(trainer.epochs())
    assert trainer.state() is None


def test_a_state_of_another_model_is_refused(tmp_path):
    first = trainer_of(config_of(), Executables())
    next(first.epochs())
    other = trainer_of(config_of(model={"architecture": "mlp", "units": [8]}), Executables())
    with pytest.raises(ValueError, match="another model"):
        other.restore(first.state())


CONFIG = {"optimizer": {"name": "sgd"}, "seed": 3}
ROWS = [EpochMetrics(epoch, {"loss": 1 / epoch, "gradient_noise_scale": float("nan")}) for epoch in (1, 2, 3, 4)]
STATE = State(ROWS[1], {"waited": 1}, {"variable/0": np.arange(6.0).reshape(2, 3)})


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "checkpoints" / "7.npz"
    write(file, CONFIG, STATE)
    return file


def test_what_is_written_is_read(file):
    found = read(file)
    assert found.last_epoch.epoch == 2
    assert found.plain == STATE.plain
    np.testing.assert_array_equal(found.arrays["variable/0"], STATE.arrays["variable/0"])
    assert [path.name for path in file.parent.iterdir()] == ["7.npz"]


def test_a_training_goes_on_after_the_epoch_of_its_checkpoint(file):
    assert count_resumable_epochs(file, CONFIG, ROWS) == 2
    assert count_resumable_epochs(file, CONFIG, ROWS[:2]) == 2


def test_a_training_starts_afresh_where_the_checkpoint_is_not_its_own(file, monkeypatch):
    changed = [ROWS[0], EpochMetrics(2, {"loss": 0.4}), *ROWS[2:]]
    assert count_resumable_epochs(file, CONFIG | {"seed": 4}, ROWS) == 0
    assert count_resumable_epochs(file, CONFIG, changed) == 0
    assert count_resumable_epochs(file, CONFIG, ROWS[:1]) == 0
    assert count_resumable_epochs(file, CONFIG, ROWS[1:]) == 0
    assert count_resumable_epochs(file.with_name("8.npz"), CONFIG, ROWS) == 0
    monkeypatch.setattr(checkpoint, "_MADE_BY", checkpoint._MADE_BY | {"keras": "4.0"})
    assert count_resumable_epochs(file, CONFIG, ROWS) == 0


def test_a_training_starts_afresh_where_the_checkpoint_is_damaged(file):
    good = file.read_bytes()
    for bad in (b"", good[:100], good[:-30], b"nonsense" * 100):
        file.write_bytes(bad)
        assert count_resumable_epochs(file, CONFIG, ROWS) == 0
    # One byte of an array.
    place = good.index(np.float64(5.0).tobytes())
    file.write_bytes(good[:place] + b"\xff" + good[place + 1 :])
    assert count_resumable_epochs(file, CONFIG, ROWS) == 0


def test_a_checkpoint_that_cannot_be_written_ends_nothing_and_leaves_the_one_before(file, tmp_path):
    blocked = tmp_path / "a file"
    blocked.write_text("")
    CheckpointWriter(blocked / "7.npz", CONFIG, 0).offer(lambda: STATE)
    with pytest.raises(OSError, match="full"):
        write(file, CONFIG, State(ROWS[2], {}, {"variable/0": Full()}))
    assert [path.name for path in file.parent.iterdir()] == ["7.npz"]
    assert read(file).last_epoch.epoch == 2


class Full:
    """An array that the disk has no room for."""

    def __array__(self, *_args, **_more):
        raise OSError("the disk is full")


def test_checkpoints_take_a_twentieth_of_the_time_at_most(tmp_path):
    taken = []

    def state(seconds):
        time.sleep(seconds)
        taken.append(seconds)
        return STATE

    writer = CheckpointWriter(tmp_path / "7.npz", CONFIG, seconds=0)
    writer.offer(lambda: state(0.2))
    writer.offer(lambda: state(0))
    assert taken == [0.2]
    patient = CheckpointWriter(tmp_path / "8.npz", CONFIG, seconds=60)
    patient.offer(lambda: state(0))
    assert taken == [0.2]


def test_values_of_callbacks_are_kept_as_they_are():
    value = {"best": float("inf"), "wait": 3, "on": True, "none": None, "pair": (1, [2.5, "x"]), "w": [np.ones(3)]}
    arrays = {}
    again = unpacked(packed(value, arrays), arrays)
    np.testing.assert_array_equal(again.pop("w")[0], value.pop("w")[0])
    assert again == value
    assert isinstance(packed(np.float32(0.5), {}), float)
    for other in (object(), {1: 2}, np.array([object()]), lambda: 0):
        with pytest.raises(TypeError):
            packed(other, {})

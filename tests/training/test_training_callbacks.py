"""Keras callbacks told of epochs: what stock ones do in `model.fit`, they do here."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
from training.stock import assert_same_curves, column, fit, small, train

from hpsearch.catalogue.metrics import LOGGED, RECORDED
from hpsearch.config.file import Objective
from hpsearch.errors import UserCodeError
from hpsearch.training.callbacks import learning_rates, make_callbacks
from hpsearch.training.examples import TrainingData
from hpsearch.training.results import Outcome

LOWEST_LOSS = Objective(metric="val_loss", direction="minimize")


class Told(keras.callbacks.Callback):
    """Writes down what it is told of training and epochs, and asks to stop after one of them."""

    def __init__(self, stop_after=None):
        super().__init__()
        self.calls, self.logs, self.stop_after = [], [], stop_after

    def on_train_begin(self, logs=None):
        self.calls.append(("train begins", self.params["epochs"]))

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(("begins", epoch))

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(("ends", epoch))
        self.logs.append(dict(logs))
        if epoch == self.stop_after:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.calls.append(("train ends", self.model.stop_training))


def test_a_callback_is_told_what_fit_tells_and_can_stop_the_training(executables):
    config = small()
    ours, theirs = Told(stop_after=1), Told(stop_after=1)
    trainer, rows = train(config, executables=executables, callbacks=[ours])
    stock = fit(config, callbacks=[theirs])
    assert ours.calls == theirs.calls
    assert len(rows) == len(stock.history["loss"]) == 2
    assert trainer.outcome is Outcome.EARLY_STOPPED
    assert trainer.finished
    assert [{name: log[name] for name in row} for log, row in zip(ours.logs, rows, strict=True)] == rows
    for told, by_fit in zip(ours.logs, theirs.logs, strict=True):
        assert {name: told[name] for name in by_fit} == pytest.approx(by_fit, rel=1e-4)


class Writes(keras.callbacks.Callback):
    """Puts into the logs what hpsearch has of its own, and a key that it has not."""

    def on_epoch_end(self, epoch, logs=None):
        logs.update(dict.fromkeys([*logs, *RECORDED, *LOGGED, "best_val_accuracy", "system/load", "mine"], -1.0))


def test_what_a_callback_puts_into_the_logs_only_later_callbacks_see(executables):
    told = Told()
    trainer, rows = train(small(), executables=executables, callbacks=[Writes(), told])
    _, expected = train(small(), executables=executables)
    assert [log["mine"] for log in told.logs] == [-1.0] * len(rows)
    assert [list(row) for row in rows] == [list(row) for row in expected]
    assert column(rows, "val_accuracy") == column(expected, "val_accuracy")
    assert all(value >= 0 for row in rows for value in row.values())
    assert trainer.best.value == max(column(rows, "val_accuracy"))


def test_who_asks_to_stop_after_the_last_epoch_asks_for_nothing(executables):
    trainer, rows = train(small(), executables=executables, callbacks=[Told(stop_after=2)])
    assert len(rows) == 3
    assert trainer.outcome is Outcome.COMPLETED


class StopsBefore(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.stop_training = epoch == 1


@pytest.mark.parametrize("engine", ["graph", "fit"])
def test_who_asks_to_stop_before_an_epoch_is_given_that_epoch(executables, engine):
    trainer, rows = train(small(engine), executables=executables, callbacks=[StopsBefore()])
    assert len(rows) == len(fit(small(), callbacks=[StopsBefore()]).history["loss"]) == 2
    assert trainer.outcome is Outcome.EARLY_STOPPED


def test_a_callback_leaves_nothing_behind_for_the_next_trial(executables):
    _, before = train(small(), executables=executables)
    halved = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    _, between = train(small(), executables=executables, callbacks=[halved, Told(stop_after=1)])
    _, after = train(small(), executables=executables)
    assert between != before[:2]
    assert after == before


class Predicts(keras.callbacks.Callback):
    """Uses the model as a user's own code would."""

    def __init__(self, images, labels):
        super().__init__()
        self.images, self.labels, self.accuracies = images, labels, []

    def on_epoch_end(self, epoch, logs=None):
        logits = self.model.predict(self.images, batch_size=1000, verbose=0)
        self.accuracies.append(float(np.mean(logits.argmax(axis=1) == self.labels)))


def test_a_callback_may_use_the_model_between_the_epochs(executables):
    data = TrainingData.load(small().data)
    images = data.examples.images.numpy()[data.validation] / np.float32(255)
    callback = Predicts(images, data.examples.labels.numpy()[data.validation])
    _, rows = train(small(), executables=executables, callbacks=[callback])
    assert callback.accuracies == pytest.approx(column(rows, "val_accuracy"))
    _, without = train(small(), executables=executables)
    assert rows == without


def test_early_stopping_of_keras_ends_the_training_where_fit_ends_with_the_same_weights(executables):
    def stopping():
        return keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)

    # A hundred images are soon learned by heart.
    config = small(optimizer={"name": "sgd", "learning_rate": 0.5}, training={"max_epochs": 30})
    data = TrainingData.load(config.data)
    few = dataclasses.replace(data, training=data.training[:100])
    trainer, rows = train(config, few, executables, LOWEST_LOSS, [stopping()])
    stock = fit(config, few, callbacks=[stopping()])
    assert trainer.outcome is Outcome.EARLY_STOPPED
    assert 3 < len(rows) == len(stock.history["loss"]) < 30
    assert trainer.best.epoch == len(rows) - 2
    assert trainer.validate().loss == trainer.best.value
    for ours, theirs in zip(trainer.model.get_weights(), stock.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("engine", ["graph", "xla", "fit"])
@pytest.mark.e2e(but=("graph",))
def test_a_scheduler_of_keras_sets_the_rate_of_each_epoch(executables, engine):
    def scheduler():
        return keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.2 if epoch == 0 else rate * 0.4)

    config = small(engine)
    trainer, rows = train(config, executables=executables, callbacks=[scheduler()])
    stock = fit(config, callbacks=[scheduler()])
    assert column(rows, "learning_rate") == pytest.approx(stock.history["learning_rate"], rel=1e-6)
    assert column(rows, "learning_rate") == pytest.approx([0.2, 0.08, 0.032], rel=1e-6)
    assert_same_curves(trainer, rows, stock)


def test_a_plateau_lowers_the_rate_as_in_fit(executables):
    def plateau():
        # Nothing is an improvement.
        return keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=1, min_delta=100, min_lr=2e-3)

    config = small(optimizer={"name": "sgd", "learning_rate": 0.1}, training={"max_epochs": 6})
    trainer, rows = train(config, executables=executables, callbacks=[plateau()])
    stock = fit(config, callbacks=[plateau()])
    assert column(rows, "learning_rate") == pytest.approx(stock.history["learning_rate"], rel=1e-6)
    assert len(set(column(rows, "learning_rate"))) == 5
    assert_same_curves(trainer, rows, stock)


class SetsTheRate(keras.callbacks.Callback):
    """Looks at the rate and sets another one, at any of the places where it may."""

    def __init__(self, rates):
        super().__init__()
        self.rates, self.seen = rates, {}

    def _pass(self, where):
        rate = self.model.optimizer.learning_rate
        self.seen[where] = float(rate.numpy())
        if where in self.rates:
            rate.assign(self.rates[where])

    def on_train_begin(self, logs=None):
        self._pass("start")

    def on_epoch_begin(self, epoch, logs=None):
        self._pass(f"{epoch} begins")

    def on_epoch_end(self, epoch, logs=None):
        self._pass(f"{epoch} ends")


@pytest.mark.parametrize(
    "rates",
    [{}, {"start": 0.25}, {"0 begins": 0.0, "0 ends": 0.125}, {"0 ends": 0.0, "1 ends": 0.25, "2 begins": 0.5}],
    ids=lambda rates: "-".join(rates) or "only looks",
)
def test_a_rate_may_be_seen_and_set_wherever_it_may_in_fit(executables, rates):
    # Another trial of the same structure has just left another rate behind.
    train(small(optimizer={"name": "sgd", "learning_rate": 0.5}), executables=executables)
    ours, theirs = SetsTheRate(rates), SetsTheRate(rates)
    trainer, rows = train(small(), executables=executables, callbacks=[ours])
    assert_same_curves(trainer, rows, fit(small(), callbacks=[theirs]))
    assert ours.seen == theirs.seen
    assert column(rows, "learning_rate") == [ours.seen[f"{epoch} ends"] for epoch in range(3)]


class Scaled(keras.callbacks.Callback):
    """A schedule's rates, halved once more before each epoch."""

    def __init__(self, config, updates):
        super().__init__()
        self.config, self.updates = config, updates

    def on_epoch_begin(self, epoch, logs=None):
        self.rates = learning_rates(self.config, epoch + 1, self.updates) * 0.5 ** (epoch + 1)

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate.assign(self.rates[batch])


def test_a_scheduler_of_keras_scales_a_schedule_that_moves_at_every_update(executables):
    optimizer = {"name": "sgd", "learning_rate": 0.5}
    config = small(optimizer=optimizer, schedule={"name": "cosine", "per": "step"})
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    trainer, rows = train(config, executables=executables, callbacks=[halve])
    last = [learning_rates(config, epoch, 6)[-1] * 0.5**epoch for epoch in (1, 2, 3)]
    assert column(rows, "learning_rate") == pytest.approx(last, rel=1e-6)
    assert_same_curves(trainer, rows, fit(small(optimizer=optimizer), callbacks=[Scaled(config, 6)]))


def test_a_plateau_scales_a_schedule_too(executables):
    config = small(schedule={"name": "exponential", "per": "step"}, training={"max_epochs": 4})
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=100)
    _, rows = train(config, executables=executables, callbacks=[plateau])
    scheduled = [learning_rates(config, epoch, 6)[-1] for epoch in (1, 2, 3, 4)]
    # The first epoch is the best so far; each one after it halves what follows.
    expected = np.multiply(scheduled, [1, 1, 0.5, 0.25])
    assert column(rows, "learning_rate") == pytest.approx(expected, rel=1e-6)


MODULE = """
import keras

class Stops(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True

def rate():
    return keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.125)

class Other:
    pass

number = 3
one_for_all = keras.callbacks.Callback()
"""


@pytest.fixture
def _module(tmp_path, monkeypatch):
    (tmp_path / "callbacks_of_a_user.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("_module")
def test_a_configuration_names_callbacks_and_they_come_first(executables):
    names = ["callbacks_of_a_user:rate", "callbacks_of_a_user:Stops"]
    told = Told()
    trainer, rows = train(small(training={"callbacks": names}), executables=executables, callbacks=[told])
    assert trainer.outcome is Outcome.EARLY_STOPPED
    assert column(rows, "learning_rate") == [0.125]
    assert told.calls == [("train begins", 3), ("begins", 0), ("ends", 0), ("train ends", True)]


@pytest.mark.usefixtures("_module")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no_module_of_this_name:Stops", "cannot be found: No module named 'no_module_of_this_name'"),
        ("callbacks_of_a_user:Stop", "cannot be found: module 'callbacks_of_a_user' has no attribute 'Stop'"),
        ("callbacks_of_a_user:Other", "must give a keras.callbacks.Callback when called, got <callbacks"),
        ("callbacks_of_a_user:number", "must give a keras.callbacks.Callback when called, got 3"),
        ("callbacks_of_a_user:one_for_all", "must give a keras.callbacks.Callback when called, got <keras"),
    ],
)
def test_a_name_that_gives_no_callback_is_refused(name, sentence):
    with pytest.raises(UserCodeError) as caught:
        make_callbacks([name])
    assert str(caught.value).startswith(f"training.callbacks: '{name}' ")
    assert sentence in str(caught.value)

"""The gradient noise scale, against gradients taken one example at a time."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import sample_config

from hpsearch.config.file import Objective
from hpsearch.training.examples import TrainingData
from hpsearch.training.measures import noise_scale
from hpsearch.training.trainer import Trainer


def test_the_estimate_is_unbiased_for_gradients_of_known_mean_and_variance():
    rng = np.random.default_rng(0)
    mean, deviation = np.full(50, 0.3), 2.0
    gradients = mean + deviation * rng.normal(size=(64 * 2000, 50))
    small = (gradients.reshape(2000, 64, 50).mean(1) ** 2).sum(1).mean()
    big = (gradients.mean(0) ** 2).sum()
    exact = 50 * deviation**2 / (mean**2).sum()
    assert noise_scale(small, big, 64, 64 * 2000) == pytest.approx(exact, rel=0.05)


def test_it_is_a_metric_of_each_epoch_and_changes_nothing_else():
    config = {"model": {"architecture": "mlp", "units": [16], "batch_normalization": True, "dropout": 0.3}}
    rows = []
    for measured in (True, False):
        chosen = sample_config(**config, training={"max_epochs": 2, "early_stopping": None, "gradient_noise": measured})
        data = TrainingData.load(chosen.data)
        rows.append([row.metrics for row in Trainer(chosen, Objective(), data).epochs()])
    assert [row.get("gradient_noise_scale", 0) > 0 for row in rows[0]] == [True, True]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert [row[name] for row in rows[0]] == [row[name] for row in rows[1]]


def test_it_agrees_with_the_gradients_of_single_examples():
    config = sample_config(model={"architecture": "mlp", "units": []}, training={"gradient_noise": True})
    data = TrainingData.load(config.data)
    trainer = Trainer(config, Objective(), data)
    measured = trainer._noise.measure(data.examples, data.training)
    images = data.examples.images.numpy()[data.training].reshape(-1, 784).astype(np.float64) / 255
    labels = np.eye(10)[data.examples.labels.numpy()[data.training]]
    logits = images @ trainer.model.trainable_variables[0].numpy() + trainer.model.trainable_variables[1].numpy()
    errors = keras.ops.convert_to_numpy(tf.nn.softmax(logits)) - labels
    # The gradient of one example is x e^T and e.
    norms = (errors**2).sum(1) * ((images**2).sum(1) + 1)
    mean = np.append((images.T @ errors).ravel(), errors.sum(0)) / len(labels)
    signal = (mean**2).sum()
    exact = (norms.mean() - signal) / signal
    assert measured == pytest.approx(exact, rel=0.3)

"""L-BFGS: the solver turned inside out, its loss and gradient, and what it comes to."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from support import sample_config

from hpsearch.config.file import Objective
from hpsearch.training.examples import TrainingData
from hpsearch.training.executable import Executables
from hpsearch.training.lbfgs import _Solver
from hpsearch.training.results import Outcome
from hpsearch.training.trainer import Trainer

OPTIONS = {"maxcor": 10, "maxls": 20, "maxiter": 100, "ftol": 0.0, "gtol": 1e-8}
LINEAR = {"architecture": "mlp", "units": []}


def quadratic(rng: np.random.Generator, n: int = 12):
    factor = rng.normal(size=(n, n))
    a, b = factor @ factor.T + np.eye(n), rng.normal(size=n)
    return a, b, lambda x: (0.5 * x @ a @ x - b @ x, a @ x - b)


def test_on_a_quadratic_it_descends_to_the_closed_form_by_the_points_of_scipy():
    a, b, function = quadratic(np.random.default_rng(3))
    start = np.ones(12, np.float32)
    solver, seen, values = _Solver(start, OPTIONS), [], []
    while not solver.done:
        seen.append(solver.point)
        value, gradient = function(solver.point)
        values.append(value)
        solver.evaluated(value, gradient)
    expected: list[np.ndarray] = []

    def recorded(x):
        expected.append(x.copy())
        return function(x)

    accepted: list[float] = []
    scipy.optimize.minimize(
        recorded,
        start.astype(np.float64),
        jac=True,
        method="L-BFGS-B",
        options=OPTIONS | {"maxfun": 10**9},
        callback=lambda x: accepted.append(function(x)[0]),
    )
    assert np.array_equal(np.array(seen), np.array(expected))
    assert np.allclose(seen[np.argmin(values)], np.linalg.solve(a, b), atol=1e-6)
    assert accepted == sorted(accepted, reverse=True)


def test_a_closed_solver_leaves_no_thread():
    solver = _Solver(np.ones(3, np.float32), OPTIONS)
    solver.close()
    assert not solver._thread.is_alive()


def test_loss_and_gradient_are_those_of_all_examples_at_once():
    config = sample_config(optimizer="lbfgs", model={**LINEAR, "units": [16], "l2": 1e-3})
    data = TrainingData.load(config.data)
    trainer = Trainer(config, Objective(), data)
    images = (data.examples.images.numpy()[data.training].astype(np.float32)) / 255
    labels = keras.ops.one_hot(data.examples.labels.numpy()[data.training], 10)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.categorical_crossentropy(labels, trainer.model(images), from_logits=True))
        loss += sum(trainer.model.losses)
    expected = tf.concat([tf.reshape(g, [-1]) for g in tape.gradient(loss, trainer.model.trainable_variables)], 0)
    total, _, gradient = trainer._engine._loss_and_gradient(data.examples, tf.constant(data.training, tf.int32))
    n = len(data.training)
    assert float(total) / n == pytest.approx(float(loss), rel=1e-5)
    assert np.allclose(gradient.numpy() / n, expected.numpy(), atol=1e-6)


@pytest.mark.e2e
def test_a_linear_model_comes_to_the_optimum_of_logistic_regression():
    l2 = 0.01
    config = sample_config(
        optimizer={"name": "lbfgs", "maxcor": 20},
        model={**LINEAR, "l2": l2},
        training={"max_epochs": 200, "early_stopping": None},
    )
    data = TrainingData.load(config.data)
    trainer = Trainer(config, Objective(metric="loss", direction="minimize"), data)
    rows = list(trainer.epochs())
    assert trainer.outcome is Outcome.COMPLETED
    assert "learning_rate" not in rows[0].metrics
    assert rows[0].metrics["updates"] == 1
    images = data.examples.images.numpy()[data.training].reshape(len(data.training), -1) / 255.0
    labels = data.examples.labels.numpy()[data.training]
    # scikit-learn minimizes C sum(cross-entropy) + |W|^2 / 2, and penalizes no intercept either.
    reference = LogisticRegression(C=1 / (2 * l2 * len(labels)), max_iter=1000, tol=1e-6).fit(images, labels)
    probabilities = reference.predict_proba(images)[np.arange(len(labels)), labels]
    optimum = -np.log(probabilities).mean() + l2 * (reference.coef_**2).sum()
    assert min(row.metrics["loss"] for row in rows) == pytest.approx(optimum, rel=1e-3)


def test_a_second_trial_of_the_same_executable_has_the_rows_of_the_first():
    config = sample_config(optimizer="lbfgs", training={"max_epochs": 4, "early_stopping": None})
    data, executables = TrainingData.load(config.data), Executables()

    def losses():
        return [
            (row.metrics["loss"], row.metrics["val_loss"])
            for row in Trainer(config, Objective(), data, executables).epochs()
        ]

    first = losses()
    assert losses() == first
    assert first[-1][0] < first[0][0]


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"model": {**LINEAR, "dropout": 0.2}}, "`dropout` is 0.2, but must be 0 with lbfgs"),
        ({"training": {"engine": "fit"}}, "`engine` is fit, but must be auto or graph with lbfgs"),
    ],
)
def test_what_cannot_go_with_it_is_refused(sections, sentence):
    with pytest.raises(ValidationError, match=sentence):
        sample_config(optimizer="lbfgs", **sections)

"""Proximal gradient descent against its definition, scikit-learn and closed forms."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import minimize_scalar
from sklearn.linear_model import ElasticNet

from hpsearch.catalogue.optimizers import OPTIMIZERS

ENTRY = OPTIMIZERS["proximal_gradient_descent"]
MOMENTA = [{}, {"momentum": 0.7}, {"momentum": 0.7, "nesterov": True}]


def _optimizer(name: str = "proximal_gradient_descent", **knobs: Any) -> Any:
    entry = OPTIMIZERS[name]
    return entry.build(**entry.defaults() | knobs)


def _after(optimizer: Any, start: np.ndarray, gradient: Any, updates: int) -> np.ndarray:
    """The weights after so many updates by `gradient(weights)`."""
    weights = keras.Variable(start)
    optimizer.build([weights])
    update = tf.function(lambda: optimizer.apply([gradient(weights.value)], [weights]))
    for _ in range(updates):
        update()
    return weights.numpy()


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.5, 0.0), (0.0, 2.0), (0.5, 2.0)])
def test_an_update_minimizes_what_defines_the_proximal_operator(l1, l2):
    lr, random = 0.3, np.random.default_rng(0)
    start, gradient = random.normal(size=(2, 20)).astype(np.float32)
    found = _after(_optimizer(learning_rate=lr, l1=l1, l2=l2), start, lambda _: tf.constant(gradient), 1)
    for w, v in zip(found, start - lr * gradient, strict=True):
        # prox(v) = argmin_w lr (l1 |w| + l2 w^2 / 2) + (w - v)^2 / 2
        best = minimize_scalar(lambda w, v=v: lr * (l1 * abs(w) + l2 * w**2 / 2) + (w - v) ** 2 / 2)
        assert w == pytest.approx(best.x, abs=1e-4)
    assert (np.count_nonzero(found == 0) > 0) == (l1 > 0)


def _regression() -> tuple[np.ndarray, np.ndarray, Any, float]:
    """Data of ten features of which three count, the gradient of the mean squared error / 2, and 1 / its constant."""
    random = np.random.default_rng(1)
    x = random.normal(size=(60, 10))
    y = x[:, :3] @ [2.0, -1.0, 0.5] + 0.1 * random.normal(size=60)
    gram, moment = (tf.constant(a.astype(np.float32)) for a in (x.T @ x / 60, x.T @ y / 60))
    return x, y, lambda w: tf.linalg.matvec(gram, w) - moment, 1 / float(np.linalg.norm(x.T @ x / 60, 2))


@pytest.mark.parametrize("momentum", MOMENTA, ids=str)
@pytest.mark.parametrize(("l1", "l2"), [(0.1, 0.0), (0.3, 0.2), (0.0, 0.5)])
def test_many_updates_end_at_the_elastic_net_of_scikit_learn_with_the_same_zeros(l1, l2, momentum):
    x, y, gradient, lr = _regression()
    expected = ElasticNet(alpha=l1 + l2, l1_ratio=l1 / (l1 + l2), fit_intercept=False, tol=1e-12, max_iter=100_000)
    found = _after(
        _optimizer(learning_rate=lr, l1=l1, l2=l2, **momentum), np.ones(10, np.float32), gradient, updates=200
    )
    np.testing.assert_allclose(found, expected.fit(x, y).coef_, atol=1e-5)
    assert (np.flatnonzero(found) == np.flatnonzero(expected.coef_)).all()
    if l1:
        assert 0 < np.count_nonzero(found) < 10
    else:
        ridge = np.linalg.solve(x.T @ x / 60 + l2 * np.eye(10), x.T @ y / 60)
        np.testing.assert_allclose(found, ridge, atol=1e-5)


@pytest.mark.parametrize("momentum", MOMENTA, ids=str)
def test_without_penalties_it_is_stock_sgd(momentum):
    _, _, gradient, lr = _regression()
    ours, theirs = (
        _after(_optimizer(name, learning_rate=lr, **momentum), np.ones(10, np.float32), gradient, updates=9)
        for name in ("proximal_gradient_descent", "sgd")
    )
    np.testing.assert_allclose(ours, theirs, atol=0 if not momentum else 1e-6)


def test_the_penalties_of_ftrl_give_exact_zeros_and_small_weights():
    """What TensorFlow's own tests of it check is not checked again."""
    _, _, gradient, _ = _regression()
    strengths: list[dict[str, float]] = [{}, {"l1_regularization_strength": 1.0}, {"l2_regularization_strength": 1.0}]
    plain, sparse, small = (
        _after(_optimizer("ftrl", learning_rate=1.0, **knobs), np.zeros(10, np.float32), gradient, updates=100)
        for knobs in strengths
    )
    assert np.count_nonzero(plain) == np.count_nonzero(small) == 10
    assert 3 <= np.count_nonzero(sparse) < 10
    assert np.linalg.norm(small) < np.linalg.norm(plain)

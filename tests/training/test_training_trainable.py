"""What a user's own training yields, as the numbers that it holds."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from hpsearch.config.file import Objective
from hpsearch.config.trial import TrainableConfig
from hpsearch.errors import HpsearchError
from hpsearch.training.trainable import TrainableTrainer

MODULE = """
yields = []


def train(config, seed):
    for value in yields:
        yield {"score": value}
"""


class Scalar:
    """As a PyTorch tensor of one element gives its number."""

    def item(self):
        return 0.5


@pytest.fixture
def epochs(tmp_path, monkeypatch, request):
    """A function that returns the scores that are recorded of what a training yields."""
    name = f"yielded_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)

    def train(*values):
        trainer = TrainableTrainer(
            TrainableConfig(f"{name}:train", {}), Objective(metric="score", direction="maximize")
        )
        __import__(name).yields[:] = values
        return [row.metrics["score"] for row in trainer.epochs()]

    return train


def test_scalars_of_every_library_count_as_the_numbers_that_they_hold(epochs):
    mean = keras.metrics.Mean()
    mean.update_state([0.25, 0.75])
    scalars = [
        *(tf.constant(0.5), tf.Variable(0.5), keras.Variable(0.5), mean.result(), mean),
        *(np.float32(0.5), np.array(0.5), np.array([0.5]), Scalar(), 0.5),
    ]
    assert epochs(*scalars) == [0.5] * len(scalars)
    assert epochs(True, 2, tf.constant(3)) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("value", [None, "0.5", [0.5], np.zeros(2), tf.zeros([2]), {"a": 1}], ids=repr)
def test_what_holds_no_single_number_is_refused_with_its_name(epochs, value):
    with pytest.raises(HpsearchError, match="must yield numbers by name, but yielded 'score'"):
        epochs(value)

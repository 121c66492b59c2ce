"""The engine `fit`: stock `model.fit`, for models that cannot be compiled here, and as the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hpsearch.errors import UserCodeError
from hpsearch.training.engine import Evaluation, Examples, Parts

_OURS = ("loss", "accuracy")


class _RateOfEachUpdate(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, rates: npt.NDArray[np.float32]) -> None:
        super().__init__()
        self._rates = rates

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.model.optimizer.learning_rate.assign(self._rates[batch])


class _OfLogits(keras.metrics.Metric):  # type: ignore[misc]
    """A metric of probabilities, given logits."""

    def __init__(self, name: str, metric: Any) -> None:
        super().__init__(name=name)
        self._metric = metric

    def update_state(self, targets: Any, logits: Any, sample_weight: Any = None) -> None:  # noqa: ARG002
        self._metric.update_state(targets, tf.nn.softmax(tf.cast(logits, tf.float32)))

    def result(self) -> Any:
        return self._metric.result()

    def reset_state(self) -> None:
        self._metric.reset_state()


class FitEngine:
    """An Engine that calls `model.fit` and `model.evaluate`, once for each epoch.

    Args:
        parts: the model, optimizer, loss and metrics.
        steps_per_execution: updates in each call of the compiled step; more than one is faster, but possible only if
            the learning rate is constant within an epoch.
    """

    converged = False

    def __init__(self, parts: Parts, steps_per_execution: int) -> None:
        self._parts = parts
        parts.model.compile(
            optimizer=parts.optimizer,
            loss=parts.loss,
            metrics=["accuracy", *(_OfLogits(name, metric) for name, metric in parts.metrics.items())],
            steps_per_execution=steps_per_execution,
            # Compiling for each trial costs more than it saves (tests/benchmarks/README.md).
            jit_compile=False,
        )
        # `fit` would write the averaged weights over the model's at the end of each call, which here is each epoch.
        parts.optimizer.finalize_variable_values = lambda *_: None

    def train(
        self, examples: Examples, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32], batch: int
    ) -> Evaluation:
        moves = bool(np.ptp(rates))
        self._parts.optimizer.learning_rate.assign(rates[0])
        callbacks = [_RateOfEachUpdate(rates)] if moves else []
        data = self._dataset(examples, order, batch, weighted=self._parts.weighted)
        seen = self._parts.model.fit(data, verbose=0, callbacks=callbacks).history
        return self._evaluation({name: values[0] for name, values in seen.items()})

    def evaluate(self, examples: Examples, indices: npt.NDArray[np.int64]) -> Evaluation:
        data = self._dataset(examples, indices, 1000, weighted=False)
        seen = self._parts.model.evaluate(data, verbose=0, return_dict=True)
        return self._evaluation(seen)

    def _evaluation(self, seen: Mapping[str, float]) -> Evaluation:
        if missing := [name for name in ("loss", "accuracy", *self._parts.metrics) if name not in seen]:
            raise UserCodeError(
                f"model.builder: what the model's own train_step and test_step return must include '{missing[0]}', "
                f"as `self.compute_metrics` does, but they return {', '.join(seen) or 'nothing'}"
            )
        # A user's model may have further metrics.
        return Evaluation(
            seen["loss"], seen["accuracy"], {name: value for name, value in seen.items() if name not in _OURS}
        )

    def _dataset(self, examples: Examples, indices: npt.NDArray[np.int64], batch: int, *, weighted: bool) -> Any:
        parts = self._parts

        def batch_at(some: Any) -> tuple[Any, ...]:
            images = parts.normalized(examples, tf.gather(examples.images, some))
            labels = parts.one_hot(tf.gather(examples.labels, some))
            return (images, labels, tf.gather(examples.weights, some)) if weighted else (images, labels)

        data = tf.data.Dataset.from_tensor_slices(indices).batch(batch)
        return data.map(batch_at, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

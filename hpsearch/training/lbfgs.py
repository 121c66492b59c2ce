"""L-BFGS over the flattened weights: SciPy's solver, one evaluation of loss and gradient an epoch.

SciPy calls the function that it minimizes, but a trainer calls the engine for the next epoch. So the solver runs in a
thread of its own, and waits there for the value at each point.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hpsearch.training.compiled import CompiledEngine, compiled_function
from hpsearch.training.engine import Evaluation, Examples, Parts

# The number of examples whose gradients are computed at a time, so that memory does not grow with the dataset.
CHUNK = 5000
# How long to wait for the end of the solver's thread.
_END_SECONDS = 5.0


class LbfgsEngine(CompiledEngine):
    """An Engine for SciPy's L-BFGS-B without bounds, on full batches.

    A call of `train` sets the model's weights to the solver's next point, and evaluates the loss and its gradient over
    all examples there. Batch size and learning rate have no effect: the line search (strong Wolfe conditions, More and
    Thuente 1994) chooses the step. Each point that it tries is an epoch.

    Args:
        parts: the model and its loss; its optimizer is not used.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts, xla=False, name="lbfgs")
        self._options: Mapping[str, float] = {}
        self._solver: _Solver | None = None
        order = tf.TensorSpec([None], tf.int32)
        self._loss_and_gradient = compiled_function(self._gradient_loop, self._signature, order)

    def restart(self, options: Mapping[str, float]) -> None:
        """Start again from the weights that the model has when `train` is called next.

        Args:
            options: SciPy's: maxcor, maxls, maxiter, ftol, gtol.
        """
        if self._solver:
            self._solver.close()
        self._solver, self._options, self.converged = None, options, False

    def train(
        self,
        examples: Examples,
        order: npt.NDArray[np.int64],
        rates: npt.NDArray[np.float32],  # noqa: ARG002
        batch: int,  # noqa: ARG002
    ) -> Evaluation:
        variables = self._parts.model.trainable_variables
        if self._solver is None:
            self._solver = _Solver(np.concatenate([v.numpy().ravel() for v in variables]), self._options)
        self._set_weights(self._solver.point)
        self._parts.forget_metrics()
        # Always in the same order, so that the same point gives the same bits.
        sums = self._loss_and_gradient(examples, tf.constant(np.sort(order), tf.int32))
        total, hits, gradient = float(sums[0]), float(sums[1]), sums[2].numpy().astype(np.float64)
        self._solver.evaluated(total / len(order), gradient / len(order))
        self.converged = self._solver.done
        return self._evaluation(total, hits, len(order))

    def _set_weights(self, point: npt.NDArray[np.float64]) -> None:
        start = 0
        for variable in self._parts.model.trainable_variables:
            end = start + int(np.prod(variable.shape))
            variable.assign(point[start:end].reshape(variable.shape).astype(np.float32))
            start = end

    def _gradient_loop(self, examples: Examples, order: Any) -> tuple[Any, Any, Any]:
        """Return (sum of losses, hits, gradient of the sum as one vector)."""
        variables = self._parts.model.trainable_variables

        def body(step: Any, total: Any, hits: Any, sums: list[Any]) -> tuple[Any, ...]:
            batch = self._gathered(examples, order[step * CHUNK : (step + 1) * CHUNK])
            count = tf.cast(tf.size(batch.labels), tf.float32)
            with tf.GradientTape() as tape:
                loss, batch_hits = self._loss_and_hits(batch, training=True)
            gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
            return (
                step + 1,
                total + count * loss,
                hits + batch_hits,
                [s + count * tf.convert_to_tensor(g) for s, g in zip(sums, gradients, strict=True)],
            )

        start = (tf.constant(0), tf.constant(0.0), tf.constant(0.0), [tf.zeros(v.shape) for v in variables])
        steps = -(-tf.size(order) // CHUNK)
        _, total, hits, sums = tf.while_loop(lambda step, *_: step < steps, body, start)
        return total, hits, tf.concat([tf.reshape(s, [-1]) for s in sums], 0)


class _Closed(Exception):
    """Ends the solver's thread; caught there."""


class _Solver:
    """`scipy.optimize.minimize(method="L-BFGS-B")`, run in a thread of its own.

    It asks for the function's value and gradient at `point`; `evaluated` supplies them.

    Attributes:
        point: the point to evaluate next, float64 [weights].
        done: whether the solver has ended; then there is no next point.
    """

    def __init__(self, start: npt.NDArray[np.float32], options: Mapping[str, float]) -> None:
        self._points: SimpleQueue[Any] = SimpleQueue()
        self._answers: SimpleQueue[tuple[float, Any] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(start.astype(np.float64), dict(options)), daemon=True)
        self._thread.start()
        self.done = False
        self._next()

    def evaluated(self, value: float, gradient: npt.NDArray[np.float64]) -> None:
        """Give the solver the function's value and gradient at `point`; then `point` is the next one, unless `done`."""
        self._answers.put((value, gradient))
        self._next()

    def close(self) -> None:
        if not self.done:
            self._answers.put(None)
            self._thread.join(_END_SECONDS)
            self.done = True

    def _next(self) -> None:
        found = self._points.get()
        if isinstance(found, BaseException):
            raise found
        self.done = found is None
        if found is not None:
            self.point: npt.NDArray[np.float64] = found

    def _run(self, start: npt.NDArray[np.float64], options: dict[str, Any]) -> None:
        try:
            from scipy.optimize import minimize

            # Each evaluation is an epoch, so the trainer's max_epochs limits their number.
            minimize(self._ask, start, jac=True, method="L-BFGS-B", options={**options, "maxfun": 10**9})
            self._points.put(None)
        except _Closed:
            return
        # Errors of every kind: `_next` waits for a point or an error.
        except BaseException as error:
            self._points.put(error)

    def _ask(self, point: npt.NDArray[np.float64]) -> tuple[float, Any]:
        self._points.put(point.copy())
        answer = self._answers.get()
        if answer is None:
            raise _Closed
        return answer

"""Proximal gradient descent as a Keras optimizer; Keras has none."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="hpsearch")
class ProximalGradientDescent(keras.optimizers.SGD):  # type: ignore[misc]
    """Minimizes f(w) + l1 sum |w| + (l2 / 2) sum w^2 over all trainable weights, where f is the model's loss.

    With prox = `_proximal`, momentum m, gradient g of f at w, and x the iterates (x = w unless `nesterov`):

        plain     w <- prox(w - lr g)              Parikh and Boyd 2014, doi:10.1561/2400000003, section 4.2
        momentum  w <- prox(w - lr g + m v);  v <- the change of w      Ochs et al. 2014, arXiv:1404.4805
        nesterov  x' <- prox(w - lr g);  w <- x' + m (x' - x)           Beck and Teboulle 2009, doi:10.1137/080716542

    The velocity is the change that the proximal step left, not a sum of gradients as in stock SGD: with the sum, the
    fixed points would be those of the penalty (1 - m) l1. Without penalties both are stock SGD.

    Args:
        learning_rate, momentum, nesterov: as of `keras.optimizers.SGD`.
        l1: >= 0; gives exact zeros.
        l2: >= 0; shrinks.
        **kwargs: what every Keras optimizer takes.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        l1: float = 0.0,
        l2: float = 0.0,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            momentum,
            nesterov,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            **kwargs,
        )
        self.l1, self.l2 = l1, l2

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        lr = ops.cast(learning_rate, variable.dtype)
        step = ops.subtract(variable, ops.multiply(lr, ops.cast(gradient, variable.dtype)))
        if self.momentum != 0:
            self._step_with_momentum(step, variable, lr)
        else:
            self.assign(variable, self._proximal(step, lr))

    def _step_with_momentum(self, step: Any, variable: Any, lr: Any) -> None:
        momentum = ops.cast(self.momentum, variable.dtype)
        kept = self.momentums[self._get_variable_index(variable)]
        if self.nesterov:
            # What is kept is x, not x' - x: the difference of two zeros is exactly zero. At the start x = w.
            before = ops.where(ops.equal(self.iterations, 0), variable, kept)
            after = self._proximal(step, lr)
            self.assign(kept, after)
            self.assign(variable, ops.add(after, ops.multiply(momentum, ops.subtract(after, before))))
        else:
            after = self._proximal(ops.add(step, ops.multiply(momentum, kept)), lr)
            self.assign(kept, ops.subtract(after, variable))
            self.assign(variable, after)

    def _proximal(self, v: Any, lr: Any) -> Any:
        """sign(v) max(|v| - lr l1, 0) / (1 + lr l2): Parikh and Boyd 2014, sections 6.5.2 and 6.5.3.

        Also the forward-backward splitting of Duchi and Singer 2009, JMLR 10, sections 5.1 and 5.2.
        """
        threshold, divisor = ops.multiply(lr, self.l1), 1.0 + ops.multiply(lr, self.l2)
        return ops.divide(ops.multiply(ops.sign(v), ops.maximum(ops.abs(v) - threshold, 0.0)), divisor)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "l1": self.l1, "l2": self.l2}

"""What a model gives when it is not trained: the one way in which hpsearch asks a model for its outputs."""

from __future__ import annotations

from typing import Any


def infer(model: Any, examples: Any) -> Any:
    """Return the model's outputs in inference mode.

    Nothing is dropped out or augmented, and batch normalization takes the statistics that it kept in training. Calling
    the model without `training=False` would leave augmentation on.
    """
    return model(examples, training=False)

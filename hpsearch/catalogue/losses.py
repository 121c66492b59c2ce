"""The losses, one row each. Every `build` returns a Keras loss over one-hot labels and logits."""

from __future__ import annotations

from typing import Any

from hpsearch.catalogue.rows import Entry, Knob, catalogue


def _categorical_crossentropy(*, label_smoothing: float) -> Any:
    import keras

    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)


LOSSES = catalogue(
    Entry(
        "categorical_crossentropy",
        "-sum_k y_k log softmax(z)_k, with y <- (1 - s) y + s / K for label_smoothing s",
        (
            Knob(
                "label_smoothing",
                float,
                0.0,
                "share of each label spread evenly over the classes",
                source="Szegedy et al. 2016, arXiv:1512.00567, section 7",
                ge=0,
                lt=1,
            ),
        ),
        "keras.losses.CategoricalCrossentropy",
        _categorical_crossentropy,
    ),
)

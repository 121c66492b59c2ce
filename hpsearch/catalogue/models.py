"""The model architectures, one row each. Adding one touches this file only.

Every `build(image_shape, classes, **knobs)` returns a Keras model from normalized images
float32 [batch, height, width] to logits float32 [batch, classes]. Weights come from Keras's seeded
random state, so set `keras.utils.set_random_seed` first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from hpsearch.catalogue.rows import Entry, Knob, catalogue

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu")


def _sizes(name: str, default: tuple[int, ...], doc: str) -> Knob:
    return Knob(name, tuple[int, ...], default, doc, ge=1, le=16384)


def _activation() -> Knob:
    return Knob("activation", Literal[ACTIVATIONS], "relu", "non-linearity of the hidden layers")


def _batch_normalization() -> Knob:
    return Knob(
        "batch_normalization",
        bool,
        False,
        "Dense(use_bias=False), then normalization, then activation (Ioffe and Szegedy 2015, arXiv:1502.03167)",
    )


def _dropout() -> Knob:
    return Knob("dropout", float, 0.0, "share of hidden units dropped in training", ge=0, lt=1)


def _penalty(name: str, formula: str) -> Knob:
    return Knob(name, float, 0.0, f"adds {name} times the sum of {formula} over all kernels to the loss", ge=0)


def _penalties() -> tuple[Knob, Knob]:
    return _penalty("l1", "|w|"), _penalty("l2", "w^2")


def _regularizer(keras: Any, l1: float, l2: float) -> Any:
    return keras.regularizers.L1L2(l1, l2) if l1 or l2 else None


def _hidden(
    keras: Any, x: Any, units: int, activation: str, batch_normalization: bool, dropout: float, l1: float, l2: float
) -> Any:
    x = keras.layers.Dense(units, use_bias=not batch_normalization, kernel_regularizer=_regularizer(keras, l1, l2))(x)
    if batch_normalization:
        x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation(activation)(x)
    return keras.layers.Dropout(dropout)(x) if dropout else x


def _logits(keras: Any, x: Any, classes: int, l1: float, l2: float) -> Any:
    # Its name is how an optimizer knows it (muon).
    return keras.layers.Dense(classes, kernel_regularizer=_regularizer(keras, l1, l2), name="logits")(x)


def _mlp(
    image_shape: tuple[int, int],
    classes: int,
    *,
    units: Sequence[int],
    activation: str,
    batch_normalization: bool,
    dropout: float,
    l1: float,
    l2: float,
) -> Any:
    import keras

    inputs = keras.Input(image_shape, dtype="float32")
    x = keras.layers.Flatten()(inputs)
    for width in units:
        x = _hidden(keras, x, width, activation, batch_normalization, dropout, l1, l2)
    return keras.Model(inputs, _logits(keras, x, classes, l1, l2), name="mlp")


def _pooled_away(knobs: Mapping[str, Any]) -> str | None:
    """Each pooling halves the image: 28, 14, 7, 3, 1, and then nothing is left."""
    most = 4
    if len(knobs["filters"]) <= most:
        return None
    return f"`filters` may have at most {most} entries (each halves the 28 x 28 image), but got {len(knobs['filters'])}"


def _cnn(
    image_shape: tuple[int, int],
    classes: int,
    *,
    filters: Sequence[int],
    kernel_size: int,
    units: Sequence[int],
    activation: str,
    batch_normalization: bool,
    dropout: float,
    l1: float,
    l2: float,
) -> Any:
    import keras

    inputs = keras.Input(image_shape, dtype="float32")
    x = keras.layers.Reshape((*image_shape, 1))(inputs)
    for channels in filters:
        x = keras.layers.Conv2D(
            channels,
            kernel_size,
            padding="same",
            use_bias=not batch_normalization,
            kernel_regularizer=_regularizer(keras, l1, l2),
        )(x)
        if batch_normalization:
            x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Activation(activation)(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Flatten()(x)
    for width in units:
        x = _hidden(keras, x, width, activation, batch_normalization, dropout, l1, l2)
    return keras.Model(inputs, _logits(keras, x, classes, l1, l2), name="cnn")


MODELS = catalogue(
    Entry(
        "mlp",
        "Flatten, Dense layers of `units`, logits",
        (
            _sizes("units", (256, 128), "width of each hidden layer; [] is a single-layer perceptron"),
            _activation(),
            _batch_normalization(),
            _dropout(),
            *_penalties(),
        ),
        "Rosenblatt 1962; Rumelhart et al. 1986, doi:10.1038/323533a0",
        _mlp,
    ),
    Entry(
        "cnn",
        "Conv2D and 2 x 2 max pooling for each of `filters`, Dense layers of `units`, logits",
        (
            _sizes("filters", (16, 32), "channels of each convolution; each halves the image"),
            Knob("kernel_size", int, 3, "side of the convolution kernels, in pixels", ge=1, le=28),
            _sizes("units", (64,), "width of each hidden layer after the convolutions"),
            _activation(),
            _batch_normalization(),
            _dropout(),
            *_penalties(),
        ),
        "LeCun et al. 1998, doi:10.1109/5.726791",
        _cnn,
        check=_pooled_away,
        # On a CPU its convolutions take minutes.
        xla=False,
    ),
)

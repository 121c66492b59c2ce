"""The model architectures, one row each. Adding one touches this file only.

Every `build(image_shape, classes, **knobs)` returns a Keras model from normalized examples float32
[batch, *image_shape] to logits float32 [batch, classes]. Images are [height, width] or [height, width, channels].
Weights come from Keras's seeded random state, so set `keras.utils.set_random_seed` first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from hpsearch.catalogue.rows import REQUIRED, Entry, Knob, Reference, catalogue

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu")
CELLS = {"simple_rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}


def _sizes(name: str, default: tuple[int, ...], doc: str) -> Knob:
    return Knob(name, tuple[int, ...], default, doc, ge=1, le=16384)


def _width(default: int, doc: str) -> Knob:
    return Knob("units", int, default, doc, ge=1, le=16384)


def _depth(default: int, doc: str) -> Knob:
    return Knob("layers", int, default, doc, ge=1, le=64)


def _activation(default: str = "relu", doc: str = "non-linearity of the hidden layers") -> Knob:
    return Knob("activation", Literal[ACTIVATIONS], default, doc)


def _batch_normalization() -> Knob:
    return Knob(
        "batch_normalization",
        bool,
        False,
        "Dense(use_bias=False), then normalization, then activation (Ioffe and Szegedy 2015, arXiv:1502.03167)",
    )


def _dropout() -> Knob:
    return Knob("dropout", float, 0.0, "share of hidden units dropped in training", ge=0, lt=1)


def _penalty(name: str, formula: str, kernels: str = "kernels") -> Knob:
    doc = f"adds {name} times the sum of {formula} over all {kernels} to the loss"
    return Knob(name, float, 0.0, doc, ge=0, penalty=True)


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
    image_shape: tuple[int, ...],
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


def _perceptron(image_shape: tuple[int, ...], classes: int, *, l1: float, l2: float) -> Any:
    import keras

    inputs = keras.Input(image_shape, dtype="float32")
    x = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, _logits(keras, x, classes, l1, l2), name="perceptron")


def _deep_mlp(image_shape: tuple[int, ...], classes: int, *, units: int, layers: int, **knobs: Any) -> Any:
    return _mlp(image_shape, classes, units=(units,) * layers, **knobs)


def _cnn_takes(shape: tuple[int, ...], knobs: Mapping[str, Any]) -> str | None:
    """Images with or without channels, large enough to be halved once for each of `filters`."""
    if len(shape) not in (2, 3):
        return (
            "`architecture` cnn takes images [height, width] or [height, width, channels], "
            f"but an example is {list(shape)}; mlp and perceptron take any shape"
        )
    height, width = shape[:2]
    # 28, 14, 7, 3, 1, and then nothing is left.
    most = min(height, width).bit_length() - 1
    if len(knobs["filters"]) <= most:
        return None
    return (
        f"`filters` may have at most {most} entries (each halves the {height} x {width} image; channels come last), "
        f"but got {len(knobs['filters'])}"
    )


def _rnn_takes(shape: tuple[int, ...], _knobs: Mapping[str, Any]) -> str | None:
    """A sequence: time steps, each of one or more values."""
    if len(shape) > 1:
        return None
    return (
        "`architecture` rnn takes images or sequences [time steps, values], "
        f"but an example is {list(shape)}; mlp and perceptron take any shape"
    )


def _cnn(
    image_shape: tuple[int, ...],
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
    x = inputs if len(image_shape) == 3 else keras.layers.Reshape((*image_shape, 1))(inputs)
    for channels in filters:
        x = keras.layers.Conv2D(
            channels,
            kernel_size,
            padding="same",
            # Keras's configuration file may say otherwise.
            data_format="channels_last",
            use_bias=not batch_normalization,
            kernel_regularizer=_regularizer(keras, l1, l2),
        )(x)
        if batch_normalization:
            x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Activation(activation)(x)
        x = keras.layers.MaxPooling2D(data_format="channels_last")(x)
    x = keras.layers.Flatten()(x)
    for width in units:
        x = _hidden(keras, x, width, activation, batch_normalization, dropout, l1, l2)
    return keras.Model(inputs, _logits(keras, x, classes, l1, l2), name="cnn")


def _rnn(
    image_shape: tuple[int, ...],
    classes: int,
    *,
    cell: str,
    units: int,
    layers: int,
    activation: str,
    dropout: float,
    l1: float,
    l2: float,
) -> Any:
    import keras

    inputs = x = keras.Input(image_shape, dtype="float32")
    if len(image_shape) > 2:
        # A time step is a row of pixels with all of their channels.
        x = keras.layers.Reshape((image_shape[0], math.prod(image_shape[1:])))(x)
    # One loop on every device: XLA cannot compile cuDNN's kernels.
    loop: dict[str, Any] = {} if cell == "simple_rnn" else {"use_cudnn": False}
    for layer in range(layers):
        x = getattr(keras.layers, CELLS[cell])(
            units,
            activation=activation,
            kernel_regularizer=_regularizer(keras, l1, l2),
            return_sequences=layer < layers - 1,
            **loop,
        )(x)
        x = keras.layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(inputs, _logits(keras, x, classes, l1, l2), name="rnn")


def _custom(image_shape: tuple[int, ...], classes: int, **knobs: Any) -> Any:
    from hpsearch.catalogue.custom_model import build

    return build(image_shape, classes, **knobs)


MODELS = catalogue(
    Entry(
        "perceptron",
        "Flatten, logits: a single layer",
        _penalties(),
        "Rosenblatt 1958, doi:10.1037/h0042519",
        _perceptron,
    ),
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
        "Rumelhart et al. 1986, doi:10.1038/323533a0",
        _mlp,
    ),
    Entry(
        "deep_mlp",
        "Flatten, `layers` Dense layers of `units` each, logits",
        (
            _width(256, "width of every hidden layer"),
            _depth(3, "number of hidden layers"),
            _activation(),
            _batch_normalization(),
            _dropout(),
            *_penalties(),
        ),
        "Ciresan et al. 2010, arXiv:1003.0358, doi:10.1162/NECO_a_00052",
        _deep_mlp,
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
        check_shape=_cnn_takes,
        # On a CPU its convolutions take minutes.
        xla=False,
    ),
    Entry(
        "rnn",
        "image rows, top to bottom, through `layers` recurrent layers of `units` each; logits from the last state",
        (
            Knob(
                "cell",
                Literal[tuple(CELLS)],
                "lstm",
                "simple_rnn: Elman 1990; gru: Cho et al. 2014; lstm: Hochreiter and Schmidhuber 1997",
            ),
            _width(64, "width of every recurrent layer"),
            _depth(1, "number of recurrent layers"),
            _activation("tanh", "non-linearity of the new state (of the candidate, where the cell has gates)"),
            _dropout(),
            _penalty("l1", "|w|", "kernels but the recurrent ones"),
            _penalty("l2", "w^2", "kernels but the recurrent ones"),
        ),
        "Elman 1990, doi:10.1207/s15516709cog1402_1; Cho et al. 2014, arXiv:1406.1078; "
        "Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735",
        _rnn,
        check_shape=_rnn_takes,
    ),
    Entry(
        "custom",
        "builder(image_shape, classes, **arguments): a person's own Keras model from images to logits",
        (
            Knob("builder", Reference, REQUIRED, "a person's own function as `module:name`"),
            Knob("arguments", dict[str, Any], {}, "further arguments of the builder by name; may be distributions"),
        ),
        "keras.Model",
        _custom,
        # What is in it decides whether XLA compiles it at all.
        auto_xla=False,
    ),
)

"""The model architectures, one entry each. Adding one touches this file only.

Every `build(image_shape, classes, **knobs)` returns a Keras model from normalized examples float32
[batch, *image_shape] to logits float32 [batch, classes]. Images are [height, width] or [height, width, channels];
their shape is that of the data. The layer of the logits is called `logits`; muon recognizes it by this name.
Weights come from Keras's seeded random state, so set `keras.utils.set_random_seed` first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from hpsearch.catalogue.entries import REQUIRED, Entry, Knob, Reference, by_name

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu")
CELLS = {"simple_rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}

# ------------------------------------------------------------------ shapes


def _cnn_takes(shape: tuple[int, ...], knobs: Mapping[str, Any]) -> str | None:
    """Return why the model cannot take images of this shape, or None.

    Each item of `filters` halves the image, and the kernel may be no larger than the image's longer side.
    """
    if len(shape) not in (2, 3):
        return (
            "`architecture` cnn takes images [height, width] or [height, width, channels], "
            f"but an example is {list(shape)}; mlp and perceptron take any shape"
        )
    height, width = shape[:2]
    # Halvings leave 14, 7, 3 and 1 of 28 pixels, and then nothing.
    most = min(height, width).bit_length() - 1
    if len(knobs["filters"]) > most:
        return (
            f"`filters` may have at most {most} entries (each halves the {height} x {width} image; channels come "
            f"last), but got {len(knobs['filters'])}"
        )
    if knobs["filters"] and knobs["kernel_size"] > max(height, width):
        return (
            f"`kernel_size` may be at most {max(height, width)}, the longer side of the {height} x {width} image, "
            f"but got {knobs['kernel_size']}"
        )
    return None


def _rnn_takes(shape: tuple[int, ...], _knobs: Mapping[str, Any]) -> str | None:
    """Return why the model cannot take examples of this shape, or None: it takes time steps of one or more values."""
    if len(shape) > 1:
        return None
    return (
        "`architecture` rnn takes images or sequences [time steps, values], "
        f"but an example is {list(shape)}; mlp and perceptron take any shape"
    )


# ------------------------------------------------------------------ built-in architectures


def _regularizer(l1: float, l2: float) -> Any:
    import keras

    return keras.regularizers.L1L2(l1, l2) if l1 or l2 else None


def _hidden(
    x: Any, units: Sequence[int], activation: str, batch_normalization: bool, dropout: float, l1: float, l2: float
) -> Any:
    """Apply hidden layers: Dense, normalization, activation, dropout for each of `units`."""
    from keras import layers

    for width in units:
        x = layers.Dense(width, use_bias=not batch_normalization, kernel_regularizer=_regularizer(l1, l2))(x)
        x = layers.BatchNormalization()(x) if batch_normalization else x
        x = layers.Activation(activation)(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    return x


def _model(name: str, inputs: Any, x: Any, classes: int, l1: float, l2: float) -> Any:
    """Return the model from `inputs` to the logits of `x`."""
    import keras

    logits = keras.layers.Dense(classes, kernel_regularizer=_regularizer(l1, l2), name="logits")(x)
    return keras.Model(inputs, logits, name=name)


def _perceptron(image_shape: tuple[int, ...], classes: int, *, l1: float, l2: float) -> Any:
    import keras

    inputs = keras.Input(image_shape, dtype="float32")
    return _model("perceptron", inputs, keras.layers.Flatten()(inputs), classes, l1, l2)


def _mlp(
    image_shape: tuple[int, ...], classes: int, *, units: Sequence[int], l1: float, l2: float, **knobs: Any
) -> Any:
    import keras

    inputs = keras.Input(image_shape, dtype="float32")
    x = _hidden(keras.layers.Flatten()(inputs), units, l1=l1, l2=l2, **knobs)
    return _model("mlp", inputs, x, classes, l1, l2)


def _deep_mlp(image_shape: tuple[int, ...], classes: int, *, units: int, layers: int, **knobs: Any) -> Any:
    return _mlp(image_shape, classes, units=(units,) * layers, **knobs)


def _cnn(
    image_shape: tuple[int, ...],
    classes: int,
    *,
    filters: Sequence[int],
    kernel_size: int,
    units: Sequence[int],
    activation: str,
    batch_normalization: bool,
    l1: float,
    l2: float,
    dropout: float,
) -> Any:
    import keras
    from keras import layers

    inputs = keras.Input(image_shape, dtype="float32")
    # Keras's configuration file may set another data format.
    order = {"data_format": "channels_last"}
    x = inputs if len(image_shape) == 3 else layers.Reshape((*image_shape, 1))(inputs)
    for channels in filters:
        x = layers.Conv2D(
            channels,
            kernel_size,
            padding="same",
            use_bias=not batch_normalization,
            kernel_regularizer=_regularizer(l1, l2),
            **order,
        )(x)
        x = layers.BatchNormalization()(x) if batch_normalization else x
        x = layers.Activation(activation)(x)
        x = layers.MaxPooling2D(**order)(x)
    x = _hidden(layers.Flatten()(x), units, activation, batch_normalization, dropout, l1, l2)
    return _model("cnn", inputs, x, classes, l1, l2)


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
            kernel_regularizer=_regularizer(l1, l2),
            return_sequences=layer < layers - 1,
            **loop,
        )(x)
        x = keras.layers.Dropout(dropout)(x) if dropout else x
    return _model("rnn", inputs, x, classes, l1, l2)


def _custom(
    image_shape: tuple[int, ...], classes: int, *, builder: Callable[..., Any], arguments: Mapping[str, Any]
) -> Any:
    # `hpsearch.training.user_model` checks the model.
    return builder(image_shape, classes, **arguments)


# ------------------------------------------------------------------ entries


def _activation(default: str = "relu", doc: str = "non-linearity of the hidden layers") -> Knob:
    return Knob("activation", Literal[ACTIVATIONS], default, doc)


def _penalty(name: str, term: str, kernels: str = "kernels") -> Knob:
    doc = f"adds {name} times the sum of {term} over all {kernels} to the loss"
    return Knob(name, float, 0.0, doc, ge=0, penalty=True)


_BATCH_NORMALIZATION = Knob(
    "batch_normalization",
    bool,
    False,
    "Dense(use_bias=False), then normalization, then activation (Ioffe and Szegedy 2015, arXiv:1502.03167)",
)
_DROPOUT = Knob("dropout", float, 0.0, "share of hidden units dropped in training", ge=0, lt=1)
_PENALTIES = (_penalty("l1", "|w|"), _penalty("l2", "w^2"))

MODELS = by_name(
    Entry(
        "perceptron",
        "Flatten, logits: a single layer",
        _PENALTIES,
        "Rosenblatt 1958, doi:10.1037/h0042519",
        _perceptron,
    ),
    Entry(
        "mlp",
        "Flatten, Dense layers of `units`, logits",
        (
            Knob("units", tuple[int, ...], (256, 128), "width of each hidden layer; []: a perceptron", ge=1, le=16384),
            _activation(),
            _BATCH_NORMALIZATION,
            _DROPOUT,
            *_PENALTIES,
        ),
        "Rumelhart et al. 1986, doi:10.1038/323533a0",
        _mlp,
    ),
    Entry(
        "deep_mlp",
        "Flatten, `layers` Dense layers of `units` each, logits",
        (
            Knob("units", int, 256, "width of every hidden layer", ge=1, le=16384),
            Knob("layers", int, 3, "number of hidden layers", ge=1, le=64),
            _activation(),
            _BATCH_NORMALIZATION,
            _DROPOUT,
            *_PENALTIES,
        ),
        "Ciresan et al. 2010, arXiv:1003.0358, doi:10.1162/NECO_a_00052",
        _deep_mlp,
    ),
    Entry(
        "cnn",
        "Conv2D and 2 x 2 max pooling for each of `filters`, Dense layers of `units`, logits",
        (
            Knob(
                "filters",
                tuple[int, ...],
                (16, 32),
                "channels of each convolution; each halves the image",
                ge=1,
                le=16384,
            ),
            Knob("kernel_size", int, 3, "side of the convolution kernels, in pixels", ge=1, le=16384),
            Knob("units", tuple[int, ...], (64,), "width of each hidden layer after them", ge=1, le=16384),
            _activation(),
            _BATCH_NORMALIZATION,
            _DROPOUT,
            *_PENALTIES,
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
            Knob("units", int, 64, "width of every recurrent layer", ge=1, le=16384),
            Knob("layers", int, 1, "number of recurrent layers", ge=1, le=64),
            _activation("tanh", "non-linearity of the new state (of the candidate, where the cell has gates)"),
            _DROPOUT,
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
        "builder(image_shape, classes, **arguments): a user's own Keras model from images to logits",
        (
            Knob("builder", Reference, REQUIRED, "a user's own function as `module:name`"),
            Knob("arguments", dict[str, Any], {}, "further arguments of the builder by name; may be distributions"),
        ),
        "keras.Model",
        _custom,
        # Whether XLA compiles it at all depends on its layers.
        auto_xla=False,
    ),
)

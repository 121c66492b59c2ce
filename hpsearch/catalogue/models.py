"""The model architectures, one entry each. Adding one touches this file only.

Every `build(image_shape, classes, **knobs)` returns a Keras model from normalized examples float32
[batch, *image_shape] to logits float32 [batch, classes]. Images are [height, width] or [height, width, channels];
their shape is that of the data. The layer of the logits is called `logits`, by which an optimizer knows it (muon).
Weights come from Keras's seeded random state, so set `keras.utils.set_random_seed` first.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from hpsearch.catalogue.entries import REQUIRED, Entry, Knob, Reference, by_name
from hpsearch.errors import UserCodeError, first_line

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu")
CELLS = {"simple_rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}

# ------------------------------------------------------------------ shapes


def _cnn_takes(shape: tuple[int, ...], knobs: Mapping[str, Any]) -> str | None:
    """Images with or without channels, large enough for the kernel and for one halving per item of `filters`."""
    if len(shape) not in (2, 3):
        return (
            "`architecture` cnn takes images [height, width] or [height, width, channels], "
            f"but an example is {list(shape)}; mlp and perceptron take any shape"
        )
    height, width = shape[:2]
    # Of 28 pixels a halving leaves 14, 7, 3, 1 and then nothing.
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
    """A sequence: time steps, each of one or more values."""
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
    # Keras's configuration file may have another data format.
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


# ------------------------------------------------------------------ a user's own model

# Methods of keras.Model that decide how a model is trained and evaluated; only `model.fit` calls them.
_TRAINING_METHODS = (
    *("fit", "evaluate", "train_step", "test_step", "compute_loss", "compute_metrics"),
    *("make_train_function", "make_test_function"),
)
# Methods that decide what a model predicts. A model that is exported no longer has them.
_PREDICTING_METHODS = ("predict", "predict_step", "make_predict_function")

# The number of random examples whose outputs are checked, and how far float16 may take a sum of probabilities from 1.
_EXAMPLES, _TOLERANCE = 8, 5e-3
# Builders whose outputs were checked, by identity and arguments: with the same ones they return the same kind of model.
_checked: dict[tuple[int, str], Any] = {}


def _custom(
    image_shape: tuple[int, ...], classes: int, *, builder: Callable[..., Any], arguments: Mapping[str, Any]
) -> Any:
    """Return the model of a user's builder, wrapped where its input has another shape (with a channel, for instance).

    A dtype policy that the builder sets holds for its own model and not for those that are built afterwards.

    Raises:
        UserCodeError: it is no model from images to logits, or has something that a training here would ignore.
    """
    import keras

    before = keras.config.dtype_policy()
    try:
        model = _wrapped(builder(image_shape, classes, **arguments), image_shape, classes)
    finally:
        keras.config.set_dtype_policy(before)
    # A function that is named as `module:name` comes wrapped.
    function = inspect.unwrap(builder)
    key = (id(function), json.dumps([image_shape, classes, arguments], default=repr))
    if key not in _checked:
        if problem := _no_logits(model, image_shape):
            raise UserCodeError(f"{_expected(image_shape, classes)}, but {problem}, the losses apply a softmax")
        _checked[key] = function
    return model


def overridden_methods(model: Any) -> list[str]:
    """Return the methods with which a model decides itself how it is trained and evaluated."""
    return [name for name in _TRAINING_METHODS if _is_own(model, name)]


def _is_own(model: Any, name: str) -> bool:
    import keras

    return name in vars(model) or getattr(type(model), name) is not getattr(keras.Model, name)


def _expected(image_shape: tuple[int, ...], classes: int) -> str:
    return f"model.builder must return a Keras model from images {[None, *image_shape]} to logits {[None, classes]}"


def _wrapped(model: Any, image_shape: tuple[int, ...], classes: int) -> Any:
    """Return the model, or one around it that takes images of this shape."""
    import keras

    expected = _expected(image_shape, classes)
    if not isinstance(model, keras.Model):
        raise UserCodeError(f"{expected}, but it returned {type(model).__name__}")
    if model.compiled:
        raise UserCodeError(
            f"{expected}, but it is compiled: leave `compile` out; the study's `optimizer`, `loss` and "
            "`training.metrics` take its place"
        )
    if own := [name for name in _PREDICTING_METHODS if _is_own(model, name)]:
        raise UserCodeError(
            f"{expected}, but it has a {own[0]} of its own, which exports would lose: put it into `call`"
        )
    inputs = keras.Input(image_shape, dtype="float32")
    try:
        outputs = model(inputs)
    except Exception as error:
        raise UserCodeError(f"{expected}, but it cannot take them: {first_line(error)}") from error
    if tuple(getattr(outputs, "shape", ())) != (None, classes):
        raise UserCodeError(f"{expected}, but its output is {getattr(outputs, 'shape', outputs)}")
    own = overridden_methods(model)
    # A subclass of keras.Model has no shape of its own: it took the images.
    if getattr(model, "input_shape", None if not own else (None, *image_shape)) == (None, *image_shape):
        return model
    if own:
        raise UserCodeError(
            f"{expected}, but it takes {list(model.input_shape)} and has a {own[0]} of its own, which a model around "
            "it would lose: let its input be that of the images"
        )
    return keras.Model(inputs, outputs, name="custom")


def _no_logits(model: Any, image_shape: tuple[int, ...]) -> str | None:
    """Return why the outputs of a model are no logits, and what to do, or None.

    The values decide, since a softmax may be anywhere in the model: outputs that are probabilities, or lie between 0
    and 1, for every example and with other weights, too, are no logits. With its initial weights alone, logits may
    lie between 0 and 1 as well, for example where all are zero.
    """
    import numpy as np

    found = [values for values in _outputs(model, image_shape) if np.isfinite(values).all()]
    if len(found) < 2 or found[0].shape[1] < 2:
        return None
    every = np.concatenate(found)
    if every.min() < -_TOLERANCE or every.max() > 1 + _TOLERANCE:
        return None
    if np.abs(every.sum(axis=1) - 1).max() < _TOLERANCE:
        return "it gives probabilities, as where its last layer is a softmax: leave that out"
    # A dead ReLU gives nothing but zeros.
    if min(np.ptp(values) for values in found[1:]) > 0:
        return "its outputs lie between 0 and 1, as where its last layer is a sigmoid: leave that out"
    return None


def _outputs(model: Any, image_shape: tuple[int, ...]) -> Iterator[npt.NDArray[np.float32]]:
    """Yield a model's outputs for a few random examples in inference, with its weights and with other ones.

    The model has its own weights again afterwards.
    """
    import keras
    import numpy as np

    draw = np.random.default_rng(0)
    pixels = draw.random((_EXAMPLES, *image_shape), np.float32)
    features = draw.normal(scale=3, size=(_EXAMPLES, *image_shape)).astype(np.float32)
    examples = np.concatenate([pixels, features])
    kept = [(variable, variable.numpy()) for variable in model.variables]
    try:
        for scale in (0.0, 1.0, 5.0):
            for variable in model.trainable_variables if scale else ():
                # The scale that keeps the size of a layer's inputs.
                size = scale / max(1, int(np.prod(variable.shape[:-1]))) ** 0.5
                variable.assign_add(draw.normal(scale=size, size=variable.shape))
            try:
                found = model(examples, training=False)
            except Exception:
                # It may take batches of another size only. If it takes none at all, the training says why.
                return
            yield np.asarray(keras.ops.convert_to_numpy(found), np.float32)
    finally:
        for variable, value in kept:
            variable.assign(value)


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

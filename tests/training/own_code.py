"""What a person may bring along: schedules, builders of models, losses. Named as `training.own_code:name`."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


def schedule(epoch, lr):
    """The first epoch at the optimizer's rate; each later one at two fifths of the one before."""
    return lr if epoch == 0 else lr * 0.4


def two_branches(image_shape, classes, width=8, activations=("relu", "tanh")):
    """Two layers side by side over an image with a channel, batch normalization, a penalty of its own."""
    inputs = keras.Input((*image_shape, 1))
    flat, penalty = layers.Flatten()(inputs), keras.regularizers.L2(1e-4)
    branches = [layers.Dense(width, activation=name, kernel_regularizer=penalty)(flat) for name in activations]
    both = layers.BatchNormalization()(layers.Concatenate()(branches))
    return keras.Model(inputs, layers.Dense(classes)(both))


def sequential(image_shape, classes):
    """Without an input: it is built when it is first called."""
    return keras.Sequential([layers.Flatten(), layers.Dense(4, activation="relu"), layers.Dense(classes)])


def colours():
    """Noise of 16 x 16 pixels in three colours; the brightest colour is the class."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, 300)
    images = draw.integers(0, 60, (300, 16, 16, 3)).astype(np.uint8)
    images += (80 * np.eye(3, dtype=np.uint8)[labels])[:, None, None]
    return (images, labels), (images[:50], labels[:50])


def far_away():
    """Features with a mean that float32 cannot tell from its neighbours, tiny ones, and one that never varies."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, 400)
    spread = draw.normal(scale=0.3, size=(400, 4)) + np.eye(3, 4)[labels]
    examples = spread * [1, 1e-3, 1e-12, 0] + [1e8, 1e6, 3e-9, 0.1]
    return (examples, labels), (examples[:50], labels[:50])


def features():
    """Examples without rows or columns."""
    draw = np.random.default_rng(0)
    return ((draw.integers(0, 255, (60, 5)).astype(np.uint8), np.arange(60) % 3),)


def augmented(image_shape, classes):
    """Layers that do one thing in training and another one in inference."""
    return keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Reshape((*image_shape, 1)),
            layers.RandomTranslation(0.3, 0.3),
            layers.RandomFlip(),
            layers.GaussianNoise(0.3),
            layers.Flatten(),
            layers.Dense(24, activation="relu"),
            layers.BatchNormalization(momentum=0.8),
            layers.Dropout(0.3),
            layers.Dense(classes),
        ]
    )


def squared_hinge(labels, logits):
    """[batch]"""
    return ops.mean(ops.square(ops.maximum(1 - (2 * labels - 1) * logits, 0)), axis=-1)


def mean_of_squared_hinge(labels, logits):
    """A scalar."""
    return ops.mean(squared_hinge(labels, logits))


def _flat(image_shape, *last):
    return keras.Sequential([keras.Input(image_shape), layers.Flatten(), *last])


def with_softmax(image_shape, classes):
    inputs = keras.Input(image_shape)
    return keras.Model(inputs, layers.Dense(classes, "softmax")(layers.Flatten()(inputs)))


def with_softmax_layer(image_shape, classes):
    return _flat(image_shape, layers.Dense(classes), layers.Softmax())


def with_softmax_operation(image_shape, classes):
    inputs = keras.Input(image_shape)
    return keras.Model(inputs, ops.softmax(layers.Dense(classes)(layers.Flatten()(inputs))))


def with_nested_softmax(image_shape, classes):
    inputs = keras.Input(image_shape)
    return keras.Model(inputs, layers.Activation("linear")(with_softmax(image_shape, classes)(inputs)))


class Probabilities(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.scores = layers.Dense(classes, kernel_initializer="zeros")

    def call(self, inputs):
        return ops.softmax(self.scores(ops.reshape(inputs, (-1, 784))))


def subclass_with_softmax(image_shape, classes):
    return Probabilities(classes)


def with_sigmoid(image_shape, classes):
    return _flat(image_shape, layers.Dense(classes, "sigmoid"))


def of_zeros(image_shape, classes):
    return _flat(image_shape, layers.Dense(classes, kernel_initializer="zeros"))


def of_equal_shares(image_shape, classes):
    """Before it is trained it gives 1 / classes for each class."""
    share = keras.initializers.Constant(1 / classes)
    return _flat(image_shape, layers.Dense(classes, kernel_initializer="zeros", bias_initializer=share))


def of_log_probabilities(image_shape, classes):
    return _flat(image_shape, layers.Dense(classes), layers.Activation("log_softmax"))


def of_rectified_logits(image_shape, classes):
    return _flat(image_shape, layers.Dense(classes, "relu"))


def compiled(image_shape, classes):
    model = of_zeros(image_shape, classes)
    model.compile("sgd", "mse")
    return model


class OwnStep(keras.Model):
    """Ascends where others descend."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            scores = self(x, training=True)
            loss = -self.compute_loss(x, y, scores)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return self.compute_metrics(x, y, scores)


def with_own_step(image_shape, classes):
    inputs = keras.Input(image_shape)
    return OwnStep(inputs, layers.Dense(classes)(layers.Flatten()(inputs)))


def with_own_step_and_channel(image_shape, classes):
    inputs = keras.Input((*image_shape, 1))
    return OwnStep(inputs, layers.Dense(classes)(layers.Flatten()(inputs)))


class OwnPrediction(keras.Model):
    def predict_step(self, data):
        return self(data, training=False) + 1


def with_own_prediction(image_shape, classes):
    inputs = keras.Input(image_shape)
    return OwnPrediction(inputs, layers.Dense(classes)(layers.Flatten()(inputs)))


class Sized(layers.Layer):
    """Adds the size of its inputs to the loss, and keeps a metric of it."""

    def __init__(self, metric=False):
        super().__init__()
        self.size = keras.metrics.Mean(name="size") if metric else None

    def call(self, inputs):
        size = ops.mean(ops.square(inputs))
        self.add_loss(0.1 * size)
        if self.size is not None:
            self.size.update_state(size)
        return inputs


def with_side_loss(image_shape, classes):
    return _flat(image_shape, layers.Dense(8), Sized(), layers.Dense(classes))


def with_own_metric(image_shape, classes):
    return _flat(image_shape, layers.Dense(8), Sized(metric=True), layers.Dense(classes))


def half(image_shape, classes):
    """Sets the policy for the whole process, as many scripts do."""
    keras.mixed_precision.set_global_policy("mixed_float16")
    return _flat(image_shape, layers.Dense(16, "relu"), layers.Dense(classes))


def one_class_too_few(image_shape, classes):
    return sequential(image_shape, classes - 1)


def of_other_images(image_shape, classes):
    inputs = keras.Input((7, 7))
    return keras.Model(inputs, layers.Dense(classes)(layers.Flatten()(inputs)))


class Broken(layers.Layer):
    """Raises where it computes; it can be built."""

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, inputs):
        raise RuntimeError("no such thing")


class InFives(layers.Layer):
    """Raises when a graph runs where the values of a batch are not a multiple of five."""

    def call(self, inputs):
        fives = ops.reshape(inputs, (-1, 5 + 0 * ops.shape(inputs)[0]))
        return inputs + 0 * ops.sum(fives)


def with_a_broken_layer(image_shape, classes):
    return keras.Sequential([layers.Flatten(), Broken(), layers.Dense(classes)])


def in_fives(image_shape, classes):
    return keras.Sequential([InFives(), layers.Flatten(), layers.Dense(classes)])


def no_model(image_shape, classes):
    return layers.Dense(classes)


def of_each_class(labels, logits):
    """[batch, classes]: a loss may not be that."""
    return ops.square(labels - logits)


def out_of_order(*arguments):
    raise RuntimeError("out of order\nand more of it")


number = 3

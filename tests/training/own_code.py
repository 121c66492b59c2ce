"""What a person may bring along: schedules, builders of models, losses. Named as `training.own_code:name`."""

import keras
import numpy as np
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


def with_softmax(image_shape, classes):
    inputs = keras.Input(image_shape)
    return keras.Model(inputs, layers.Dense(classes, "softmax")(layers.Flatten()(inputs)))


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

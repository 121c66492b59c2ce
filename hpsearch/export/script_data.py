"""The parts of an exported script that load the examples, hold some out and normalize them, as plain text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.config.trial import DataConfig
from hpsearch.data.store import cache_folder
from hpsearch.training.examples import TrainingData

_FROM_CACHE = """
# Images uint8 [n, 28, 28] and labels uint8 [n]: from the folder where hpsearch keeps them, else as Keras loads them.
folder = Path("{folder}").expanduser()
if folder.is_dir():
    images, labels = np.load(folder / "train_images.npy"), np.load(folder / "train_labels.npy")
else:
    (images, labels), _ = keras.datasets.{name}.load_data()
"""
_FROM_CACHE_ALONE = """
# Images uint8 [n, 28, 28] and labels uint8 [n], from the folder where hpsearch keeps them.
folder = Path("{folder}").expanduser()
images, labels = np.load(folder / "train_images.npy"), np.load(folder / "train_labels.npy")
"""
_FROM_NPZ = """
# Your own examples and labels.
with np.load("{name}") as arrays:
    images, labels = arrays["x_train"], arrays["y_train"].ravel()
"""
_FROM_FUNCTION = """
# Your own examples and labels.
(images, labels), *_ = {name}()
images, labels = np.asarray(images), np.ravel(labels)
"""

_EVEN_SPLIT = """
# Held out for validation are the same {held_out:,} examples as in the study, {each:,} of each class.
rng = np.random.RandomState({seed})
of_class = [rng.permutation(np.flatnonzero(labels == label)) for label in range({classes})]
held_out = np.sort(np.concatenate([some[-{each}:] for some in of_class]))
"""
_SPLIT = '''
# Held out for validation are the same {held_out:,} examples as in the study, of each class its share: this is what
# scikit-learn's train_test_split(stratify=labels, random_state={seed}) draws.
rng = np.random.RandomState({seed})


def shares(sizes, n):
    """n divided among classes of these sizes; what is left over goes to the largest remainders, ties by lot."""
    exact = sizes / sizes.sum() * n
    counts = np.floor(exact)
    left, remainders = int(n - counts.sum()), exact - counts
    for remainder in np.unique(remainders)[::-1] if left else []:
        tied = np.flatnonzero(remainders == remainder)
        drawn = rng.choice(tied, size=min(len(tied), left), replace=False)
        counts[drawn] += 1
        left -= len(drawn)
        if not left:
            break
    return counts.astype(int)


classes, sizes = np.unique(labels, return_counts=True)
kept = shares(sizes, len(labels) - {held_out})
taken = shares(sizes - kept, {held_out})
of_class = [rng.permutation(np.flatnonzero(labels == label)) for label in classes]
held_out = np.sort(np.concatenate([some[k : k + t] for some, k, t in zip(of_class, kept, taken)]))
'''
_REST = """training = np.setdiff1d(np.arange(len(labels)), held_out)
"""
_SHARE = """
# {count:,} of the others are trained on: the classes take turns in proportion.
shuffled = np.random.default_rng({seed}).permutation(training)
turn = np.empty(len(shuffled))
for label in np.unique(labels[training]):
    members = np.flatnonzero(labels[shuffled] == label)
    turn[members] = (np.arange(len(members)) + 0.5) / len(members)
training = np.sort(shuffled[np.argsort(turn, kind="stable")[:{count}]])
"""

_RESCALE = """
images = images.astype("float32") / 255
"""
_STANDARDIZE = """
# To mean 0 and deviation 1 over all pixels that are trained on.
mean, deviation = images[training].mean(), images[training].std(dtype="float32")
images = (images.astype("float32") - mean) / deviation
"""
_STANDARDIZE_FLOATS = """
# Each feature to mean 0 and deviation 1 over the examples that are trained on.
images = images.astype("float64")
mean, deviation = images[training].mean(axis=0), images[training].std(axis=0)
varies = (np.ptp(images[training], axis=0) > 0) & (deviation > 0)
images = ((images - mean) / np.where(varies, deviation, 1)).astype("float32")
"""
_AS_THEY_ARE = """
images = images.astype("float32")
"""
_TARGETS = """targets = keras.utils.to_categorical(labels, {classes})
"""


def loading(config: DataConfig) -> str:
    """Defines `images` and `labels`."""
    name = config.dataset
    if name in DATASETS:
        row = DATASETS[name]
        return (_FROM_CACHE if row.keras_folder else _FROM_CACHE_ALONE).format(folder=_folder(name), name=name)
    return _FROM_NPZ.format(name=name) if name.endswith(".npz") else _FROM_FUNCTION.format(name=name.partition(":")[2])


def splitting(config: DataConfig, data: TrainingData) -> str:
    """Defines `held_out` and `training`, the positions of the examples that are held out and of those trained on."""
    labels = data.examples.labels.numpy()
    n, sizes = len(data.validation), np.bincount(labels, minlength=data.classes)
    given = {"held_out": n, "seed": config.split_seed, "classes": data.classes}
    if len(set(sizes.tolist())) == 1 and n % data.classes == 0:
        text = _EVEN_SPLIT.format(each=n // data.classes, **given)
    else:
        text = _SPLIT.format(**given)
    left = len(labels) - n
    count = len(data.training)
    return text + _REST + (_SHARE.format(count=count, seed=config.split_seed) if count < left else "")


def normalizing(config: DataConfig, data: TrainingData) -> str:
    """Normalizes `images` and defines the one-hot `targets`."""
    dtype = data.examples.images.dtype.name
    pixels = dtype == "uint8"
    texts: dict[Any, str] = {
        "rescale": _RESCALE,
        "standardize": _STANDARDIZE if pixels else _STANDARDIZE_FLOATS,
        "none": _AS_THEY_ARE,
    }
    return texts[config.normalization_of(dtype)] + _TARGETS.format(classes=data.classes)


def _folder(name: str) -> str:
    """Return the cache's folder of a dataset, under `~` where it is in the home folder."""
    folder = cache_folder() / "datasets" / name
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)

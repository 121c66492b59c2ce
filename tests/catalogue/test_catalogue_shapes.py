"""Images of any size and number of channels: each model trains on them, or is refused for its real reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from support import hpsearch, result_of

from hpsearch.catalogue.models import MODELS

CLASSES = 3
COLOUR, GREY_64, GREY_8 = (32, 32, 3), (64, 64), (8, 8)
# Shape of an example, architecture, knobs.
TRAINED: list[tuple[tuple[int, ...], str, dict[str, Any]]] = [
    (COLOUR, "cnn", {"filters": [4, 8], "units": [8]}),
    (GREY_64, "mlp", {"units": [8]}),
    (GREY_64, "rnn", {"units": 4}),
    (GREY_8, "mlp", {"units": [8]}),
    (GREY_8, "rnn", {"units": 4}),
    (GREY_8, "cnn", {"filters": [2, 2, 2], "kernel_size": 8, "units": []}),
    (COLOUR, "deep_mlp", {"units": 4}),
    ((8, 8, 1), "cnn", {"filters": [2], "units": []}),
]


def examples(count: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [count, *shape] whose upper half is the brighter the larger the class, and labels [count]."""
    draw = np.random.default_rng(0)
    labels = np.arange(count) % CLASSES
    images = draw.integers(0, 60, (count, *shape))
    images[:, : shape[0] // 2] += 90 * labels.reshape(-1, *[1] * len(shape))
    return images.astype(np.uint8), labels


@pytest.mark.e2e
def test_each_architecture_learns_from_images_of_each_size_and_number_of_channels():
    for shape, architecture, knobs in TRAINED:
        keras.utils.set_random_seed(0)
        images, labels = examples(60, shape)
        entry = MODELS[architecture]
        given = entry.defaults() | knobs
        assert entry.check_shape is None or entry.check_shape(shape, given) is None
        model = entry.build(shape, CLASSES, **given)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        losses = model.fit(images / 255, labels, batch_size=20, epochs=3, verbose=0).history["loss"]
        assert losses[-1] < losses[0], (shape, architecture)


def test_a_network_that_an_image_is_too_small_for_is_refused_by_its_real_size():
    for shape, knobs, reason in [
        (GREY_8, {"filters": (1,) * 4}, "`filters` may have at most 3 entries (each halves the 8 x 8 image"),
        ((8, 64), {"filters": (1,) * 4}, "`filters` may have at most 3 entries (each halves the 8 x 64 image"),
        (GREY_64, {"filters": (1,) * 7}, "at most 6"),
        ((64, 65, 3), {"filters": (1,) * 7}, "at most 6"),
        (GREY_8, {"kernel_size": 9}, "`kernel_size` may be at most 8, the longer side of the 8 x 8 image, but got 9"),
        (COLOUR, {"kernel_size": 33}, "`kernel_size` may be at most 32"),
        ((7,), {}, "but an example is [7]"),
    ]:
        problem = MODELS["cnn"].check_shape(shape, MODELS["cnn"].defaults() | knobs)
        assert reason in str(problem), (shape, knobs)
    assert MODELS["cnn"].check_shape((64, 65, 3), MODELS["cnn"].defaults() | {"filters": (1,) * 6}) is None
    with pytest.raises(ValueError, match=r"negative|smaller|must be"):
        MODELS["cnn"].build((28, 28), CLASSES, **MODELS["cnn"].defaults() | {"filters": [1] * 5})


def write_study(folder: Path, shape: tuple[int, ...], models: Sequence[dict[str, Any]]) -> Path:
    """Write a dataset `images.npz` and a grid over the models, one trial each."""
    (x_train, y_train), (x_test, y_test) = examples(90, shape), examples(30, shape)
    np.savez(folder / "images.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    study = folder / "shapes.yaml"
    study.write_text(
        f"""
trial:
  data: {{dataset: images.npz, validation: 30}}
  model: {{choice: {list(models)}}}
  optimizer: {{name: adam, learning_rate: 0.01}}
  batch_size: 20
  training: {{max_epochs: 2}}
search: {{sampler: grid}}
"""
    )
    return study


def test_a_study_is_refused_before_any_trial_with_its_line_and_the_size_of_the_images(tmp_path):
    study = write_study(tmp_path, GREY_8, [{"architecture": "mlp"}, {"architecture": "cnn", "filters": [4, 4, 4, 4]}])
    done = hpsearch("validate", study, home=tmp_path / "home", cwd=tmp_path)
    assert done.returncode == 2
    assert "shapes.yaml:4: trial.model.choice[1].filters: " in done.stderr
    assert "at most 3 entries (each halves the 8 x 8 image" in done.stderr


@pytest.mark.e2e
@pytest.mark.parametrize("shape", [COLOUR, GREY_64, GREY_8], ids=str)
def test_a_study_over_images_of_any_shape_trains(shape, tmp_path):
    models = [{"architecture": name, **knobs} for size, name, knobs in TRAINED if size == shape]
    study = write_study(tmp_path, shape, models)
    done = result_of(hpsearch("run", study, "-f", "json", home=tmp_path / "home", cwd=tmp_path))
    assert done["trials"]["complete"] == len(models)
    assert 0 <= done["best"]["value"] <= 1

"""A user's own dataset: what is taken, what is refused; and shares of a dataset."""

from __future__ import annotations

import numpy as np
import pytest
from support import hpsearch, result_of

from hpsearch.config.file import Objective
from hpsearch.config.trial import DataConfig, TrialConfig
from hpsearch.data.arrays import load_train
from hpsearch.data.store import obtain
from hpsearch.data.user_data import load_npz, load_returned
from hpsearch.errors import DataError
from hpsearch.training.examples import TrainingData, fit_normalization, share_of
from hpsearch.training.trainer import Trainer

RNG = np.random.default_rng(0)
X, Y = RNG.normal(3.0, 2.0, size=(60, 5)), np.arange(60) % 3


def save(path, **arrays):
    np.savez(path, **({"x_train": X, "y_train": Y, "x_test": X[:9], "y_test": Y[:9]} | arrays))
    return path.name


def test_an_npz_file_is_found_beside_the_study_and_keeps_uint8(tmp_path):
    name = save(tmp_path / "own.npz", x_train=np.full((60, 4, 4), 7, np.uint8))
    arrays = load_npz(name, "train", [tmp_path / "elsewhere", tmp_path])
    assert arrays.images.dtype == np.uint8
    for kind, kept in (("f8", "f8"), ("f4", "f4"), ("f2", "f4"), ("i2", "f4"), ("i8", "f8")):
        floats = save(tmp_path / f"{kind}.npz", x_train=X.astype(kind), x_test=X[:9].astype("f4"))
        assert load_npz(floats, "train", [tmp_path]).images.dtype == kept
        assert load_npz(floats, "test", [tmp_path]).images.dtype == np.float32
    assert np.array_equal(arrays.labels, Y)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x_train": X[:50]}, r"examples \[n, ...\] and labels \[n\] must be given, but got \[50, 5\] and \[60\]"),
        ({"y_train": Y - 1}, "labels must be whole numbers from 0 to 255, but got int64 from -1 to 1"),
        ({"y_train": Y + 0.5}, "labels must be whole numbers from 0 to 255, but got float64 such as 0.5"),
        (
            {"y_train": np.where(Y > 1, np.nan, Y)},
            "labels must be whole numbers from 0 to 255, but got float64 with NaN",
        ),
        ({"y_train": Y + 300}, "labels must be whole numbers from 0 to 255, but got int64 from 300 to 302"),
        ({"y_train": np.array(["cat", "dog", "emu"])[Y]}, "labels must be whole .* words such as 'cat'; np.unique"),
        (
            {"y_train": np.array(["a", None] * 30)},
            "labels must be whole numbers from 0, but the array 'y_train' holds Py",
        ),
        ({"y_train": np.eye(3)[Y]}, r"labels must be one whole number .* \[60, 3\]; .* labels.argmax\(axis=1\)"),
        ({"y_train": Y + 1}, "labels must be numbered from 0 without a gap, but got 1, 2, 3; subtract 1"),
        ({"y_train": Y * Y + Y}, "labels must be numbered from 0 without a gap, but got 0, 2, 6; use np.unique"),
        ({"y_train": Y * 0}, "labels must be of two classes at least, but all are 0"),
        ({"x_val": X, "y_val": Y}, "'x_val' and 'y_val', is not supported; join these examples to the training"),
        ({"valid_x": X, "valid_y": Y}, "'valid_x' and 'valid_y', is not supported"),
        ({"x_train": X * 1j}, "examples must be numbers, but got complex128"),
        ({"x_train": np.where(X > 4, np.nan, X)}, "examples must be finite numbers"),
        ({"x_train": np.array([["a"]] * 60)}, "examples must be numbers"),
    ],
)
def test_what_breaks_a_rule_is_told(tmp_path, arrays, sentence):
    name = save(tmp_path / "own.npz", **arrays)
    with pytest.raises(DataError, match=sentence):
        load_npz(name, "train", [tmp_path])


def test_what_is_no_such_file_is_told(tmp_path):
    (tmp_path / "text.npz").write_text("not an archive")
    np.savez(tmp_path / "half.npz", x_train=X)
    np.savez(tmp_path / "test.npz", x_train=X, y_train=Y, x_test=X)
    np.save(tmp_path / "one.npy", X)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    for name, sentence in [
        ("test.npz", "the array 'y_test' is missing"),
        ("one.npz", "cannot be read as an .npz file"),
        ("absent.npz", "there is no such file in"),
        ("text.npz", "cannot be read as an .npz file"),
        ("half.npz", "the array 'y_train' is missing; it has x_train"),
    ]:
        with pytest.raises(DataError, match=sentence):
            load_npz(name, "train", [tmp_path])


@pytest.mark.parametrize("kind", [bool, np.float64, np.int8, np.uint64, object])
def test_labels_of_every_type_that_holds_whole_numbers_are_taken(kind):
    labels = (Y > 0).astype(kind)
    arrays = load_returned("own:load", lambda: ((X, labels[:, None]), (X, labels)), "train")
    assert arrays.labels.dtype == np.uint8
    assert np.array_equal(arrays.labels, Y > 0)


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (((X, Y), (X, Y), (X, Y)), "three pairs; a validation split of its own is not supported; join these"),
        ((X, Y, X, Y), "4 values: ndarray, ndarray, ndarray, ndarray"),
        ((X, Y), "2 values: ndarray, ndarray"),
        (((X, Y, Y), (X, Y)), r"2 values: \(ndarray, ndarray, ndarray\), \(ndarray, ndarray\)"),
        ({"x_train": X}, "a dict"),
        (None, "NoneType"),
        (X, "a ndarray"),
    ],
)
def test_what_a_function_returns_must_be_a_training_and_a_test_pair(returned, told):
    for part in ("train", "test"):
        with pytest.raises(DataError, match=rf"'own:load': the function must return \(x_train, .* returned {told}"):
            load_returned("own:load", lambda: returned, part)


def test_no_test_part_is_told_when_it_is_read():
    assert len(load_returned("own:load", lambda: ((X, Y),), "train").labels) == 60
    with pytest.raises(DataError, match="there is no test part"):
        load_returned("own:load", lambda: ((X, Y),), "test")


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        ((X, Y + 1), "the test labels must be among the training labels, which are 0 to 2, but got 3"),
        ((X[:, :4], Y), r"the test examples must be floats \[5\] as the training examples are, but got floats \[4\]"),
        ((X.astype(np.uint8), Y), r"the test examples must be floats \[5\] .* but got uint8 \[5\]"),
    ],
)
def test_a_test_part_unlike_the_training_part_is_refused_when_it_is_read(tmp_path, test, sentence):
    name = save(tmp_path / "own.npz", x_test=test[0], y_test=test[1])
    for load in (
        lambda part: load_npz(name, part, [tmp_path]),
        lambda part: load_returned("own:load", lambda: ((X, Y), test), part),
    ):
        assert len(load("train").labels) == 60
        with pytest.raises(DataError, match=sentence):
            load("test")


def test_floats_are_standardized_feature_by_feature_and_rescaled_as_pixels_are():
    shift, scale = fit_normalization("standardize", X.astype(np.float32), np.arange(40))
    assert np.allclose(shift, X[:40].mean(0), atol=1e-5)
    assert np.allclose(scale, X[:40].std(0), atol=1e-5)
    assert fit_normalization("rescale", X.astype(np.float32), np.arange(40)) == (0, 255)


def test_a_feature_that_never_varies_is_not_scaled_by_a_rounding_error():
    constant = np.full((60, 1), 0.1)
    assert constant[:47].std(axis=0) > 0
    assert fit_normalization("standardize", constant, np.arange(47)).scale == 1


def test_shares_are_nested_and_every_class_has_its_part():
    labels = np.repeat(np.arange(3, dtype=np.uint8), [100, 50, 10])
    every = np.arange(160)
    small, large = share_of(every, labels, 32, 0), share_of(every, labels, 96, 0)
    assert len(small) == 32
    assert set(small) < set(large)
    assert np.bincount(labels[small]).tolist() == [20, 10, 2]
    assert np.array_equal(share_of(every, labels, 160, 0), every)
    assert not np.array_equal(share_of(every, labels, 32, 1), small)


def test_a_share_of_the_sample_trains_on_so_many_and_is_validated_as_before():
    obtain("fashion_mnist_sample")
    config = DataConfig(dataset="fashion_mnist_sample", train_examples=500)
    data, whole = TrainingData.load(config), TrainingData.load(DataConfig(dataset="fashion_mnist_sample"))
    assert len(data.training) == 500
    assert np.array_equal(data.validation, whole.validation)
    assert set(data.training) < set(whole.training)


def test_full_batches_make_one_update_an_epoch_whatever_the_size():
    obtain("fashion_mnist_sample")
    for engine in ("graph", "xla"):
        config = TrialConfig.model_validate(
            {
                "data": {"dataset": "fashion_mnist_sample", "train_examples": 300},
                "model": {"architecture": "mlp", "units": [8]},
                "batch_size": "full",
                "training": {"max_epochs": 2, "engine": engine},
                "seed": 0,
            }
        )
        rows = list(Trainer(config, Objective(), TrainingData.load(config.data)).epochs())
        assert [row.metrics["updates"] for row in rows] == [1, 1]
        assert rows[1].metrics["loss"] < rows[0].metrics["loss"]


@pytest.mark.e2e
def test_a_study_over_a_file_and_one_over_a_function(tmp_path):
    obtain("fashion_mnist_sample")
    sample = load_train("fashion_mnist_sample")
    pixels = sample.images[:400].reshape(400, 784).astype(np.float32)
    np.savez(tmp_path / "own.npz", x_train=pixels, y_train=sample.labels[:400])
    (tmp_path / "own_data.py").write_text(
        "import numpy as np\n\n\ndef load():\n    with np.load(__file__.replace('own_data.py', 'own.npz')) as a:\n"
        "        return (a['x_train'], a['y_train']), (a['x_train'][:50], a['y_train'][:50])\n"
    )
    study = tmp_path / "own.yaml"
    study.write_text(
        "name: own\ntrial:\n  data: {dataset: {choice: [own.npz, 'own_data:load']}, normalization: standardize}\n"
        "  model: {architecture: mlp, units: [8]}\n"
        "  optimizer: {name: adam, learning_rate: 0.01, beta_1: 0.9, beta_2: 0.999}\n"
        "  schedule: constant\n  batch_size: 32\n  training: {max_epochs: 3}\n"
        "search: {sampler: random, trials: 2, baselines: false}\n"
        "enqueue: [{data: {dataset: own.npz}, seed: 3}, {data: {dataset: 'own_data:load'}, seed: 3}]\n".replace(
            "  batch_size: 32\n", "  batch_size: 32\n  seed: 3\n"
        ).replace(", seed: 3}", "}")
    )
    summary = result_of(hpsearch("run", str(study), "-f", "json", home=tmp_path / "home"))
    assert summary["trials"] == {"complete": 2, "pruned": 0, "failed": 0}
    trials = result_of(hpsearch("trials", "own", "-f", "json", home=tmp_path / "home"))
    # The same examples by two ways.
    assert trials[0]["value"] == trials[1]["value"] > 0.3


def test_what_does_not_fit_the_file_is_told_before_anything_trains(tmp_path):
    save(tmp_path / "own.npz")
    study = tmp_path / "own.yaml"
    study.write_text("trial: {data: {dataset: own.npz, normalization: none}, batch_size: {choice: [16, 64]}}\n")
    refused = hpsearch("run", str(study), home=tmp_path / "home")
    assert refused.returncode != 0
    assert "batch_size is 64, but there are only 55 training examples in own.npz" in refused.stderr
    assert "Traceback" not in refused.stderr

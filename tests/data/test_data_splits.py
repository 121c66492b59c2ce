"""The split: disjoint, complete, in proportion, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.data.arrays import load_train
from hpsearch.data.splits import split_of, stratified_split
from hpsearch.data.store import obtain
from hpsearch.errors import DataError

BALANCED = np.repeat(np.arange(10, dtype=np.uint8), 60)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(20, 90), min_size=2, max_size=10),
    share=st.floats(0.2, 0.8),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_class_is_within_one_image_of_its_share(sizes, share, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes), dtype=np.uint8), sizes))
    validation = int(share * len(labels))
    split = stratified_split(labels, validation, seed)
    assert len(split.validation) == validation
    assert np.array_equal(np.sort(np.concatenate([split.train, split.validation])), np.arange(len(labels)))
    held_out = np.bincount(labels[split.validation], minlength=len(sizes))
    assert np.all(np.abs(held_out - np.array(sizes) * validation / len(labels)) < 1)


def test_positions_are_ascending_int64():
    split = stratified_split(BALANCED, 101, 0)
    for positions in (split.train, split.validation):
        assert positions.dtype == np.int64
        assert np.all(np.diff(positions) > 0)


def test_same_seed_same_split_other_seed_another():
    first, again, other = (stratified_split(BALANCED, 100, seed) for seed in (7, 7, 8))
    assert np.array_equal(first.train, again.train)
    assert np.array_equal(first.validation, again.validation)
    assert not np.array_equal(first.validation, other.validation)


def test_split_does_not_depend_on_numpys_global_state():
    np.random.seed(1)
    first = stratified_split(BALANCED, 100, 7)
    np.random.seed(2)
    assert np.array_equal(first.validation, stratified_split(BALANCED, 100, 7).validation)


@pytest.mark.parametrize("validation", [-1, 0, 600, 601])
def test_validation_outside_of_the_data_names_rule_and_value(validation):
    with pytest.raises(DataError, match=rf"validation is {validation}, but must be from 1 to 599 for 600 examples"):
        stratified_split(BALANCED, validation, 0)


@pytest.mark.parametrize("validation", [9, 591])
def test_too_small_a_part_for_all_classes_is_refused(validation):
    with pytest.raises(DataError, match="each need an example of every class"):
        stratified_split(BALANCED, validation, 0)


@pytest.mark.parametrize("validation", [10, 590])
def test_one_image_per_class_is_enough(validation):
    split = stratified_split(BALANCED, validation, 0)
    assert set(BALANCED[split.train]) == set(BALANCED[split.validation]) == set(range(10))


def test_a_class_too_rare_for_both_parts_is_refused():
    labels = np.array([0] * 100 + [1], dtype=np.uint8)
    with pytest.raises(DataError, match="the rarest with 1"):
        stratified_split(labels, 10, 0)
    labels = np.array([0] * 500 + [1] * 2, dtype=np.uint8)
    with pytest.raises(DataError, match=r"class 1 is too rare: .* the validation examples have none"):
        stratified_split(labels, 10, 0)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_outside_of_the_range_is_refused(seed):
    with pytest.raises(DataError, match=r"seed is -?\d+, but must be from 0 to 2\*\*32 - 1"):
        stratified_split(BALANCED, 100, seed)


def test_sample_splits_evenly(cache):
    obtain("fashion_mnist_sample")
    labels = load_train("fashion_mnist_sample").labels
    split = stratified_split(labels, 500, 0)
    assert np.bincount(labels[split.validation]).tolist() == [50] * 10
    assert np.bincount(labels[split.train]).tolist() == [150] * 10


def test_a_split_is_drawn_once_and_then_read_and_a_damaged_one_is_drawn_again(tmp_path, monkeypatch):
    monkeypatch.setenv("HPSEARCH_CACHE", str(tmp_path))
    drawn = split_of("fashion_mnist", BALANCED, 100, 7)
    (file,) = (tmp_path / "splits").iterdir()
    monkeypatch.setattr("hpsearch.data.splits.stratified_split", lambda *_: pytest.fail("drawn again"))
    read = split_of("fashion_mnist", BALANCED, 100, 7)
    np.testing.assert_array_equal(read.train, drawn.train)
    np.testing.assert_array_equal(read.validation, drawn.validation)
    monkeypatch.undo()
    monkeypatch.setenv("HPSEARCH_CACHE", str(tmp_path))
    for damage in (b"", b"\x93NUMPY", file.read_bytes()[:-3]):
        file.write_bytes(damage)
        np.testing.assert_array_equal(split_of("fashion_mnist", BALANCED, 100, 7).validation, drawn.validation)
    np.save(file, np.full(100, 7))
    np.testing.assert_array_equal(split_of("fashion_mnist", BALANCED, 100, 7).validation, drawn.validation)


def test_a_cache_that_cannot_be_written_to_changes_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HPSEARCH_CACHE", str(tmp_path / "file"))
    split = split_of("fashion_mnist", BALANCED, 100, 7)
    np.testing.assert_array_equal(split.validation, stratified_split(BALANCED, 100, 7).validation)

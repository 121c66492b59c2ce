"""Every row of every catalogue keeps the same contract; nothing is built here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from typing import Any, get_args, get_origin

import pytest
from pydantic import ValidationError

from hpsearch.catalogue.datasets import DATASETS, dataset
from hpsearch.catalogue.entries import REQUIRED, Entry, Knob, Reference
from hpsearch.config.trial import SELECTIONS, TrialConfig
from hpsearch.errors import UnknownNameError

# A reference to a person's own code, which nothing here looks for.
OWN = "own.module:function"
ROWS = [(section, row) for section, (_, rows) in SELECTIONS.items() for row in rows.values()]
KNOBS = [(section, row, knob) for section, row in ROWS for knob in row.knobs]
every_row = pytest.mark.parametrize(("section", "row"), ROWS, ids=[f"{s}-{row.name}" for s, row in ROWS])
every_knob = pytest.mark.parametrize(
    ("section", "row", "knob"), KNOBS, ids=[f"{s}-{row.name}-{knob.name}" for s, row, knob in KNOBS]
)


def _with(section: str, row: Entry, **knobs: Any) -> dict[str, Any]:
    """The knobs of the row as TrialConfig takes them."""
    plain = {SELECTIONS[section][0]: row.name, **_named(row), **knobs}
    return getattr(TrialConfig.model_validate({section: plain}), section).knobs()


def _named(row: Entry) -> dict[str, Any]:
    """What must be named: a person's own code, or the numbers of a schedule that has no others."""
    return {k.name: OWN if k.type is Reference else [0.1, 0.01] for k in row.knobs if k.default is REQUIRED}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _ends(recommended: Any) -> list[Any]:
    """Every option or both ends of what is recommended."""
    match recommended:
        case {"choice": options}:
            return [end for option in options for end in _ends(option)]
        case {"one_minus": [low, high]}:
            return [1 - low, 1 - high]
        case {"float": [low, high]} | {"int": [low, high]}:
            return [low, high]
        case None:
            return []
    return [recommended]


@pytest.mark.parametrize("section", SELECTIONS)
def test_rows_are_found_by_their_own_name(section):
    rows = SELECTIONS[section][1]
    assert [row.name for row in rows.values()] == list(rows)
    assert all(name.isidentifier() and name == name.lower() for name in rows)


@pytest.mark.parametrize("section", SELECTIONS)
def test_a_catalogue_is_written_without_repeating_a_name(section):
    """A second row of the same name would silently take the first one's place."""
    rows = SELECTIONS[section][1]
    formulas = [row.formula for row in rows.values()]
    builders = [row.build for row in rows.values()]
    assert len(set(formulas)) == len(formulas)
    assert len(set(builders)) == len(builders)


@every_row
def test_a_row_says_what_it_is_and_where_it_was_published(section, row):
    assert row.formula.strip() == row.formula != ""
    assert "\n" not in row.formula
    assert row.source


@every_row
def test_knobs_have_names_of_their_own_and_a_line_for_people(section, row):
    names = [knob.name for knob in row.knobs]
    assert len(set(names)) == len(names)
    assert SELECTIONS[section][0] not in names
    assert all(name.isidentifier() for name in names)
    assert all(knob.doc and "\n" not in knob.doc for knob in row.knobs)
    assert all(knob.source for knob in row.knobs if knob.recommended is not None)


@every_row
def test_the_defaults_of_a_row_are_within_its_own_rules(section, row):
    given = _with(section, row, **{name: _plain(value) for name, value in row.defaults().items()})
    named = {name: tuple(value) if isinstance(value, list) else value for name, value in _named(row).items()}
    assert given == _with(section, row) == row.defaults() | named
    assert row.check is None or row.check(row.defaults()) is None


@every_row
def test_what_has_no_default_must_be_named(section, row):
    named = _named(row)
    assert row.complete == (not named)
    assert set(row.references()) <= set(named)
    for name in named:
        others = {other: value for other, value in named.items() if other != name}
        with pytest.raises(ValidationError, match="Field required"):
            TrialConfig.model_validate({section: {SELECTIONS[section][0]: row.name, **others}})


@every_knob
def test_what_is_recommended_lies_within_the_bounds(section, row, knob):
    for value in _ends(knob.recommended):
        assert _with(section, row, **{knob.name: _plain(value)})[knob.name] == value


@every_knob
def test_what_is_recommended_holds_the_default_or_lies_beside_it(section, row, knob):
    """A search that cannot reach the neighbourhood of the default would be a mistake in the table."""
    match knob.recommended:
        case {"choice": options}:
            assert knob.default in options
        case {"float": [low, high]} | {"int": [low, high]}:
            assert low <= knob.default <= high
        case {"one_minus": [low, high]}:
            assert low <= round(1 - knob.default, 12) <= high


def _outside(knob: Knob) -> Iterator[Any]:
    if knob.gt is not None:
        yield knob.gt
    if knob.ge is not None:
        yield knob.ge - 1
    if knob.lt is not None:
        yield knob.lt
    if knob.le is not None:
        yield knob.le + 1


@every_knob
def test_values_outside_of_the_bounds_and_of_other_types_are_refused(section, row, knob):
    listed, mapping = get_origin(knob.type) is tuple, get_origin(knob.type) is dict
    wrong: list[Any] = ["a word", 1.5j if mapping else {"a": 1}, *_outside(knob)]
    for value in wrong:
        with pytest.raises(ValidationError):
            _with(section, row, **{knob.name: [value] if listed else value})
    if not listed:
        with pytest.raises(ValidationError):
            _with(section, row, **{knob.name: [knob.default]})


@every_knob
def test_numbers_have_bounds_and_words_are_listed(section, row, knob):
    """A number without any bound would let a typing error through to the training."""
    kind = get_args(knob.type)[0] if get_origin(knob.type) is tuple else knob.type
    if kind in (int, float):
        assert {knob.gt, knob.ge} != {None}
    else:
        assert kind is bool or get_args(kind)


@every_row
def test_unknown_knobs_are_refused(section, row):
    with pytest.raises(ValidationError):
        _with(section, row, no_such_knob=1)


def test_rows_cannot_be_changed():
    _, row = ROWS[0]
    with pytest.raises(FrozenInstanceError):
        row.name = "other"


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_is_consistent_with_its_files(name):
    row = dataset(name)
    assert row.summary
    assert row.licence
    assert [raw.array for raw in row.files] == ["train_images", "train_labels", "test_images", "test_labels"]
    assert row.file("train_images").shape == (row.train_examples, *row.image_shape)
    assert row.file("train_labels").shape == (row.train_examples,)
    assert row.file("test_images").shape == (row.test_examples, *row.image_shape)
    assert all(len(bytes.fromhex(raw.sha256)) == 32 for raw in row.files)
    assert len(set(row.classes)) == len(row.classes) == 10
    assert any((row.packaged_folder, row.keras_folder, row.system_folder, row.download_url))


def test_each_dataset_has_a_digest_of_its_own():
    digests = {row.digest for row in DATASETS.values()}
    assert len(digests) == len(DATASETS)
    assert all(len(bytes.fromhex(digest)) == 16 for digest in digests)


def test_an_unknown_dataset_is_told_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="did you mean 'fashion_mnist'"):
        dataset("fashion_mnits")

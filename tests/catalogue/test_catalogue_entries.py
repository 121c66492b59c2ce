"""Every entry of every catalogue keeps the same contract; nothing is built here.

A new entry is found by itself: nothing in this file has to be edited for it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from typing import Any, get_args, get_origin

import pytest
from pydantic import ValidationError
from support import ROOT

from hpsearch.catalogue.datasets import DATASETS, dataset
from hpsearch.catalogue.entries import REQUIRED, Entry, Knob, Reference
from hpsearch.catalogue.metrics import METRICS, SUMMARY_METRICS
from hpsearch.config.space import Options, distributions, parse
from hpsearch.config.trial import SELECTIONS, TrialConfig
from hpsearch.errors import UnknownNameError

# A reference to a user's own code, which nothing here looks for.
OWN = "own.module:function"
ENTRIES = [(section, entry) for section, (_, entries) in SELECTIONS.items() for entry in entries.values()]
every_entry = pytest.mark.parametrize(("section", "entry"), ENTRIES, ids=[f"{s}-{entry.name}" for s, entry in ENTRIES])


def _with(section: str, entry: Entry, **knobs: Any) -> dict[str, Any]:
    """The knobs of the entry as TrialConfig takes them."""
    plain = {SELECTIONS[section][0]: entry.name, **_required(entry), **knobs}
    return getattr(TrialConfig.model_validate({section: plain}), section).knobs()


def _required(entry: Entry) -> dict[str, Any]:
    """A value for each knob that must be given: a user's own code, or the numbers of a schedule."""
    return {k.name: OWN if k.type is Reference else [0.1, 0.01] for k in entry.knobs if k.default is REQUIRED}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _ends(recommended: Any) -> list[Any]:
    """Every option, or both ends, of a recommended distribution."""
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


def test_entries_are_found_by_their_own_name_and_none_is_written_twice():
    """A second entry of the same name would silently replace the first one."""
    for _, entries in [*SELECTIONS.values(), ("", METRICS)]:
        assert [entry.name for entry in entries.values()] == list(entries)
        assert all(name.isidentifier() and name == name.lower() for name in entries)
        for values in ([e.formula for e in entries.values()], [e.build for e in entries.values()]):
            assert len(set(values)) == len(values)
    assert [metric.name for metric in SUMMARY_METRICS.values()] == list(SUMMARY_METRICS)


def test_an_entry_has_a_formula_and_a_source_and_its_knobs_have_a_line_each():
    for section, entry in [*ENTRIES, *(("metric", entry) for entry in METRICS.values())]:
        assert entry.formula.strip() == entry.formula != "", entry.name
        assert "\n" not in entry.formula
        assert entry.source, entry.name
        names = [knob.name for knob in entry.knobs]
        assert len(set(names)) == len(names), entry.name
        assert SELECTIONS.get(section, ("name",))[0] not in names
        for knob in entry.knobs:
            assert knob.name.isidentifier()
            assert knob.doc, (entry.name, knob.name)
            assert "\n" not in knob.doc
            assert knob.source or knob.recommended is None, (entry.name, knob.name)


@every_entry
def test_the_defaults_of_an_entry_are_within_its_own_rules(section, entry):
    given = _with(section, entry, **{name: _plain(value) for name, value in entry.defaults().items()})
    required = {name: tuple(value) if isinstance(value, list) else value for name, value in _required(entry).items()}
    assert given == _with(section, entry) == entry.defaults() | required
    assert entry.check is None or entry.check(entry.defaults()) is None
    assert entry.complete == (not required)
    assert set(entry.references()) <= set(required)
    for name in required:
        others = {other: value for other, value in required.items() if other != name}
        with pytest.raises(ValidationError, match="Field required"):
            TrialConfig.model_validate({section: {SELECTIONS[section][0]: entry.name, **others}})
    with pytest.raises(ValidationError):
        _with(section, entry, no_such_knob=1)


@every_entry
def test_a_recommended_range_is_within_the_bounds_and_contains_the_default(section, entry):
    for knob in entry.knobs:
        for value in _ends(knob.recommended):
            assert _with(section, entry, **{knob.name: _plain(value)})[knob.name] == value, knob.name
        match knob.recommended:
            case {"choice": options}:
                assert knob.default in options, knob.name
            case {"float": [low, high]} | {"int": [low, high]}:
                assert low <= knob.default <= high, knob.name
            case {"one_minus": [low, high]}:
                assert low <= round(1 - knob.default, 12) <= high, knob.name


@every_entry
def test_every_recommended_range_has_a_prior_that_lies_in_it(section, entry):
    for knob in entry.knobs:
        problems: list[Any] = []
        found = list(distributions(parse(knob.recommended, ("trial", section), problems)))
        assert problems == [], knob.name
        assert all((node.prior if isinstance(node, Options) else node.distribution.prior) is not None for node in found)


def _outside(knob: Knob) -> Iterator[Any]:
    if knob.gt is not None:
        yield knob.gt
    if knob.ge is not None:
        yield knob.ge - 1
    if knob.lt is not None:
        yield knob.lt
    if knob.le is not None:
        yield knob.le + 1


@every_entry
def test_values_outside_of_the_bounds_and_of_other_types_are_refused(section, entry):
    for knob in entry.knobs:
        listed, mapping = get_origin(knob.type) is tuple, get_origin(knob.type) is dict
        wrong: list[Any] = ["a word", 1.5j if mapping else {"a": 1}, *_outside(knob)]
        wrong = [[value] for value in wrong] if listed else [*wrong, [knob.default]]
        for value in wrong:
            with pytest.raises(ValidationError):
                _with(section, entry, **{knob.name: value})
        # A number without any bound would let a typing error through to the training.
        kind = get_args(knob.type)[0] if listed else knob.type
        if kind in (int, float):
            assert {knob.gt, knob.ge} != {None}, knob.name
        else:
            assert kind is bool or get_args(kind), knob.name


def test_entries_cannot_be_changed():
    _, entry = ENTRIES[0]
    with pytest.raises(FrozenInstanceError):
        entry.name = "other"


def test_a_dataset_is_consistent_with_its_files_and_has_a_digest_of_its_own():
    for name in DATASETS:
        entry = dataset(name)
        assert entry.summary
        assert entry.licence
        assert entry.source
        assert [raw.array for raw in entry.files] == ["train_images", "train_labels", "test_images", "test_labels"]
        assert entry.file("train_images").shape == (entry.train_examples, *entry.image_shape)
        assert entry.file("train_labels").shape == (entry.train_examples,)
        assert entry.file("test_images").shape == (entry.test_examples, *entry.image_shape)
        assert all(len(bytes.fromhex(raw.sha256)) == 32 for raw in entry.files)
        assert len(set(entry.classes)) == len(entry.classes) == 10
        assert any((entry.packaged_folder, entry.keras_folder, entry.system_folder, entry.download_url))
    digests = {entry.digest for entry in DATASETS.values()}
    assert len(digests) == len(DATASETS)
    assert all(len(bytes.fromhex(digest)) == 16 for digest in digests)


def test_an_unknown_dataset_is_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="did you mean 'fashion_mnist'"):
        dataset("fashion_mnits")


def test_no_code_compares_the_name_of_an_entry():
    """What a choice needs is data of its entry, so that a new one needs no change elsewhere."""
    for path in (ROOT / "hpsearch").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
                assert not any(side.endswith(".selected()") for side in sides), (path, node.lineno)

"""`hpsearch catalogue` prints every entry with its formula, knobs, defaults, recommended ranges and source."""

from __future__ import annotations

import json

import pytest
from support import ROOT, hpsearch

from hpsearch.catalogue.entries import Entry, Knob
from hpsearch.cli.reference import CATALOGUES, entries_of

UNUSED = ROOT / "unused"


@pytest.fixture(scope="module")
def everything():
    return json.loads(hpsearch("catalogue", "-f", "json", home=UNUSED).stdout)


def test_json_has_every_entry_of_every_kind_with_all_of_its_knobs(everything):
    assert list(everything) == list(CATALOGUES)
    for kind, listed in everything.items():
        entries = entries_of(kind)
        assert [each["name"] for each in listed] == list(entries), kind
        for each in listed:
            entry = entries[each["name"]]
            if isinstance(entry, Entry):
                assert (each["formula"], each["source"]) == (entry.formula, entry.source)
                assert [knob["name"] for knob in each["knobs"]] == [knob.name for knob in entry.knobs]
                assert all(knob["doc"] and knob["type"] for knob in each["knobs"])
                recommended = {knob["name"]: knob["recommended"] for knob in each["knobs"] if knob["recommended"]}
                assert recommended == json.loads(json.dumps(entry.recommended()))


def test_tables_name_every_entry_and_one_entry_shows_its_ranges():
    for kind in CATALOGUES:
        shown = hpsearch("catalogue", kind, home=UNUSED, COLUMNS="200").stdout
        assert not [name for name in entries_of(kind) if name not in shown], kind
    shown = hpsearch("catalogue", "optimizers", "adam", home=UNUSED, COLUMNS="240").stdout
    for text in ("arXiv:1412.6980", "{float: [0.0001, 0.03], log: true, prior: 0.001}", ">= 0, < 1", "number | null"):
        assert text in shown
    assert "full batches" in hpsearch("catalogue", "optimizers", "lbfgs", home=UNUSED).stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["optimisers"], "unknown kind 'optimisers' (did you mean 'optimizers'?)"),
        (["losses", "brier"], "unknown loss 'brier'; available: categorical_crossentropy, custom, mean_squared_error"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(words, told):
    done = hpsearch("catalogue", *words, home=UNUSED)
    assert done.returncode == 2
    assert told in done.stderr


def test_a_knob_says_its_type_and_bounds_as_a_study_file_has_them():
    shown = {
        str(knob["type"]): knob["bounds"]
        for knob in (
            Knob("k", float | None, None, "", gt=0).plain(),
            Knob("k", tuple[int, ...], (1,), "", ge=1, le=9).plain(),
            Knob("k", bool, False, "").plain(),
        )
    }
    assert shown == {"number | null": "> 0", "list of whole number": ">= 1, <= 9", "true | false": ""}

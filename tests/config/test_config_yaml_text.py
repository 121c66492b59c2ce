"""YAML text to plain data: YAML 1.2, lines of keys, and every way in which a file can be unreadable."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.config.yaml_text import MAX_BYTES, MAX_DEPTH, MAX_VALUES, dump, load_document, load_value
from hpsearch.errors import StudyFileError


@pytest.fixture
def refused(tmp_path):
    """refused(content): the one line that refuses a file `s.yaml` with this content."""

    def message(content: str | bytes) -> str:
        path = tmp_path / "s.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(StudyFileError) as caught:
            load_document(path)
        (line,) = caught.value.problems
        return line.removeprefix(f"{tmp_path}/")

    return message


def test_values_follow_yaml_1_2():
    cases = [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("+1.5", 1.5),
        ("-2", -2),
        (".5", 0.5),
        ("1.", 1.0),
        ("007", 7),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("1:30", "1:30"),
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("FALSE", False),
        ("2024-01-31", "2024-01-31"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1e-3'", "1e-3"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("1e400", math.inf),
        ("!!float 3", 3.0),
        ("!!int '3'", 3),
        ("!!bool 'true'", True),
        ("[1, [a, {b: 2.0}]]", [1, ["a", {"b": 2.0}]]),
    ]
    for text, value in cases:
        loaded = load_value(text, "--set x")
        assert loaded == value, (text, value)
        assert type(loaded) is type(value), (text, value)


def test_nan_is_a_number():
    assert math.isnan(load_value(".nan", "--set x"))


def test_every_key_and_item_has_the_line_of_its_own_key(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("# a comment\nname: x\ntrial:\n  model:\n    units: [1,\n      2]\n  list:\n    - a: 1\n    - b\n")
    places = load_document(path).locations
    lines = {key: int(place.rpartition(":")[2]) for key, place in places.items()}
    assert lines == {
        (): 2,
        ("name",): 2,
        ("trial",): 3,
        ("trial", "model"): 4,
        ("trial", "model", "units"): 5,
        ("trial", "model", "units", 0): 5,
        ("trial", "model", "units", 1): 6,
        ("trial", "list"): 7,
        ("trial", "list", 0): 8,
        ("trial", "list", 0, "a"): 8,
        ("trial", "list", 1): 9,
    }
    assert {place.rpartition(":")[0] for place in places.values()} == {str(path)}


def test_a_path_that_is_not_in_the_file_stands_where_the_nearest_enclosing_key_does(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("name: x\ntrial:\n  model: mlp\n")
    document = load_document(path)
    assert document.location(("trial", "model", "units", 0)) == f"{path}:3"
    assert document.location(("search", "trials")) == f"{path}:1"


def test_an_empty_file_is_no_data_and_its_place_is_the_file(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("# nothing\n")
    document = load_document(path)
    assert document.data is None
    assert document.location(("trial",)) == str(path)


def test_aliases_and_merge_keys_are_plain_data(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("a: &x {k: 1}\nb: *x\nc: {<<: *x, l: 2}\n")
    assert load_document(path).data == {"a": {"k": 1}, "b": {"k": 1}, "c": {"k": 1, "l": 2}}


def test_keys_are_words_where_values_are():
    text = "{2024-01-31: 2024-01-31, 1_000: 1_000, 0x10: 0x10, =: =, no: no}"
    words = ["2024-01-31", "1_000", "0x10", "=", "no"]
    assert load_value(text, "here") == dict(zip(words, words, strict=True))


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\n")
    assert load_document(path).data == {"name": "x"}


def test_unreadable_files_are_refused_with_the_place_and_the_reason(refused):
    cases = [
        ("a: 1\nb: 2\na: 3\n", "s.yaml:3", "the key 'a' stands twice"),
        ("a:\n  b: 1\n  'b': 2\n", "s.yaml:3", "the key 'b' stands twice"),
        ("a: 1\n1: 2\n", "s.yaml:2", "a key must be a word, but got 1"),
        ("a: 1\ntrue: 2\n", "s.yaml:2", "a key must be a word, but got true"),
        ("a: 1\n? \n: 2\n", "s.yaml:2", "a key must be a word, but got nothing"),
        ("a: 1\n[b, c]: 2\n", "s.yaml:2", "a key must be a word, but got a list"),
        ("a: 1\nb: !!python/object/apply:os.getcwd []\n", "s.yaml:2", "python/object/apply:os.getcwd"),
        ("a: !!python/name:os.system\n", "s.yaml:1", "python/name:os.system"),
        ("a: !!binary aGk=\n", "s.yaml:1", "2002:binary"),
        ("a: !!set {b}\n", "s.yaml:1", "2002:set"),
        ("a: !own 3\n", "s.yaml:1", "!own"),
        ("a: 1\nb: !!bool maybe\n", "s.yaml:2", "!!bool must be true or false, but got 'maybe'"),
        ("a: 1\nb: !!int four\n", "s.yaml:2", "'four'"),
        ("a: 1\nb: !!float [1]\n", "s.yaml:2", "2002:float cannot stand here"),
        ("a: 1\nb: " + "9" * 5000, "s.yaml:2", "4300 digits"),
        ("a: 1\nb: *unknown\n", "s.yaml:2", "undefined alias"),
        ("a: 1\nb: [1, 2\n", "s.yaml:3", "expected ',' or ']'"),
        ("a: 1\n\tb: 2\n", "s.yaml:2", "cannot start any token"),
        ("a: 1\n---\nb: 2\n", "s.yaml:2", "another document"),
        ("a: 1\nb: '\\", "s.yaml:2", "unexpected end of stream"),
        ('a: "\\UFFFFFFFF"\n', "s.yaml", "not valid YAML"),
        ("a: \x00\n", "s.yaml", "special characters are not allowed"),
        ("a: &x [*x]\n", "s.yaml:1", f"nested more than {MAX_DEPTH} levels"),
        ("a: " + "[" * 70 + "]" * 70, "s.yaml:1", f"nested more than {MAX_DEPTH} levels"),
        ("[" * 5_000, "s.yaml", "nested too deeply"),
        ("a:\n- " + "- " * 5_000, "s.yaml", "nested too deeply"),
        (b"a: caf\xe9\n", "s.yaml", "not UTF-8 text (byte 6)"),
        ("a: x\n".encode("utf-16"), "s.yaml", "not UTF-8 text (byte 0)"),
        ("a: " + "x" * MAX_BYTES, "s.yaml", f"at most {MAX_BYTES:,} bytes"),
        (f"a: [{'1,' * MAX_VALUES}]", "s.yaml", f"holds more than {MAX_VALUES:,} values"),
    ]
    for content, where, fragment in cases:
        message = refused(content)
        assert message.startswith(f"{where}: "), (content, where, fragment)
        assert fragment in message, (content, where, fragment)


def test_aliases_that_multiply_are_refused_at_once(refused):
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 40))
    assert f"holds more than {MAX_VALUES:,} values" in refused(bomb)


def test_merge_keys_that_multiply_are_refused_at_once(refused):
    bomb = "a0: &a0 {k: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 29))
    assert f"holds more than {MAX_VALUES:,} values" in refused(bomb)


def test_a_file_as_large_as_allowed_is_read(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("a: 1\n#" + "x" * (MAX_BYTES - 6))
    assert path.stat().st_size == MAX_BYTES
    assert load_document(path).data == {"a": 1}


def test_a_missing_file_names_the_study_files_beside_it(tmp_path):
    for name in ("quickstart.yaml", "full.yml", "notes.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(StudyFileError) as caught:
        load_document(tmp_path / "quickstrat.yaml")
    (line,) = caught.value.problems
    assert line == f"{tmp_path}/quickstrat.yaml: no such file; {tmp_path} has: full.yml, quickstart.yaml"


def test_paths_that_cannot_be_read(tmp_path):
    cases = [
        ("nowhere/at/all.yaml", "no such file"),
        (".", "cannot be read: Is a directory"),
        ("nul\0.yaml", "cannot be read"),
        ("x" * 300 + ".yaml", "cannot be read: File name too long"),
        ("/dev/zero", "a study file has at most"),
    ]
    for path, fragment in cases:
        with pytest.raises(StudyFileError) as caught:
            load_document(tmp_path / path)
        assert fragment in str(caught.value), (path, fragment)


def test_a_bad_value_is_told_with_its_source():
    with pytest.raises(StudyFileError) as caught:
        load_value("[1", "--set trial.model.units=[1")
    assert str(caught.value).startswith("--set trial.model.units=[1: not valid YAML: ")


# Without NEL, which is written as a line break.
TEXT = st.text(st.characters(exclude_characters="\x85", exclude_categories=["Cs"]), max_size=8)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXT
    | st.sampled_from(["1e3", "007", "no", "1.", "2024-01-31", "~", "<<", "=", "é", "0x1", "1_0", "true", ".inf"]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(PLAIN)
def test_what_is_dumped_is_loaded_as_it_was(data):
    again = load_value(dump(data), "dumped")
    assert again == data
    assert repr(again) == repr(data)


EXPORTED = """\
description: of module:name, 'no' and a word
trial:
  optimizer: {name: sgd, learning_rate: 1.0e-05, momentum: 0.0, nesterov: false, weight_decay: null, clipnorm: null,
    global_clipnorm: null, clipvalue: null, use_ema: false, ema_momentum: 0.99}
  words: ['no', 'On', '1e3', '1:30', '2024-01-31', 'module:name', 'what?', relu, "\\t"]
  choice:
  - {name: cosine, alpha: 0.0}
  - constant
"""


def test_files_keep_their_text():
    """What is exported does not change with the version of the YAML library, and YAML 1.1 reads it alike."""
    assert dump(load_value(EXPORTED, "exported")) == EXPORTED
    assert dump({"a": {"b": [1, "x"]}}, flow=False) == "a:\n  b:\n  - 1\n  - x\n"


def test_the_study_files_of_the_project_are_read():
    folder = Path(__file__).parents[2] / "studies"
    for path in folder.glob("*.yaml"):
        assert set(load_document(path).data) >= {"name", "trial"}

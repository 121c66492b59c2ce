"""Whatever a study file holds: a study, or a StudyFileError that says what is wrong; nothing else ever."""

from __future__ import annotations

import io
import json
import sys
import time
from contextlib import redirect_stderr
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.cli.main import _run
from hpsearch.config.matching import baselines
from hpsearch.config.study import load_study
from hpsearch.config.yaml_text import dump
from hpsearch.errors import EXIT_BAD_INPUT, StudyFileError

STUDIES = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))]
TOKENS = [
    b"{", b"}", b"[", b"]", b": ", b"- ", b"\n", b"  ", b",", b"&a ", b"*a", b"!!bool ", b"!!set ", b"? ", b"#", b"'",
    b'"', b"\\", b"|", b"---\n", b"<<: ", b"\xff", b"\x00", b"\xed\xa0\x80", b"\xc3\xa9", b"null", b"true", b".nan",
    b"-.inf", b"1e400", b"-1", b"0", b"9" * 400, b"choice: ", b"{float: [1, 0]}", b"{int: [1, 2]}", b"name: ",
    b"one_minus: ", b"log: true", b"[" * 80, b"{a: " * 2000,
]  # fmt: skip
KEYS = [
    "name", "trial", "search", "enqueue", "finalists", "objective", "data", "model", "optimizer", "schedule", "loss",
    "batch_size", "training", "seed", "architecture", "units", "learning_rate", "momentum", "choice", "float", "int",
    "one_minus", "log", "step", "prior", "max_epochs", "early_stopping", "patience", "metric", "direction", "sampler",
    "pruner", "timeout", "trials", "compare", "quick", "by", "best_of", "report",
    "top", "validation", "dataset", "filters", "dropout", "decay_rate", "x",
]  # fmt: skip
VALUES = [
    "adam", "sgd", "mlp", "cnn", "cosine", "constant", "tpe", "grid", "asha", "fashion_mnist", "fashion_mnist_sample",
    "val_loss", "20m", "", "relu", None, True, False, 0, 1, -1, 32, 64, 10**400, 0.0, 0.5, 1e-9, 1e308,
    float("inf"), float("nan"), [1, 2], [0.1, 0.5], [1, 64], [],
]  # fmt: skip


@st.composite
def mutated(draw) -> bytes:
    """A study file of the project with pieces cut out, doubled, put elsewhere or replaced."""
    content = draw(st.sampled_from(STUDIES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = start + draw(st.integers(0, 40))
        token = draw(st.sampled_from(TOKENS) | st.binary(max_size=6))
        content = draw(
            st.sampled_from(
                [
                    content[:start],
                    content[:start] + content[stop:],
                    content[:start] + token + content[start:],
                    content[:start] + token + content[stop:],
                    content[:stop] + content[start:],
                    content[stop:] + content[:start],
                ]
            )
        )
    return content


TREES = st.recursive(
    st.sampled_from(VALUES),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS), below, max_size=4),
    max_leaves=12,
)


@st.composite
def assembled(draw) -> bytes:
    """A file made of the words that study files are made of, in the wrong places."""
    trial = draw(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=4) | TREES)
    rest = draw(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=2))
    return dump({**rest, "trial": trial}).encode()


def _is_a_study_or_a_clear_error(load, content: bytes) -> None:
    spec, problems = None, ()
    try:
        spec = load(content)
    except StudyFileError as error:
        problems = error.problems
    if spec is None:
        assert problems
        assert all(problem.strip() and "\n" not in problem.strip() for problem in problems)
        assert len(set(problems)) == len(problems)
    else:
        # What a study is asked for before its first trial.
        assert spec.datasets()
        assert baselines(spec.space)
        assert json.dumps(spec.identity())


@settings(max_examples=120, deadline=None)
@given(content=mutated())
def test_mutated_study_files(load, content):
    _is_a_study_or_a_clear_error(load, content)


@settings(max_examples=120, deadline=None)
@given(content=assembled())
def test_files_of_the_right_words_in_the_wrong_places(load, content):
    _is_a_study_or_a_clear_error(load, content)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200))
def test_bytes(load, content):
    _is_a_study_or_a_clear_error(load, content)


HOSTILE = {
    "aliases that multiply": b"a: &a [x, x]\n" + b"".join(
        b"%c: &%c [*%c, *%c]\n" % (97 + i, 97 + i, 96 + i, 96 + i) for i in range(1, 26)
    ),
    "merges that multiply": b"a: &a {x: 1}\n" + b"".join(
        b"%c: &%c {<<: [*%c, *%c], y%d: 1}\n" % (97 + i, 97 + i, 96 + i, 96 + i, i) for i in range(1, 25)
    ),
    "an alias of itself": b"trial: &a {model: *a}",
    "a list in itself": b"trial: &a [*a, *a]",
    "an alias of nothing": b"trial: *nothing",
    "many anchors": b"trial: {" + b"".join(b"k%d: &k%d 1, " % (i, i) for i in range(400)) + b"}",
    "open brackets": b"trial: " + b"[" * 20_000,
    "open braces": b"trial: " + b"{a: " * 50_000,
    "nested lines": b"".join(b" " * i + b"a:\n" for i in range(1500)),
    "nested dashes": b"- " * 20_000 + b"1",
    "nested keys": b"? " * 5_000 + b"1",
    "a long number": b"trial: {batch_size: " + b"9" * 100_000 + b"}",
    "a long word": b"name: " + b"a" * 200_000,
    "a long line": b"description: " + b"word " * 50_000,
    "many keys": b"trial: {" + b",".join(b"k%d: %d" % (i, i) for i in range(8_000)) + b"}",
    "too many bytes": b"# " + b"x" * 2_000_000,
    "UTF-16": "trial: {optimizer: adam}".encode("utf-16"),
    "UTF-32": "trial: {optimizer: adam}".encode("utf-32"),
    "Latin-1": "description: Gr\u00f6\u00dfe\ntrial: {}".encode("latin-1"),
    "half a character": b"description: \xe2\x82",
    "a surrogate": b"description: \xed\xa0\x80",
    "zeros": b"\x00" * 1000,
    "a program": b"trial: !!python/object/apply:os.system [touch hacked]",
    "another program": b"trial: !!python/name:os.system",
    "tags of its own": b"%TAG ! tag:evil,2000:\n---\ntrial: !x {}",
    "several documents": b"trial: {}\n---\ntrial: {}\n",
    "tabs": b"trial:\n\toptimizer: adam\n",
    "nothing": b"",
    "another version": b"%YAML 9.9\n---\ntrial: {}\n",
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_files_made_to_do_harm(load, content):
    began = time.perf_counter()
    _is_a_study_or_a_clear_error(load, content)
    assert time.perf_counter() - began < 20
    assert not Path("hacked").exists()


@settings(max_examples=30, deadline=None)
@given(content=mutated() | assembled() | st.binary(max_size=50))
def test_what_is_no_study_is_refused_by_the_command_before_it_touches_anything(content, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    folder.mkdir(exist_ok=True)
    file, home = folder / "study.yaml", folder / "home"
    file.write_bytes(content)
    problem = _problem(file)
    if problem is not None:
        printed = io.StringIO()
        with patch.object(sys, "argv", ["hpsearch", "run", str(file), "--home", str(home)]), redirect_stderr(printed):
            assert _run() == EXIT_BAD_INPUT
        assert printed.getvalue() == f"error: {problem}\n"
        assert not home.exists()


def _problem(file: Path) -> StudyFileError | None:
    try:
        load_study(file)
    except StudyFileError as error:
        return error
    return None


@pytest.mark.parametrize(
    "content",
    [
        b"trial: {batch_size: {choice: [" + b",".join(b"%d" % i for i in range(1, 1500)) + b"]}}",
        b"trial: {model: {architecture: mlp, units: [" + b"{int: [1, 2]}," * 300 + b"]}}",
        b"trial: {data: {validation: [" + b"{int: [1, 2]}," * 300 + b"]}}",
        b"trial: {batch_size: {choice: [" * 27 + b"32" + b"]}}" * 27,
        b"trial: {model: " + b"{choice: [" * 25 + b"mlp" + b"]}" * 25 + b"}",
        b"trial: " + b"{x: " * 55 + b"1" + b"}" * 55,
        b"enqueue: [" + b"{batch_size: 7}," * 200 + b"]",
        b"trial: {batch_size: {choice: [" + b"32," * 1500 + b"]}}",
    ],
    ids=["many options", "many ranges", "many tied", "deep", "deep choices", "deep keys", "many wrong", "many twins"],
)
def test_large_files(load, content):
    _is_a_study_or_a_clear_error(load, content)

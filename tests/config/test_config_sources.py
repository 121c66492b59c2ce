"""A user's modules are read, not imported: what they define, which others they import, and digests of their code."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.util import spec_from_loader

import pytest

from hpsearch.config.study import load_study
from hpsearch.config.user_modules import reference_problem, same_source, source_digest, source_files
from hpsearch.errors import StudyFileError

# Importing any of these files would fail.
FILES = {
    "mine.py": "import json, helpers\nfrom pkg.layers import Dense\ndef train():\n    from lazy import late\n1 / 0\n",
    "helpers.py": "import numpy\nimport importlib\nother = importlib.import_module('named')\n",
    "lazy.py": "late = 1\n",
    "named.py": "",
    "pkg/__init__.py": "",
    "pkg/layers.py": "from . import shapes\nfrom .deep.more import x\n",
    "pkg/shapes.py": "",
    "pkg/deep/more.py": "from ..shapes import y\n",
    "unused.py": "",
}


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return [folder]


def test_modules_that_a_module_imports_are_found_with_those_that_they_import(tmp_path):
    folders = write(tmp_path, FILES)
    found = source_files(["mine:train", "json:loads", "absent:x"], folders)
    assert list(found) == sorted(set(FILES) - {"unused.py"})
    assert found["pkg/layers.py"] == tmp_path / "pkg" / "layers.py"


def test_comments_and_formatting_do_not_change_the_code(tmp_path):
    texts = ["x = 1\n", "# One.\nx   = 1\n", "x = 2\n", "x = (\n"]
    digests = [source_digest(write(tmp_path, {"a.py": text})[0] / "a.py") for text in texts]
    assert [same_source(digests[0], digest) for digest in digests] == [True, True, False, False]
    assert {len(digest) for digest in digests} == {32}
    # Another version of Python writes another tree for the same bytes.
    assert same_source(digests[0], "0" * 16 + digests[0][16:])


def test_a_name_that_a_module_does_not_define_is_told(tmp_path):
    cases = [
        ("def load(): ...", None),
        ("try:\n    from elsewhere import load\nexcept ImportError:\n    load = None\n", None),
        ("if True:\n    class load: ...", None),
        ("from elsewhere import *", None),
        ("def __getattr__(name): ...", None),
        ("globals()['load'] = print", None),
        ("first, (load, *rest) = 1, (2, 3)", None),
        ("def lod(): ...\n_private = 1", "unknown name in own.py: 'load' (did you mean 'lod'?); available: lod"),
        ("def other():\n    load = 1\n", "unknown name in own.py: 'load'; available: other"),
        ("def load(:", "'own:load' cannot be imported: own.py, line 1: SyntaxError: invalid syntax"),
    ]
    for text, expected in cases:
        assert reference_problem("own:load", write(tmp_path, {"own.py": text})) == expected, (text, expected)


def test_a_package_that_is_installed_as_editable_is_found_by_its_finder(tmp_path, monkeypatch):
    class Finder(MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            return spec_from_loader(name, loader=None, origin="elsewhere") if name == "installed_as_editable" else None

    assert "there is no module" in reference_problem("installed_as_editable:train", [tmp_path])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert reference_problem("installed_as_editable:train", [tmp_path]) is None


def test_modules_that_are_not_the_users_are_not_looked_into(tmp_path):
    assert reference_problem("json:no_such_name", [tmp_path]) is None
    assert reference_problem("hpsearch.errors:no_such_name", [tmp_path]) is None
    found = reference_problem("pkg.absent:x", write(tmp_path, FILES))
    assert found == f"there is no module 'pkg.absent' in {tmp_path / 'pkg'}"


def test_every_reference_of_a_study_is_looked_up_before_anything_trains(tmp_path):
    write(tmp_path, {"own.py": "def load(): ...\n"})
    file = tmp_path / "own.yaml"
    file.write_text(
        "trial:\n  data:\n    dataset: own:laod\n  schedule: {name: custom, function: own:rate}\n"
        "  training: {callbacks: [own:Callback]}\n"
    )
    with pytest.raises(StudyFileError) as refused:
        load_study(file)
    assert [line.partition("own.yaml:")[2][:30] for line in sorted(refused.value.problems)] == [
        "3: trial.data.dataset: unknown",
        "4: trial.schedule.function: un",
        "5: trial.training.callbacks[0]",
    ]
    file.write_text("trainable: own:train\nobjective: {metric: x, direction: maximize}\ntrial: {x: {float: [0, 1]}}\n")
    with pytest.raises(
        StudyFileError, match=r"own.yaml:1: trainable: unknown name in own.py: 'train'; available: load"
    ):
        load_study(file)

"""What may never stand in the code, read from the code itself; and names that cannot leave their folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpsearch.config.study import load_study
from hpsearch.errors import StudyFileError, UnknownNameError
from hpsearch.search.home import Home
from hpsearch.search.storage import find_study

PACKAGE = Path(__file__).parents[1] / "hpsearch"
# They run what they read.
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen"}
# What must be said where it is called: the default of a library may change, and is not seen by who reads.
MUST_SAY = {
    "load_model": ("safe_mode", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
MUST_NOT_SAY = {"allow_pickle": True, "safe_mode": False, "shell": True}


def findings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"imports {name}" for name in names if name.partition(".")[0] in UNSAFE_MODULES)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            said = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            if name in UNSAFE_CALLS:
                yield f"calls {name}"
            for called in (name, name.rpartition(".")[2]):
                if called in MUST_SAY and said.get(MUST_SAY[called][0]) is not MUST_SAY[called][1]:
                    yield f"calls {name} without {MUST_SAY[called][0]}={MUST_SAY[called][1]}"
            yield from (
                f"calls {name} with {key}={value}" for key, value in MUST_NOT_SAY.items() if said.get(key) is value
            )


def test_nothing_that_is_read_can_run():
    found = {
        str(path.relative_to(PACKAGE)): list(findings(ast.parse(path.read_text()))) for path in PACKAGE.rglob("*.py")
    }
    assert not {path: lines for path, lines in found.items() if lines}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "keras.models.load_model(path)",
        "load_model(path, safe_mode=False)",
        "subprocess.run(line, shell=True)",
        "os.system(line)",
        "yaml.unsafe_load(text)",
    ],
)
def test_this_test_would_find_it(code):
    assert list(findings(ast.parse(code)))


@pytest.mark.parametrize(
    "name",
    ["..", ".", "../x", "/etc/x", "a/b", "a\\b", ".hidden", "-x", "a b", "a\nb", "a\x00", "ä", "a" * 65, "~x", "$HOME"],
)
def test_a_study_name_cannot_leave_its_folder(name, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("trial: {optimizer: adam}\n")
    with pytest.raises(StudyFileError, match=r"name|YAML"):
        load_study(file, [f"name={name!r}"])
    with pytest.raises(UnknownNameError):
        find_study(Home(tmp_path / "home"), name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.yaml"]

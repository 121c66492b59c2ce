"""Where a user's modules are found: before installed packages, never before what Python and hpsearch need."""

from __future__ import annotations

import importlib
import sys
from collections import Counter

import pytest

from hpsearch.config.user_modules import reference_problem, use_folders


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's folder, in use until the test ends."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"whose = 'the user: {name}'\n")


def test_a_users_modules_and_packages_are_found_and_find_each_other(folder):
    write(folder, "a_package/__init__.py", "a_package/part.py", "utils.py", "data.py")
    (folder / "a_module.py").write_text("import data, utils\nfrom a_package.part import whose\n")
    use_folders([folder])
    module = importlib.import_module("a_module")
    assert (module.whose, module.utils.whose) == ("the user: a_package/part.py", "the user: utils.py")


def test_a_users_module_comes_before_an_installed_one_that_hpsearch_does_not_need(folder, tmp_path_factory):
    installed = tmp_path_factory.mktemp("installed")
    write(installed, "helpers_of_tests.py")
    write(folder, "helpers_of_tests.py")
    sys.path.append(str(installed))
    use_folders([folder])
    assert importlib.import_module("helpers_of_tests").__file__ == str(folder / "helpers_of_tests.py")
    assert reference_problem("helpers_of_tests:whose", [folder]) is None


def test_python_s_own_modules_and_what_hpsearch_needs_come_before_a_users(folder):
    # None of them may have been imported.
    names = ["this", "antigravity", "opt_einsum", "hpsearch"]
    free = [name for name in names if name not in sys.modules]
    write(folder, *(f"{name}.py" for name in names))
    use_folders([folder])
    found = {name: importlib.util.find_spec(name).origin for name in free}
    assert not [name for name, origin in found.items() if origin.startswith(str(folder))]


def test_a_folder_is_used_once(folder):
    for _ in range(2):
        use_folders([folder])
    assert Counter(sys.path)[str(folder)] == 1
    assert Counter(type(finder).__name__ for finder in sys.meta_path)["_UserFinder"] == 1


def test_a_name_that_is_taken_is_told_with_the_file_to_rename(tmp_path):
    cases = [
        ("statistics", "a module of Python's own"),
        ("types", "a module of Python's own"),
        ("numpy", "a package that hpsearch needs"),
        ("keras", "a package that hpsearch needs"),
        ("yaml", "a package that hpsearch needs"),
        ("hpsearch", "hpsearch itself"),
    ]
    for module, owner in cases:
        write(tmp_path, f"{module}.py")
        assert reference_problem(f"{module}:name", [tmp_path]) == (
            f"the module '{module}' has the name of {owner}, which would be loaded instead: "
            f"rename {tmp_path / f'{module}.py'}"
        ), (module, owner)
        (tmp_path / f"{module}.py").unlink()
        # Neither is a folder without `__init__.py` a module, nor an installed package that a study file may name.
        (tmp_path / module).mkdir()
        assert reference_problem(f"{module}:name", [tmp_path]) is None, (module, owner)

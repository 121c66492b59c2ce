"""No public name means two things: neither a class, function or constant, nor a module."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "hpsearch"

# A command's module and function have the name of what they call: `hpsearch compare` is `compare` in
# hpsearch/cli/compare.py, which calls the API's or the package's `compare`.


def public_names(path: Path) -> Iterator[str]:
    """The classes, functions and constants that a module defines at its top level."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
        else:
            continue
        yield from (name for name in names if not name.startswith("_"))


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_no_public_name_is_defined_in_two_modules():
    found = defaultdict(set)
    for path in modules():
        for name in public_names(path):
            # Each group of commands is a Typer `app` of its own module.
            if (path.parent.name, name) != ("cli", "app"):
                found[name].add(str(path.relative_to(PACKAGE)))
    twice = {name: sorted(paths) for name, paths in found.items() if len(paths) > 1}
    assert not {name: paths for name, paths in twice.items() if not _is_command(name, paths)}


def _is_command(name: str, paths: list[str]) -> bool:
    """Whether the name is that of a command, of the API's function and of what that function calls, and no other."""
    return f"cli/{name}.py" in paths and len([path for path in paths if not path.startswith(("cli/", "api.py"))]) <= 1


def test_no_two_modules_share_a_name():
    found = defaultdict(set)
    for path in modules():
        if path.stem not in ("__init__", "__main__"):
            found[path.stem].add(str(path.relative_to(PACKAGE)))
    for package in PACKAGE.iterdir():
        if package.is_dir():
            found[package.name].add(package.name)
    twice = {name: paths for name, paths in found.items() if len(paths) > 1}
    unexpected = {
        name: sorted(paths) for name, paths in twice.items() if not (len(paths) == 2 and f"cli/{name}.py" in paths)
    }
    assert not unexpected

"""Where a user's own modules are found, and which of their names are taken.

The user's folders come before installed packages, but never before Python's own modules and the packages that hpsearch
needs: a `statistics.py` beside a study file must not break NumPy.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from types import ModuleType
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from hpsearch.errors import unknown_name

OURS = "hpsearch"


def use_folders(folders: Sequence[Path]) -> None:
    """Make the modules in a user's folders importable in this process, and in those that it starts."""
    paths = [str(folder.absolute()) for folder in folders]
    # At the end, so that a module which is found in no other way is found there; also by the processes that a
    # user's own code starts, which are given `sys.path` alone.
    sys.path += [place for place in paths if place not in sys.path]
    finder = next((finder for finder in sys.meta_path if isinstance(finder, _UserFinder)), None)
    if finder is None:
        finder = _UserFinder()
        sys.meta_path.insert(0, finder)
    finder.paths += [place for place in paths if place not in finder.paths]


def name_clash(module: str, folders: Sequence[Path]) -> str | None:
    """A sentence where a user's module has a name that is taken, so that another module would be loaded.

    Args:
        module: its name, without the package's submodules.
        folders: where it is looked for.
    """
    paths = [str(folder) for folder in folders]
    found = _found_in(module, paths)
    owner = _owner(module, paths) if found is not None else None
    if found is None or owner is None:
        return None
    return f"the module '{module}' has the name of {owner}, which would be loaded instead: rename {found.origin}"


class _UserFinder(MetaPathFinder):
    """Finds a user's top-level modules before installed ones, unless their name is taken."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if path is not None:
            return None
        found = _found_in(fullname, self.paths)
        return None if found is None or _owner(fullname, self.paths) else found


def _found_in(module: str, paths: Sequence[str]) -> ModuleSpec | None:
    """The module in these folders; a folder without `__init__.py` counts as none."""
    found = PathFinder.find_spec(module, paths)
    return found if found is not None and found.loader is not None and found.has_location else None


def _owner(module: str, paths: Sequence[str]) -> str | None:
    """Describe the owner of a module name; None if the user's module may have it."""
    if module in sys.stdlib_module_names:
        return "a module of Python's own"
    if module == OURS:
        return "hpsearch itself"
    elsewhere = _found_in(module, [place for place in sys.path if place not in paths])
    # Looking up the distribution takes one second, so it is done last.
    return "a package that hpsearch needs" if elsewhere is not None and _is_needed(module) else None


@cache
def _is_needed(module: str) -> bool:
    """Whether an installed top-level module belongs to a distribution that hpsearch needs, directly or not."""
    providers = {_normalized(name) for name in packages_distributions().get(module, ())}
    seen: set[str] = set()
    waiting = [OURS]
    while waiting:
        name = waiting.pop()
        if name in providers:
            return True
        if name in seen:
            continue
        seen.add(name)
        try:
            required = requires(name) or []
        except PackageNotFoundError:
            continue
        waiting += [
            _normalized(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in required if "extra ==" not in line
        ]
    return False


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _well_formed(value: str) -> str:
    if not REFERENCE.fullmatch(value):
        raise ValueError(f"must be written as `module:name`, but got {value!r}")
    return value


# The user's own code, in knobs and elsewhere.
CodeReference = Annotated[
    str,
    AfterValidator(_well_formed),
    WithJsonSchema({"type": "string", "pattern": f"^{REFERENCE.pattern}$"}),
]


def missing_module(reference: str, folders: Sequence[Path]) -> str | None:
    """A sentence where the reference's module cannot be loaded from the folders or an installed package.

    Nothing is imported.
    """
    package = reference.partition(":")[0].partition(".")[0]
    if clash := name_clash(package, folders):
        return clash
    if PathFinder.find_spec(package, [*map(str, folders), *sys.path]) is None:
        return f"there is no module '{package}' beside the file or in the current folder"
    return None


# Code that may define names which cannot be read from the text.
_DYNAMIC = {"globals", "locals", "vars", "exec", "eval", "setattr", "__getattr__"}
_HALF = 16


def source_files(references: Iterable[str], folders: Sequence[Path]) -> dict[str, Path]:
    """Find the modules that `module:name` references name, and all modules of the user that these import.

    Modules are looked for in `folders` and on `sys.path`, but not among installed packages and the standard library.

    Returns:
        The files by their names below the folder that holds them, such as `mine.py` and `pkg/layers.py`.
    """
    roots = _roots(folders)
    found: dict[str, Path] = {}
    seen: set[str] = set()
    waiting = [reference.partition(":")[0] for reference in references]
    while waiting:
        for module in _with_parents(waiting.pop()):
            if module in seen:
                continue
            seen.add(module)
            if file := _file_of(module, roots):
                package = file.name == "__init__.py"
                found[module.replace(".", "/") + ("/__init__.py" if package else ".py")] = file
                waiting += _imported(file, module if package else module.rpartition(".")[0])
    return dict(sorted(found.items()))


def source_digest(file: Path) -> str:
    """Return 32 hexadecimal characters: 16 for the syntax tree of a module, 16 for its bytes.

    Comments and formatting are no part of the tree. Another version of Python may write another tree for the same
    bytes, so `same_source` compares both halves.
    """
    content = file.read_bytes()
    try:
        tree = ast.dump(ast.parse(content)).encode()
    except (SyntaxError, ValueError, RecursionError):
        tree = content
    return "".join(hashlib.sha256(part).hexdigest()[:_HALF] for part in (tree, content))


def same_source(one: str, other: str) -> bool:
    """Whether two digests of `source_digest` are of the same code."""
    return one[:_HALF] == other[:_HALF] or one[_HALF:] == other[_HALF:]


def digest_together(digests: Mapping[str, str]) -> str:
    """Return 32 hexadecimal characters for several digests by name; empty where there are none."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:32] if lines else ""


def missing_name(reference: str, folders: Sequence[Path]) -> str | None:
    """Return a sentence where a module of the user's does not define what a reference names, else None."""
    module, _, name = reference.partition(":")
    file = _file_of(module, _roots(folders))
    if file is None:
        return _missing_submodule(module, folders)
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError as error:
        return f"'{reference}' cannot be imported: {file.name}, line {error.lineno}: SyntaxError: {error.msg}"
    except (OSError, ValueError):
        return None
    names = set(_defined(tree.body)) | {each for n in ast.walk(tree) if isinstance(n, ast.Global) for each in n.names}
    if name in names or "*" in names or names & _DYNAMIC or _is_dynamic(tree):
        return None
    return unknown_name(f"name in {file.name}:", name, [known for known in names if not known.startswith("_")])


def _missing_submodule(module: str, folders: Sequence[Path]) -> str | None:
    package = _file_of(module.partition(".")[0], _roots(folders))
    if package is None or "." not in module or any(package.parent.parent.glob(f"{module.replace('.', '/')}*")):
        return None
    return f"there is no module '{module}' in {package.parent}"


def _roots(folders: Sequence[Path]) -> list[Path]:
    """The folders whose modules are the user's own, in the order in which Python looks."""
    installed = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    entries = [Path(entry or Path.cwd()) for entry in sys.path]
    users = [
        entry
        for entry in entries
        if not any(entry.is_relative_to(place) for place in installed)
        and not {"site-packages", "dist-packages"} & set(entry.parts)
    ]
    return list(dict.fromkeys([*folders, *users]))


def _file_of(module: str, roots: Sequence[Path]) -> Path | None:
    """The source file of a module or package; hpsearch itself and Python's own modules are not the user's."""
    parts = module.split(".")
    if parts[0] == "hpsearch" or parts[0] in sys.stdlib_module_names or not all(parts):
        return None
    for root in roots:
        base = root.joinpath(*parts)
        for file in (base / "__init__.py", base.with_name(f"{parts[-1]}.py")):
            if file.is_file():
                return file
    return None


def _with_parents(module: str) -> list[str]:
    """`a.b.c` as a, a.b and a.b.c: Python runs all of them."""
    parts = module.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _imported(file: Path, package: str) -> Iterator[str]:
    """The modules that a file may import, anywhere in it; some may be names in a module instead."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(name, names, level):
                base = ".".join(package.split(".")[: len(package.split(".")) - level + 1]) if level else ""
                source = ".".join(filter(None, (base, name)))
                yield from (source, *(f"{source}.{alias.name}".lstrip(".") for alias in names))
            case ast.Call(ast.Name("__import__") | ast.Attribute(attr="import_module"), [ast.Constant(str(name)), *_]):
                yield name


def _defined(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """The names that a module's statements bind, those inside of `if`, `try`, `with` and loops too."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
            continue
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            below = getattr(statement, field, [])
            for part in below:
                yield from _defined([part] if isinstance(part, ast.stmt) else part.body)
        yield from (n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def _is_dynamic(tree: ast.Module) -> bool:
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(isinstance(function, ast.Name) and function.id in _DYNAMIC for function in calls)

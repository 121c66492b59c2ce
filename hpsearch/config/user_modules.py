"""The user's own modules and functions: where they are found, and their digests, without importing the modules.

Modules are looked for beside the study file, and never before the modules that Python and installed packages need: a
`statistics.py` beside a study file must not break NumPy. Functions that are given as objects to the Python API are
written to a module of their own, so that workers can import them.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
import sysconfig
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from hpsearch.errors import HpsearchError, unknown_name

_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _check_reference(value: str) -> str:
    if not _REFERENCE.fullmatch(value):
        raise ValueError(f"must be written as `module:name`, but got {value!r}")
    return value


# A name in the user's own code, as a study file writes it: `module:name`.
CodeReference = Annotated[
    str, AfterValidator(_check_reference), WithJsonSchema({"type": "string", "pattern": f"^{_REFERENCE.pattern}$"})
]


def use_folders(folders: Sequence[Path]) -> None:
    """Make the modules in the user's folders importable in this process, and in those that it starts."""
    paths = [str(folder.absolute()) for folder in folders]
    # At the end of `sys.path`, for modules that are found in no other way, and for the processes that the user's code
    # starts, which are given `sys.path` alone.
    sys.path += [path for path in paths if path not in sys.path]
    finder = next((finder for finder in sys.meta_path if isinstance(finder, _UserFinder)), None)
    if finder is None:
        finder = _UserFinder()
        sys.meta_path.insert(0, finder)
    finder.paths += [path for path in paths if path not in finder.paths]


class _UserFinder(MetaPathFinder):
    """Finds the user's top-level modules before installed ones, unless their name is taken."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        found = _found_in(fullname, self.paths) if path is None else None
        return None if found is None or _owner(fullname, self.paths) else found


def _found_in(module: str, paths: Sequence[str]) -> ModuleSpec | None:
    """Return the module in these folders; a folder without `__init__.py` counts as none."""
    found = PathFinder.find_spec(module, paths)
    return found if found is not None and found.loader is not None and found.has_location else None


def _owner(module: str, paths: Sequence[str]) -> str | None:
    """Describe the owner of a module name, or return None if the user's module may have it."""
    if module in sys.stdlib_module_names:
        return "a module of Python's own"
    if module == "hpsearch":
        return "hpsearch itself"
    # Looking up the distribution takes one second, so it is done last.
    return "a package that hpsearch needs" if _is_installed(module, paths) and _is_needed(module) else None


def _is_installed(module: str, paths: Sequence[str]) -> bool:
    """Return whether Python finds a module outside of these folders.

    A package that is installed as editable may be in no folder of `sys.path`, so all finders are asked.
    """
    outside = [path for path in sys.path if path not in paths]
    finders = [each for each in sys.meta_path if hasattr(each, "find_spec") and not isinstance(each, _UserFinder)]
    return any(each.find_spec(module, outside if each is PathFinder else None) for each in finders)


@cache
def _is_needed(module: str) -> bool:
    """Return whether an installed module belongs to a distribution that hpsearch needs, directly or not."""
    providers = {_normalized(name) for name in packages_distributions().get(module, ())}
    seen: set[str] = set()
    waiting = ["hpsearch"]
    while waiting:
        name = waiting.pop()
        if name in providers:
            return True
        if name not in seen:
            seen.add(name)
            try:
                lines = [line for line in requires(name) or [] if "extra ==" not in line]
            except PackageNotFoundError:
                continue
            waiting += [_normalized(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in lines]
    return False


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def reference_problem(reference: str, folders: Sequence[Path]) -> str | None:
    """Return why `module:name` cannot be loaded, or None. Nothing is imported.

    Args:
        folders: where the user's modules are looked for, before `sys.path`.
    """
    module, _, name = reference.partition(":")
    package, paths = module.partition(".")[0], list(map(str, folders))
    found = _found_in(package, paths)
    if found is not None and (owner := _owner(package, paths)):
        return f"the module '{package}' has the name of {owner}, which would be loaded instead: rename {found.origin}"
    # A loaded module may be one that no finder finds, such as `__main__`.
    found_anywhere = package in sys.modules or PathFinder.find_spec(package, paths) or _is_installed(package, paths)
    if not found_anywhere:
        return f"there is no module '{package}' beside the file or in the current folder"
    roots = _roots(folders)
    file, parent = _file_of(module, roots), _file_of(package, roots)
    if file is not None:
        return _missing_name(reference, name, file)
    if parent is not None and "." in module and not any(parent.parent.parent.glob(f"{module.replace('.', '/')}*")):
        return f"there is no module '{module}' in {parent.parent}"
    return None


# Code that may define names which cannot be read from the text.
_DYNAMIC = {"globals", "locals", "vars", "exec", "eval", "setattr", "__getattr__"}


def _missing_name(reference: str, name: str, file: Path) -> str | None:
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError as error:
        return f"'{reference}' cannot be imported: {file.name}, line {error.lineno}: SyntaxError: {error.msg}"
    except (OSError, ValueError):
        return None
    names = set(_defined(tree.body))
    called = set()
    for node in ast.walk(tree):
        match node:
            case ast.Global(globals_):
                names |= set(globals_)
            case ast.Call(ast.Name(function)):
                called.add(function)
    if name in names or "*" in names or (names | called) & _DYNAMIC:
        return None
    return unknown_name(f"name in {file.name}:", name, [known for known in names if not known.startswith("_")])


def _defined(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the names that a module's statements bind, those inside of `if`, `try`, `with` and loops too."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
            continue
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            for part in getattr(statement, field, []):
                yield from _defined([part] if isinstance(part, ast.stmt) else part.body)
        yield from (n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


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
        parts = waiting.pop().split(".")
        # Python runs a and a.b before a.b.c.
        for module in (".".join(parts[: count + 1]) for count in range(len(parts))):
            if module not in seen and (file := _file_of(module, roots)):
                is_package = file.name == "__init__.py"
                found[module.replace(".", "/") + ("/__init__.py" if is_package else ".py")] = file
                waiting += _imported(file, module if is_package else module.rpartition(".")[0])
            seen.add(module)
    return dict(sorted(found.items()))


def _roots(folders: Sequence[Path]) -> list[Path]:
    """Return the folders whose modules are the user's, in the order in which Python looks."""
    installed = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    entries = [Path(entry or Path.cwd()) for entry in sys.path]
    users = [
        entry
        for entry in entries
        if not any(entry.is_relative_to(path) for path in installed)
        and not {"site-packages", "dist-packages"} & set(entry.parts)
    ]
    return list(dict.fromkeys([*folders, *users]))


def _file_of(module: str, roots: Sequence[Path]) -> Path | None:
    """Return the source file of one of the user's modules or packages, or None."""
    parts = module.split(".")
    if parts[0] == "hpsearch" or parts[0] in sys.stdlib_module_names or not all(parts):
        return None
    for root in roots:
        base = root.joinpath(*parts)
        for file in (base / "__init__.py", base.with_name(f"{parts[-1]}.py")):
            if file.is_file():
                return file
    return None


def _imported(file: Path, package: str) -> Iterator[str]:
    """Yield the modules that a file may import, anywhere in it; some may be names in a module instead."""
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


_HALF = 16


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
    """Return whether two digests of `source_digest` are of the same code."""
    return one[:_HALF] == other[:_HALF] or one[_HALF:] == other[_HALF:]


def digest_together(digests: Mapping[str, str]) -> str:
    """Return 32 hexadecimal characters for several digests by name; empty where there are none."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:32] if lines else ""


def with_references(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a study file's content in which each function is replaced by a reference `module:function`.

    Args:
        content: of a study file; any value may be a function.
        folder: where the modules are written.

    Raises:
        HpsearchError: a function has no name or text of its own, or refers to something that cannot be written.
    """

    def replaced(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(key): replaced(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [replaced(each) for each in value]
        return _reference(value, folder) if isinstance(value, FunctionType) else value

    return {str(key): replaced(value) for key, value in content.items()}


def _reference(function: FunctionType, folder: Path) -> str:
    """Write the module of a function; return the reference to it."""
    name = function.__name__
    if not name.isidentifier():
        raise HpsearchError("a lambda cannot be given to workers: give a function that is defined with `def`")
    text = f'"""The function `{name}` as it was given to `hpsearch.run`."""\n\n{_text(function)}'
    folder.mkdir(parents=True, exist_ok=True)
    module = folder / f"{name}_{sha256(text.encode()).hexdigest()[:8]}.py"
    module.write_text(text, encoding="utf-8")
    return f"{module.stem}:{name}"


def _text(function: FunctionType) -> str:
    """Return the text of a module with a function and all that it refers to, imports and values first."""
    before: dict[str, str] = {}
    functions: dict[str, str] = {}
    waiting = [function]
    while waiting:
        current = waiting.pop()
        if current.__name__ in functions:
            continue
        functions[current.__name__] = _source(current)
        for name, value in _used(current).items():
            if isinstance(value, FunctionType) and value.__module__ == function.__module__:
                waiting.append(value)
            else:
                before[name] = _statement(name, value, function.__name__)
    return "\n".join([*(before[name] for name in sorted(before)), "", *reversed(functions.values())])


def _used(function: FunctionType) -> dict[str, Any]:
    """Return what a function refers to outside of itself, by name; what Python itself has is left out."""
    used = inspect.getclosurevars(function)
    return {**used.globals, **used.nonlocals}


def _source(function: FunctionType) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        raise HpsearchError(
            f"the text of the function {function.__name__} is not known: define it in a file or a notebook"
        ) from None


def _statement(name: str, value: Any, function: str) -> str:
    """Return the line that gives a name its value."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}"
    if isinstance(value, int | float | str | list | tuple | dict | None) and _is_literal(value):
        return f"{name} = {value!r}"
    module, own_name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if isinstance(module, str) and module != "__main__" and own_name.isidentifier():
        return f"from {module} import {own_name} as {name}"
    raise HpsearchError(
        f"the function {function} refers to `{name}`, a {type(value).__name__}, which cannot be given to workers: "
        f"make it inside of the function, or put both into a module and give its name as `module:{function}`"
    )


def _is_literal(value: Any) -> bool:
    """Return whether a value can be written as Python writes it."""
    if isinstance(value, dict):
        return all(map(_is_literal, [*value, *value.values()]))
    if isinstance(value, list | tuple):
        return all(map(_is_literal, value))
    return value is None or type(value) in (int, float, str, bool)

"""Where a user's own modules are found, and which of their names are taken.

The user's folders come before installed packages, but never before Python's own modules and the packages that hpsearch
needs: a `statistics.py` beside a study file must not break NumPy.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from types import ModuleType

OURS = "hpsearch"


def use_folders(folders: Sequence[Path]) -> None:
    """Make the modules in a user's folders importable in this process, and in those that it starts."""
    places = [str(folder.absolute()) for folder in folders]
    # At the end, so that a module which is found in no other way is found there; also by the processes that a
    # user's own code starts, which are given `sys.path` alone.
    sys.path += [place for place in places if place not in sys.path]
    finder = next((finder for finder in sys.meta_path if isinstance(finder, _UserFinder)), None)
    if finder is None:
        finder = _UserFinder()
        sys.meta_path.insert(0, finder)
    finder.places += [place for place in places if place not in finder.places]


def name_clash(module: str, folders: Sequence[Path]) -> str | None:
    """A sentence where a user's module has a name that is taken, so that another module would be loaded.

    Args:
        module: its name, without the package's submodules.
        folders: where it is looked for.
    """
    places = [str(folder) for folder in folders]
    found = _found_in(module, places)
    owner = _owner(module, places) if found is not None else None
    if found is None or owner is None:
        return None
    return f"the module '{module}' has the name of {owner}, which would be loaded instead: rename {found.origin}"


class _UserFinder(MetaPathFinder):
    """Finds a user's top-level modules before installed ones, unless their name is taken."""

    def __init__(self) -> None:
        self.places: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if path is not None:
            return None
        found = _found_in(fullname, self.places)
        return None if found is None or _owner(fullname, self.places) else found


def _found_in(module: str, places: Sequence[str]) -> ModuleSpec | None:
    """The module in these folders; a folder without `__init__.py` counts as none."""
    found = PathFinder.find_spec(module, places)
    return found if found is not None and found.loader is not None and found.has_location else None


def _owner(module: str, places: Sequence[str]) -> str | None:
    """Describe the owner of a module name; None if the user's module may have it."""
    if module in sys.stdlib_module_names:
        return "a module of Python's own"
    if module == OURS:
        return "hpsearch itself"
    elsewhere = _found_in(module, [place for place in sys.path if place not in places])
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

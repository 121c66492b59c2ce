"""`module:function`, as a file names what a user wrote."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from hpsearch.config.user_modules import name_clash

REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _well_formed(value: str) -> str:
    if not REFERENCE.fullmatch(value):
        raise ValueError(f"must be written as `module:name`, but got {value!r}")
    return value


# A person's own code, in knobs and elsewhere.
OwnCode = Annotated[
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

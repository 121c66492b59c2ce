"""`--set trial.training.max_epochs=3`: any value of a study file, from the command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hpsearch.config.problems import shown
from hpsearch.config.yaml_text import MAX_DEPTH, Document, KeyPath, load_value
from hpsearch.errors import StudyFileError


def apply_overrides(document: Document, overrides: Iterable[str]) -> Document:
    """The document with each `key.path=value` put in place; list items go by their number, from 0.

    Raises:
        StudyFileError: an override that is not `key.path=value`, or whose path leads through a plain value.
    """
    data, places = document.data, document.places
    for override in overrides:
        source = f"--set {override}"
        path_text, equals, value_text = override.partition("=")
        path: KeyPath = tuple(int(key) if key.isdecimal() else key for key in path_text.strip().split("."))
        if not equals or "" in path:
            raise StudyFileError([f"{source}: must be key.path=value, as in trial.training.max_epochs=3"])
        if len(path) > MAX_DEPTH:
            raise StudyFileError([f"{source}: nested more than {MAX_DEPTH} levels deep"])
        data = _put(data, path, load_value(value_text, source), source)
        kept = {known: place for known, place in places.items() if known[: len(path)] != path}
        created = {path[:length]: source for length in range(1, len(path) + 1)}
        places = created | kept
    return replace(document, data=data, places=places)


def _put(data: Any, path: KeyPath, value: Any, source: str) -> Any:
    """`data` with `value` at `path`. What is changed is copied: aliases of the file may share it."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(data, list):
        if not isinstance(key, int) or key >= len(data):
            raise StudyFileError([f"{source}: '{key}' must be the number of one of {len(data)} items, from 0"])
        return [*data[:key], _put(data[key], rest, value, source), *data[key + 1 :]]
    if data is not None and not isinstance(data, dict):
        raise StudyFileError([f"{source}: the value that holds '{key}' is {shown(data)}, which has no keys"])
    name, items = str(key), data or {}
    return {**items, name: _put(items.get(name), rest, value, source)}

"""`--set trial.training.max_epochs=3` and `--quick`: values of a study file that are put in place of its own."""

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
    for override in overrides:
        source = f"--set {override}"
        path_text, equals, value_text = override.partition("=")
        path = _path(path_text)
        if not equals or "" in path:
            raise StudyFileError([f"{source}: must be key.path=value, as in trial.training.max_epochs=3"])
        document = _changed(document, path, load_value(value_text, source), source)
    return document


def quick_version(document: Document, name: str) -> Document:
    """The document with what its section `quick` says put in place, under a name of its own: `<name>-quick`.

    Args:
        name: of the study where the file does not say it.

    Raises:
        StudyFileError: there is no such section, or a path leads through a plain value.
    """
    data = document.data if isinstance(document.data, dict) else {}
    section = data.get("quick")
    if not isinstance(section, dict) or not section:
        where = document.place(("quick",))
        raise StudyFileError(
            [f"{where}: --quick needs a section `quick` of key paths, as in `quick: {{trial.training.max_epochs: 3}}`"]
        )
    document = replace(document, data={key: value for key, value in data.items() if key != "quick"})
    for key, value in section.items():
        place = document.place(("quick", key))
        if "" in _path(key):
            raise StudyFileError([f"{place}: quick: '{key}' must be a key path, as in trial.training.max_epochs"])
        document = _changed(document, _path(key), value, place)
    name = document.data.get("name") or name
    return replace(document, data={**document.data, "name": f"{name}-quick"})


def _path(text: str) -> KeyPath:
    return tuple(int(key) if key.isdecimal() else key for key in text.strip().split("."))


def _changed(document: Document, path: KeyPath, value: Any, source: str) -> Document:
    """The document with `value` at `path`.

    Args:
        source: where the value was written, for messages.
    """
    if len(path) > MAX_DEPTH:
        raise StudyFileError([f"{source}: nested more than {MAX_DEPTH} levels deep"])
    data = _put(document.data, path, value, source)
    kept = {known: place for known, place in document.places.items() if known[: len(path)] != path}
    created = {path[:length]: source for length in range(1, len(path) + 1)}
    return replace(document, data=data, places=created | kept)


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

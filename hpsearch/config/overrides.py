"""`--set trial.training.max_epochs=3`: any value of a study file, from the command line."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from typing import Any

from hpsearch.config.yaml_text import Document, KeyPath, load_value
from hpsearch.errors import StudyFileError


def apply_overrides(document: Document, overrides: Iterable[str]) -> Document:
    """The document with each `key.path=value` put in place; list items go by their number.

    Raises:
        StudyFileError: an override that is not `key.path=value`, or whose path leads through a plain value.
    """
    data, places = deepcopy(document.data), dict(document.places)
    for override in overrides:
        path_text, equals, value_text = override.partition("=")
        path: KeyPath = tuple(int(key) if key.isdigit() else key for key in path_text.strip().split("."))
        if not equals or "" in path:
            raise StudyFileError([f"--set {override}: must be key.path=value, as in trial.training.max_epochs=3"])
        data = _put(data if data is not None else {}, path, load_value(value_text), override)
        for known in [known for known in places if known[: len(path)] == path]:
            del places[known]
        places[path] = f"--set {override}"
    return replace(document, data=data, places=places)


def _put(data: Any, path: KeyPath, value: Any, override: str) -> Any:
    key, rest = path[0], path[1:]
    if isinstance(data, list):
        if not isinstance(key, int) or key >= len(data):
            raise StudyFileError([f"--set {override}: '{key}' must be the number of one of {len(data)} items"])
        data[key] = _put(data[key] if rest else None, rest, value, override) if rest else value
        return data
    if not isinstance(data, dict):
        raise StudyFileError([f"--set {override}: the value that holds '{key}' is {data!r}, which has no keys"])
    name = str(key)
    data[name] = _put(data.get(name, {}), rest, value, override) if rest else value
    return data

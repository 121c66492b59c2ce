"""YAML text to plain data, with the line of every key: what error messages point at.

Numbers and booleans follow YAML 1.2, so `1e-3` is a number and `no` is a word; PyYAML alone follows
YAML 1.1. Only plain data can come out: a tag such as `!!python/object` is refused by the safe loader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hpsearch.errors import StudyFileError

KeyPath = tuple[str | int, ...]

# A study file is a page; these stop files made to exhaust the machine (aliases that multiply, deep nesting).
MAX_BYTES = 1_000_000
MAX_VALUES = 50_000
MAX_DEPTH = 60


@dataclass(frozen=True)
class Document:
    """A parsed file.

    Attributes:
        name: the file's path as the person wrote it.
        data: plain dicts, lists, strings, numbers, booleans and None.
        places: for the path of each key, where it stands: `file:line`.
    """

    name: str
    data: Any
    places: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """`file:line` of the key, or of the nearest enclosing one."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.name


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's booleans, numbers and plain dates."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in {f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "timestamp")}
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: _float(loader.construct_scalar(node)))


def _float(text: str) -> float:
    plain = text.lower().replace(".inf", "inf").replace(".nan", "nan")
    return float(plain)


def load_value(text: str) -> Any:
    """One value as `--set` takes it, for instance `3`, `1e-3`, `[256, 128]` or `{choice: [32, 64]}`."""
    return _parse(text, "--set").data


def load_document(path: Path) -> Document:
    """Read and parse a YAML file.

    Raises:
        StudyFileError: missing, unreadable, not UTF-8, not YAML, too large, or a key stands twice.
    """
    name = str(path)
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise StudyFileError([f"{name}: a study file has at most {MAX_BYTES:,} bytes"])
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StudyFileError([f"{name}: no such file{_known_files(path)}"]) from None
    except UnicodeDecodeError as error:
        raise StudyFileError([f"{name}: not UTF-8 text (byte {error.start})"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StudyFileError([f"{name}: cannot be read: {reason}"]) from None
    return _parse(text, name)


def _known_files(path: Path) -> str:
    """What lies in the folder that was meant, as a hint for a mistyped name."""
    try:
        names = sorted(file.name for file in path.parent.glob("*.y*ml"))
    except OSError:
        return ""
    return f"; {path.parent} has: {', '.join(names)}" if names else ""


def _parse(text: str, name: str) -> Document:
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            return Document(name, None)
        places: dict[KeyPath, str] = {}
        for count, (path, mark) in enumerate(_keys(node, (), name)):
            if count > MAX_VALUES:
                raise StudyFileError([f"{name}: holds more than {MAX_VALUES:,} values"])
            places[path] = name if name == "--set" else f"{name}:{mark.line + 1}"
        loader = _Loader("")
        try:
            data = loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise StudyFileError([_syntax(error, name)]) from None
    except RecursionError:
        raise StudyFileError([f"{name}: nested too deeply"]) from None
    except ValueError as error:
        raise StudyFileError([f"{name}: {error}"]) from None
    return Document(name, data, places)


def _keys(node: yaml.Node, path: KeyPath, name: str) -> Iterator[tuple[KeyPath, yaml.Mark]]:
    """Every key path below `node` with its position; refuses keys that stand twice or are not words."""
    if len(path) > MAX_DEPTH:
        raise StudyFileError([f"{name}:{node.start_mark.line + 1}: nested more than {MAX_DEPTH} levels deep"])
    yield path, node.start_mark
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _keys(item, (*path, index), name)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise StudyFileError([f"{name}:{line}: a key must be a word"])
            if key.value in seen:
                raise StudyFileError([f"{name}:{line}: the key '{key.value}' stands twice"])
            seen.add(key.value)
            for below, mark in _keys(value, (*path, key.value), name):
                yield below, key.start_mark if below == (*path, key.value) else mark


def _syntax(error: yaml.YAMLError, name: str) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"{name}:{mark.line + 1}" if mark is not None else name
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{where}: not valid YAML: {problem}"


def dump(data: Any) -> str:
    """Plain data as YAML text, keys in their order."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)

"""YAML text to plain data, with the line of every key: what error messages point at.

Numbers and booleans follow YAML 1.2, so `1e-3` is a number and `no` is a word; PyYAML alone follows
YAML 1.1. Only plain data can come out: a tag such as `!!python/object` is refused by the safe loader.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from hpsearch.errors import StudyFileError

KeyPath = tuple[str | int, ...]

# A study file is a page; these stop files made to exhaust the machine (aliases that multiply, deep nesting).
MAX_BYTES = 1_000_000
MAX_VALUES = 5_000
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
    """PyYAML's safe loader with YAML 1.2's booleans and numbers, and no types beyond those of JSON."""


_TAG = "tag:yaml.org,2002:"
_WORD, _MERGE = f"{_TAG}str", f"{_TAG}merge"
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"^[-+]?[0-9]+$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)

_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in {f"{_TAG}{kind}" for kind in ("bool", "int", "float", "timestamp")}
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(f"{_TAG}bool", _BOOL, list("tTfF"))
_Loader.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))
_Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag in {f"{_TAG}{kind}" for kind in ("map", "seq", "str", "null")}
}


def _constructor(convert: Callable[[str], Any]) -> Callable[[_Loader, yaml.ScalarNode], Any]:
    def construct(loader: _Loader, node: yaml.ScalarNode) -> Any:
        text = str(loader.construct_scalar(node))
        try:
            return convert(text)
        except ValueError as error:
            raise ConstructorError(problem=str(error), problem_mark=node.start_mark) from None

    return construct


def _bool(text: str) -> bool:
    if not _BOOL.fullmatch(text):
        raise ValueError(f"!!bool must be true or false, but got {text!r}")
    return text.lower() == "true"


def _float(text: str) -> float:
    plain = text.lower().replace(".inf", "inf").replace(".nan", "nan")
    return float(plain)


_Loader.add_constructor(f"{_TAG}bool", _constructor(_bool))
_Loader.add_constructor(f"{_TAG}int", _constructor(int))
_Loader.add_constructor(f"{_TAG}float", _constructor(_float))


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper; it also quotes the words that are numbers in YAML 1.2 alone, such as `1e3`."""


_Dumper.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
_Dumper.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))


def load_value(text: str, source: str) -> Any:
    """One value as `--set` takes it, for instance `3`, `1e-3`, `[256, 128]` or `{choice: [32, 64]}`.

    Args:
        source: where it was written, for messages.
    """
    return _parse(text, source, lambda _line: source).data


def load_document(path: Path) -> Document:
    """Read and parse a YAML file.

    Raises:
        StudyFileError: missing, unreadable, not UTF-8, not YAML, too large, or a key stands twice.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise StudyFileError([f"{name}: a study file has at most {MAX_BYTES:,} bytes"])
        text = content.decode("utf-8")
    except FileNotFoundError:
        raise StudyFileError([f"{name}: no such file{_known_files(path)}"]) from None
    except UnicodeDecodeError as error:
        raise StudyFileError([f"{name}: not UTF-8 text (byte {error.start})"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StudyFileError([f"{name}: cannot be read: {reason}"]) from None
    return _parse(text, name, lambda line: f"{name}:{line}")


def _known_files(path: Path) -> str:
    """What lies in the folder that was meant, as a hint for a mistyped name."""
    try:
        names = sorted(file.name for file in path.parent.glob("[!.]*.y*ml"))
    except OSError:
        return ""
    return f"; {path.parent} has: {', '.join(names)}" if names else ""


def _parse(text: str, name: str, place: Callable[[int], str]) -> Document:
    """The document of a text.

    Args:
        place: where a line (counted from 1) stands, for messages.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            return Document(name, None)
        places: dict[KeyPath, str] = {}
        for count, (path, line) in enumerate(_keys(node, (), place), start=1):
            if count > MAX_VALUES:
                raise StudyFileError([f"{name}: holds more than {MAX_VALUES:,} values"])
            places[path] = place(line)
        loader = _Loader("")
        try:
            data = loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise StudyFileError([_syntax(error, name, place)]) from None
    except RecursionError:
        raise StudyFileError([f"{name}: nested too deeply"]) from None
    except (ValueError, OverflowError) as error:
        # An escape such as \UFFFFFFFF, which is beyond Unicode.
        raise StudyFileError([f"{name}: not valid YAML: {error}"]) from None
    return Document(name, data, places)


def _keys(node: yaml.Node, path: KeyPath, place: Callable[[int], str]) -> Iterator[tuple[KeyPath, int]]:
    """Every key path below `node` with its line; refuses keys that stand twice or are not words."""
    line = node.start_mark.line + 1
    if len(path) > MAX_DEPTH:
        raise StudyFileError([f"{place(line)}: nested more than {MAX_DEPTH} levels deep"])
    yield path, line
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _keys(item, (*path, index), place)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise StudyFileError([f"{place(line)}: a key must be a word, but got a list or a mapping"])
            if key.tag not in (_WORD, _MERGE):
                raise StudyFileError([f"{place(line)}: a key must be a word, but got {key.value or 'nothing'}"])
            if key.value in seen:
                raise StudyFileError([f"{place(line)}: the key '{key.value}' stands twice"])
            seen.add(key.value)
            for below, below_line in _keys(value, (*path, key.value), place):
                yield below, line if below == (*path, key.value) else below_line


def _syntax(error: yaml.YAMLError, name: str, place: Callable[[int], str]) -> str:
    mark = getattr(error, "problem_mark", None)
    where = place(mark.line + 1) if mark is not None else name
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{where}: not valid YAML: {problem}"


def dump(data: Any) -> str:
    """Plain data as YAML text, keys in their order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


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
        raise StudyFileError([f"{source}: the value that holds '{key}' is {shown_value(data)}, which has no keys"])
    name, items = str(key), data or {}
    return {**items, name: _put(items.get(name), rest, value, source)}


def inline_yaml(value: Any) -> str:
    """Return plain data in one line of YAML: `{float: [0.001, 0.1], log: true}`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {inline_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline_yaml, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][\w ./-]*", value):
        return repr(value)
    return str(value)


def shown_value(value: Any) -> str:
    """Return a value as a message shows it, in at most 60 characters."""
    text = repr(value) if isinstance(value, str) else inline_yaml(value)
    return text if len(text) <= 60 else text[:57] + "..."

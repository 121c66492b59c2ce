"""YAML text to plain data, with the line of each key for messages; `--set` and `--quick` change such data.

Numbers and booleans follow YAML 1.2: `1e-3` is a number, `no` and `on` are words. Only plain data comes out.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

from ruamel.yaml import YAML
from ruamel.yaml.emitter import Emitter
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.representer import SafeRepresenter

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
        name: the file's path as the user wrote it.
        data: plain dicts, lists, strings, numbers, booleans and None.
        locations: `file:line` of each key path.
    """

    name: str
    data: Any
    locations: dict[KeyPath, str] = field(default_factory=dict)

    def location(self, path: KeyPath) -> str:
        """Return `file:line` of the key, or of the nearest enclosing one."""
        known = (path[:length] for length in range(len(path), -1, -1) if path[:length] in self.locations)
        return self.locations[found] if (found := next(known, None)) is not None else self.name


def load_value(text: str, source: str) -> Any:
    """Return one value as `--set` takes it, for instance `3`, `1e-3`, `[256, 128]` or `{choice: [32, 64]}`.

    Args:
        source: where it was written, for messages.
    """
    return _parse(text, source, lambda _line: source).data


def load_document(path: Path) -> Document:
    """Read and parse a YAML file.

    Raises:
        StudyFileError: missing, unreadable, not UTF-8, not YAML, too large, or a key occurs twice.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise StudyFileError([f"{name}: a study file has at most {MAX_BYTES:,} bytes"])
        text = content.decode("utf-8")
    except FileNotFoundError:
        beside = sorted(file.name for file in path.parent.glob("[!.]*.y*ml"))
        known = f"; {path.parent} has: {', '.join(beside)}" if beside else ""
        raise StudyFileError([f"{name}: no such file{known}"]) from None
    except UnicodeDecodeError as error:
        raise StudyFileError([f"{name}: not UTF-8 text (byte {error.start})"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StudyFileError([f"{name}: cannot be read: {reason}"]) from None
    return _parse(text, name, lambda line: f"{name}:{line}")


def _parse(text: str, name: str, location: Callable[[int], str]) -> Document:
    """Return the document of a text; `location` returns the place of a line, counted from 1."""
    reader = _Reader(name, location)
    try:
        node = YAML(typ="safe", pure=True, plug_ins=[]).compose(text)
        data = None if node is None else reader.read(node, (), node.start_mark.line + 1)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        where = name if mark is None else location(mark.line + 1)
        raise StudyFileError([f"{where}: not valid YAML: {problem}"]) from None
    except RecursionError:
        raise StudyFileError([f"{name}: nested too deeply"]) from None
    except (ValueError, OverflowError) as error:
        # An escape such as \UFFFFFFFF, which is beyond Unicode.
        raise StudyFileError([f"{name}: not valid YAML: {error}"]) from None
    return Document(name, data, reader.locations)


_TAG = "tag:yaml.org,2002:"
_WORD = f"{_TAG}str"


def _bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"!!bool must be true or false, but got {text!r}")
    return text.lower() == "true"


_SCALARS: dict[str, Callable[[str], Any]] = {
    _WORD: str,
    f"{_TAG}null": lambda _text: None,
    f"{_TAG}bool": _bool,
    f"{_TAG}int": int,
    f"{_TAG}float": lambda text: float(re.sub(r"\.(inf|nan)", r"\1", text.lower())),
}


def _tag_of(node: ScalarNode) -> str:
    """Return the tag of a scalar; dates, `=`, 1_000 and 0x10 are words, since JSON has no such values."""
    tag, text = str(node.tag).removeprefix(_TAG), node.value
    is_no_json = node.style is None and (re.match(r"[-+]?0[box]", text) or "_" in text)
    return _WORD if tag in ("timestamp", "value") or (tag in ("int", "float") and is_no_json) else str(node.tag)


class _Reader:
    """Builds plain data from ruamel.yaml's nodes, which know their lines.

    Attributes:
        locations: `file:line` of each key path that was read.
    """

    def __init__(self, name: str, location: Callable[[int], str]) -> None:
        self._name, self._location = name, location
        self.locations: dict[KeyPath, str] = {}

    def read(self, node: Node, path: KeyPath, line: int) -> Any:
        """Return the data of a node; `line` is that of its key."""
        if len(path) > MAX_DEPTH:
            raise self._refusal(line, f"nested more than {MAX_DEPTH} levels deep")
        if len(self.locations) >= MAX_VALUES:
            raise StudyFileError([f"{self._name}: holds more than {MAX_VALUES:,} values"])
        self.locations[path] = self._location(line)
        if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path)
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            items = enumerate(node.value)
            return [self.read(item, (*path, index), item.start_mark.line + 1) for index, item in items]
        if not isinstance(node, ScalarNode) or _tag_of(node) not in _SCALARS:
            raise self._refusal(line, f"not valid YAML: the tag {node.tag} cannot stand here")
        try:
            return _SCALARS[_tag_of(node)](node.value)
        except ValueError as error:
            raise self._refusal(line, f"not valid YAML: {error}") from None

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                raise self._refusal(line, "a key must be a word, but got a list or a mapping")
            if _tag_of(key) not in (_WORD, f"{_TAG}merge"):
                raise self._refusal(line, f"a key must be a word, but got {key.value or 'nothing'}")
            if (*path, key.value) in self.locations:
                raise self._refusal(line, f"the key '{key.value}' stands twice")
            data = self.read(value, (*path, key.value), line)
            if _tag_of(key) == _WORD:
                own[key.value] = data
                continue
            for mapping in reversed(data if isinstance(data, list) else [data]):
                if not isinstance(mapping, dict):
                    raise self._refusal(line, f"`<<` takes mappings, but got {shown_value(mapping)}")
                merged |= mapping
        return merged | own

    def _refusal(self, line: int, sentence: str) -> StudyFileError:
        return StudyFileError([f"{self._location(line)}: {sentence}"])


# Words that tools with YAML 1.1 read as something else; they are quoted.
_YAML_1_1 = re.compile(r"(?i:yes|no|on|off)|[-+]?[\d_]+(:[0-5]?\d)+(\.[\d_]*)?")


class _Representer(SafeRepresenter):
    """Writes floats as YAML 1.1 and 1.2 read them alike: 1.1 takes `1e-05` for a word."""

    def represent_float(self, data: float) -> ScalarNode:
        node = super().represent_float(data)
        node.value = node.value if "." in node.value else node.value.replace("e", ".0e")
        return node


_Representer.add_representer(float, _Representer.represent_float)


class _Emitter(Emitter):
    """Quotes what other YAML tools would misread, and wraps lines between the entries of a mapping only."""

    def choose_scalar_style(self) -> Any:
        text, is_text = self.event.value, self.event.implicit[1]
        quoted = is_text and (_YAML_1_1.fullmatch(text) or re.search(r"[?:]" if self.flow_level else "^[?:]", text))
        if not quoted and (style := super().choose_scalar_style()) == "":
            return style
        self.event.style = self.event.style or "'"
        return super().choose_scalar_style()

    def write_plain(self, text: str, split: bool = True) -> None:
        width = self.best_width
        self.best_width = width if " " in text else sys.maxsize
        super().write_plain(text, split)
        self.best_width = width


def dump(data: Any, *, flow: bool | None = None, width: int = 110) -> str:
    """Return plain data as YAML text, keys in their order.

    Args:
        flow: whether collections are written in one line; None: only those that hold no other collections.
    """
    yaml = YAML(typ="safe", pure=True, plug_ins=[])
    yaml.Representer, yaml.Emitter = _Representer, _Emitter
    settings: dict[str, Any] = {"default_flow_style": flow, "width": width, "sort_base_mapping_type_on_output": False}
    for name, value in settings.items():
        setattr(yaml, name, value)
    text = io.StringIO()
    yaml.dump(data, text)
    return text.getvalue()


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


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


def apply_overrides(document: Document, overrides: Iterable[str]) -> Document:
    """Return the document with each `key.path=value` set; list items are addressed by their number, from 0.

    Raises:
        StudyFileError: an override that is not `key.path=value`, or whose path leads through a plain value.
    """
    for override in overrides:
        source = f"--set {override}"
        path, equals, text = override.partition("=")
        if not equals or "" in _key_path(path):
            raise StudyFileError([f"{source}: must be key.path=value, as in trial.training.max_epochs=3"])
        document = _changed(document, _key_path(path), load_value(text, source), source)
    return document


def quick_version(document: Document, name: str) -> Document:
    """Return the document with the values of its section `quick` set, named `<name>-quick`.

    Args:
        name: of the study where the file has none.

    Raises:
        StudyFileError: there is no such section, or a path leads through a plain value.
    """
    data = document.data if isinstance(document.data, dict) else {}
    section = data.get("quick")
    if not isinstance(section, dict) or not section:
        where = document.location(("quick",))
        raise StudyFileError(
            [f"{where}: --quick needs a section `quick` of key paths, as in `quick: {{trial.training.max_epochs: 3}}`"]
        )
    document = replace(document, data={key: value for key, value in data.items() if key != "quick"})
    for key, value in section.items():
        where = document.location(("quick", key))
        if "" in _key_path(key):
            raise StudyFileError([f"{where}: quick: '{key}' must be a key path, as in trial.training.max_epochs"])
        document = _changed(document, _key_path(key), value, where)
    return replace(document, data={**document.data, "name": f"{document.data.get('name') or name}-quick"})


def _key_path(text: str) -> KeyPath:
    return tuple(int(key) if key.isdecimal() else key for key in text.strip().split("."))


def _changed(document: Document, path: KeyPath, value: Any, source: str) -> Document:
    """Return the document with `value`, which was written at `source`, at `path`."""
    if len(path) > MAX_DEPTH:
        raise StudyFileError([f"{source}: nested more than {MAX_DEPTH} levels deep"])
    kept = {known: where for known, where in document.locations.items() if known[: len(path)] != path}
    created = {path[:length]: source for length in range(1, len(path) + 1)}
    return replace(document, data=_put(document.data, path, value, source), locations=created | kept)


def _put(data: Any, path: KeyPath, value: Any, source: str) -> Any:
    """Return `data` with `value` at `path`. What is changed is copied: aliases of the file may share it."""
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

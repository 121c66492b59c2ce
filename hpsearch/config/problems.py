"""The errors of a file, in one line each: where, which rule, which value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hpsearch.config import foreign
from hpsearch.config.trial import SELECTIONS
from hpsearch.config.yaml_text import Document, KeyPath, shown_value
from hpsearch.errors import StudyFileError, unknown_name

# (path below the validated value, what is wrong).
Problem = tuple[KeyPath, str]

_BOUNDS = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}
_TYPES = {
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a word or text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a name or a mapping of keys to values",
    "finite_number": "a finite number",
    "none_required": "null",
}

# The pydantic errors where a whole number is expected, and where any single value is.
_WHOLE = {"int_type", "int_from_float", "int_parsing"}
_ONE_VALUE = _WHOLE | {"float_type", "float_parsing", "bool_type", "string_type", "model_attributes_type"}

# Sections of several forms. Pydantic's location of an error contains the form, the key path in the file does not.
_TAGGED: tuple[KeyPath, ...] = (
    ("training", "class_weight"),
    ("batch_size",),
    *((section,) for section, (_, entries) in SELECTIONS.items() if len(entries) > 1),
    ("search", "sampler"),
    ("search", "pruner"),
)


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return each error of a pydantic validation as a path and a sentence."""
    return [_problem(detail, model) for detail in error.errors(include_url=False)]


def _problem(detail: ErrorDetails, model: type[BaseModel]) -> Problem:
    path = _without_tags(detail["loc"])
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    tag = str(context.get("discriminator")).strip("'")
    match kind:
        case "extra_forbidden":
            return path, unknown_name("key", path[-1], known_keys(model, detail["loc"][:-1]))
        case "missing":
            return path[:-1], f"the key '{path[-1]}' is missing"
        case "union_tag_not_found":
            return path, f"the key '{tag}' is missing"
        case "union_tag_invalid":
            given = value.get(tag) if isinstance(value, Mapping) else None
            if isinstance(given, list):
                return (*path, tag), _but_got("must be a word", given, foreign.several_hint(given))
            known = re.findall(r"'([^']*)'", str(context["expected_tags"]))
            return (*path, tag), unknown_name(str(path[-1]), context["tag"], known)
        case "literal_error":
            names = re.findall(r"'([^']*)'", str(context["expected"]))
            if not isinstance(value, str) or not names:
                hint = foreign.several_hint(value) if isinstance(value, list) else None
                return path, _but_got(f"must be {context['expected']}", value, hint)
            # `name` and `architecture` select an entry: the message names the unknown loss, not the key.
            selects = len(path) == 2 and path[0] in SELECTIONS and path[1] == SELECTIONS[str(path[0])][0]
            # The singular of the list's name is the word for an item: `metrics`.
            last = path[-1] if isinstance(path[-1], str) else str(path[-2]).removesuffix("s")
            return path, unknown_name(str(path[0] if selects else last), value, names)
        case "value_error":
            sentence = str(context["error"])
            named = re.search(r"`(\w+)`", sentence)
            # A sentence that begins with the value names its key as its location does: `batch_size is 9, but ...`.
            plain = re.sub(r"^`(\w+)` is ", r"\1 is ", sentence)
            return (*path, *_way_to(named[1], value)) if named else path, plain
    if kind in _BOUNDS:
        limit = next(iter(context.values()))
        text = f"{int(limit):,}" if limit == int(limit) else f"{limit:g}"
        return path, _but_got(f"must be {_BOUNDS[kind]} {text}", value)
    rule = f"must be {_TYPES[kind]}" if kind in _TYPES else detail["msg"][:1].lower() + detail["msg"][1:]
    hint = foreign.several_hint(value, whole=kind in _WHOLE) if kind in _ONE_VALUE else None
    return path, _but_got(rule, value, hint)


def _but_got(rule: str, value: Any, hint: str | None = None) -> str:
    return f"{rule}, but got {shown_value(value)}{f'; {hint}' if hint else ''}"


def _way_to(key: str, value: Any) -> KeyPath:
    """Return the path to a key of the value or of one of its sections; empty if none or several have it."""
    if not isinstance(value, Mapping):
        return ()
    below = [(name, key) for name, section in value.items() if isinstance(section, Mapping) and key in section]
    return (key,) if key in value else below[0] if len(below) == 1 else ()


def _without_tags(loc: tuple[int | str, ...]) -> KeyPath:
    """Return the key path in the file: pydantic names the selected entry between a section and its knob."""
    for section in _TAGGED:
        if loc[: len(section)] == section and len(loc) > len(section):
            return (*section, *loc[len(section) + 1 :])
    return loc


def dotted(path: KeyPath) -> str:
    """Return a key path as `trial.optimizer.choice[0].learning_rate`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def problem_error(document: Document, found: Iterable[Problem]) -> StudyFileError:
    """Return the error with all problems, each once: `file:line: key.path: sentence`."""
    lines = []
    for path, sentence in dict.fromkeys(found):
        where = ": ".join(part for part in (document.location(path), dotted(path)) if part)
        lines.append(f"{where}: {sentence}")
    return StudyFileError(lines)


def raise_problems(document: Document, found: Iterable[Problem]) -> None:
    """Raise the error with all problems, if there are any."""
    if found := list(found):
        raise problem_error(document, found)


def known_keys(model: type[BaseModel], location: KeyPath) -> list[str]:
    """Return the keys that a mapping may have, for the hint after a misspelt one.

    Args:
        location: of the mapping, as pydantic gives it: with the name of each selected catalogue entry.
    """
    models = [model]
    for key in location:
        fields = [field for each in models for name, field in each.model_fields.items() if key in (name, field.alias)]
        # The entry's name selects one of several models.
        named = [each for each in models if key in get_args(next(iter(each.model_fields.values())).annotation)]
        models = [each for field in fields for each in _models(field.annotation)] or named
    return sorted({field.alias or name for each in models for name, field in each.model_fields.items()})


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [each for part in get_args(annotation) for each in _models(part)]


_ABSENT = object()


def changes(was: Any, now: Any, path: KeyPath = ()) -> Iterator[str]:
    """Yield each difference between two trees of plain data: `trial.batch_size: was 32, is now 64`."""
    if isinstance(was, dict) and isinstance(now, dict):
        pairs: dict[Any, Any] = {key: (was.get(key, _ABSENT), now.get(key, _ABSENT)) for key in {**was, **now}}
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        pairs = dict(enumerate(zip(was, now, strict=True)))
    else:
        if was != now:
            before, after = ("absent" if value is _ABSENT else repr(value) for value in (was, now))
            yield f"{dotted(path)}: was {before}, is now {after}"
        return
    for key, (before, after) in pairs.items():
        yield from changes(before, after, (*path, key))

"""The JSON Schema of study files: an editor that reads it completes keys and marks mistakes.

It is pydantic's own schema of the file and of TrialConfig, with one change: below `trial:`, wherever a
value may stand, a distribution may stand instead.
"""

from __future__ import annotations

from typing import Any

from hpsearch.config.file import StudyFile, TrainableStudyFile
from hpsearch.config.space import RANGES
from hpsearch.config.trial import TrialConfig

# Which distributions can yield which JSON type.
_NUMERIC = {"number": ("float", "int", "one_minus"), "integer": ("int",)}


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a study file."""
    schema = StudyFile.model_json_schema()
    # With `trainable` the keys under `trial` are the user's.
    user_schema = TrainableStudyFile.model_json_schema()
    trial = TrialConfig.model_json_schema(ref_template="#/$defs/trial.{model}")
    definitions = {f"trial.{name}": _open(node) for name, node in trial.pop("$defs").items()}
    definitions |= {f"distribution.{kind}": model.model_json_schema() for kind, model in RANGES.items()}
    schema["$defs"] |= {**user_schema["$defs"], **definitions, "trial": _open(trial)}
    properties = schema["properties"]
    objective, properties["objective"] = properties["objective"], {}
    properties |= {"trainable": user_schema["properties"]["trainable"], "trial": {"type": "object"}}
    return schema | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hpsearch study file",
        # A file's name is its study's name unless it says otherwise.
        "required": [key for key in schema["required"] if key != "name"],
        "if": {"required": ["trainable"]},
        "then": {"properties": {"objective": user_schema["properties"]["objective"]}},
        "else": {"properties": {"objective": objective, "trial": {"$ref": "#/$defs/trial"}}},
    }


def _open(node: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping's schema in which each value may be a distribution instead."""
    properties = node.get("properties", {})
    opened = {key: value if "const" in value else _or_distribution(value) for key, value in properties.items()}
    return {**node, "properties": opened} if opened else node


def _or_distribution(value: dict[str, Any]) -> dict[str, Any]:
    """Return `value`, or a choice of such values (which may hold distributions again), or a range of numbers."""
    if value.get("type") == "array":
        value = {**value, "items": _or_distribution(value["items"])}
    kinds = {value.get("type")} | {option.get("type") for option in value.get("anyOf", [])}
    ranges = sorted({name for kind in kinds for name in _NUMERIC.get(str(kind), ())})
    numeric = [{"$ref": f"#/$defs/distribution.{name}"} for name in ranges]
    option = {"anyOf": [value, *numeric, {"type": "object", "required": ["choice"]}]}
    listed = {"type": "array", "minItems": 1, "items": option}
    labelled = {"type": "object", "minProperties": 1, "additionalProperties": option}
    choice = {
        "type": "object",
        "properties": {"choice": {"anyOf": [listed, labelled]}},
        "required": ["choice"],
        "additionalProperties": False,
    }
    about: dict[str, Any] = {key: value[key] for key in ("description", "default") if key in value}
    return {**about, "anyOf": [value, *numeric, choice]}

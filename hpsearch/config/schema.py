"""The JSON Schema of study files: an editor that reads it completes keys and marks mistakes.

It is pydantic's own schema of the file and of TrialConfig, with one change: below `trial:`, wherever a
value may stand, a distribution may stand instead.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hpsearch.catalogue.metrics import DIRECTIONS
from hpsearch.config.file import StudyFile, TrainableStudyFile
from hpsearch.config.trial import SELECTIONS, TrialConfig

_PAIR = {"type": "array", "minItems": 2, "maxItems": 2}
_DISTRIBUTIONS: dict[str, Any] = {
    "float": {
        "type": "object",
        "description": "a real number in [low, high]",
        "properties": {"float": {**_PAIR, "items": {"type": "number"}}, "log": {"type": "boolean"}},
        "required": ["float"],
        "additionalProperties": False,
    },
    "int": {
        "type": "object",
        "description": "a whole number in [low, high]",
        "properties": {
            "int": {**_PAIR, "items": {"type": "integer"}},
            "log": {"type": "boolean"},
            "step": {"type": "integer", "minimum": 1},
        },
        "required": ["int"],
        "additionalProperties": False,
    },
    "one_minus": {
        "type": "object",
        "description": "the value 1 - x, x in [low, high]: for momentum and betas",
        "properties": {"one_minus": {**_PAIR, "items": {"type": "number"}}, "log": {"type": "boolean"}},
        "required": ["one_minus"],
        "additionalProperties": False,
    },
}
# Which distributions can yield which JSON type.
_NUMERIC = {"number": ("float", "int", "one_minus"), "integer": ("int",)}
# Numbers that may be written with a unit: `20m`, `4GB`.
_WITH_UNITS = {
    "SearchConfig": ("timeout",),
    "Limits": ("trial_seconds", "epoch_seconds", "memory", "checkpoint_seconds"),
}


def study_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a study file."""
    schema = StudyFile.model_json_schema(ref_template="#/$defs/{model}")
    trial = TrialConfig.model_json_schema(ref_template="#/$defs/trial.{model}")
    definitions = {f"trial.{name}": _open(node) for name, node in trial.pop("$defs").items()}
    definitions |= {f"distribution.{name}": node for name, node in _DISTRIBUTIONS.items()}
    definitions["trial"] = _open(trial)
    _allow_bare_names(definitions["trial"])
    schema["$defs"] |= definitions
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "hpsearch study file"
    # With `trainable` the keys under `trial` are the user's.
    own = TrainableStudyFile.model_json_schema(ref_template="#/$defs/{model}")
    schema["$defs"] |= {name: own["$defs"][name] for name in ("TrainableObjective",)}
    schema["properties"]["trainable"] = own["properties"]["trainable"]
    # `objective: val_loss` is short for its metric.
    short = {"enum": list(DIRECTIONS)}
    keras_objective = {"anyOf": [schema["properties"]["objective"], short]}
    schema["properties"]["objective"] = {}
    schema["properties"]["trial"] = {"type": "object"}
    schema["if"] = {"required": ["trainable"]}
    schema["then"] = {"properties": {"objective": {"anyOf": [own["properties"]["objective"], short]}}}
    schema["else"] = {"properties": {"objective": keras_objective, "trial": {"$ref": "#/$defs/trial"}}}
    schema["properties"]["enqueue"]["items"] = {"type": "object"}
    for name in ("sampler", "pruner"):
        node = schema["$defs"]["SearchConfig"]["properties"][name]
        names = list(node["discriminator"]["mapping"])
        schema["$defs"]["SearchConfig"]["properties"][name] = {"anyOf": [{"enum": names}, node]}
    for section, written in _WITH_UNITS.items():
        properties = schema["$defs"][section]["properties"]
        properties |= {name: {"anyOf": [properties[name], {"type": "string"}]} for name in written}
    # A file's name is its study's name unless it says otherwise.
    schema["required"] = [key for key in schema.get("required", []) if key != "name"]
    return schema


def _open(node: dict[str, Any]) -> dict[str, Any]:
    """A mapping's schema in which each value may be a distribution instead."""
    opened = deepcopy(node)
    for key, value in opened.get("properties", {}).items():
        if "const" not in value:
            opened["properties"][key] = _or_distribution(value)
    return opened


def _or_distribution(value: dict[str, Any]) -> dict[str, Any]:
    """`value`, or a choice of such values (which may hold distributions again), or a range of numbers."""
    if value.get("type") == "array":
        value = {**value, "items": _or_distribution(value["items"])}
    kinds = {value.get("type")} | {option.get("type") for option in value.get("anyOf", [])}
    ranges = sorted({name for kind in kinds for name in _NUMERIC.get(str(kind), ())})
    numeric = [{"$ref": f"#/$defs/distribution.{name}"} for name in ranges]
    about: dict[str, Any] = {key: value[key] for key in ("description", "default") if key in value}
    option = {"anyOf": [value, *numeric, {"type": "object", "required": ["choice"]}]}
    listed = {"type": "array", "minItems": 1, "items": option}
    labelled = {"type": "object", "minProperties": 1, "additionalProperties": option}
    choice = {
        "type": "object",
        "properties": {"choice": {"anyOf": [listed, labelled]}},
        "required": ["choice"],
        "additionalProperties": False,
    }
    return {**about, "anyOf": [value, *numeric, choice]}


def _allow_bare_names(trial: dict[str, Any]) -> None:
    """`schedule: cosine` is short for `schedule: {name: cosine}`, in a choice too."""
    for section, (_, rows) in SELECTIONS.items():
        value = trial["properties"][section]
        bare = {"enum": [row.name for row in rows.values() if row.complete]}
        choice = next(option for option in value["anyOf"] if "choice" in option.get("properties", {}))
        # The option is the same object in both forms of the choice.
        choice["properties"]["choice"]["anyOf"][0]["items"]["anyOf"].append(bare)
        value["anyOf"].append(bare)

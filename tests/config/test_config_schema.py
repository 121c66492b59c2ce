"""The JSON Schema of study files: valid itself, and of one mind with what `load_study` takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from hpsearch.config.file import study_schema
from hpsearch.config.space import concrete, corners, pick_from
from hpsearch.config.study import load_study
from hpsearch.config.trial import SELECTIONS, TrialConfig
from hpsearch.config.yaml_text import dump, load_value

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator():
    return Draft202012Validator(study_schema())


def test_the_schema_is_a_json_schema(validator):
    Draft202012Validator.check_schema(validator.schema)
    assert validator.schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_every_reference_leads_somewhere(validator):
    def references(node):
        if isinstance(node, dict):
            yield from [node["$ref"]] if "$ref" in node else []
            yield from node.get("discriminator", {}).get("mapping", {}).values()
        below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
        for item in below:
            yield from references(item)

    found = set(references(validator.schema))
    assert found
    assert {reference.removeprefix("#/$defs/") for reference in found} <= set(validator.schema["$defs"])


def test_it_accepts_the_study_files_of_the_project(validator):
    for path in STUDIES:
        validator.validate(load_value(path.read_text(), path.name))


@pytest.mark.e2e
def test_it_accepts_every_configuration_that_a_study_may_export(validator):
    for path in STUDIES:
        spec = load_study(path)
        for corner in (concrete(spec.space, pick_from(params)) for params in corners(spec.space)):
            config = TrialConfig.model_validate(corner).plain()
            objective = spec.objective.model_dump(mode="json")
            exported = dump({"name": "best", "objective": objective, "trial": config})
            validator.validate(load_value(exported, "best"))


def test_it_accepts_every_row_by_its_bare_name_and_with_its_defaults(validator):
    for section, (key, rows) in SELECTIONS.items():
        for row in rows.values():
            knobs = {name: list(v) if isinstance(v, tuple) else v for name, v in row.defaults().items()}
            ranges = row.recommended()
            own: dict[str, object] = dict.fromkeys(row.references(), "module:name")
            own |= {"values": [0.1, 0.01]} if row.name == "piecewise_constant" else {}
            whole = {key: row.name, **own}
            for value in (row.name if row.complete else whole, whole, whole | knobs, whole | ranges):
                validator.validate({"trial": {section: value}})
                validator.validate({"trial": {section: {"choice": [value]}}})


RIGHT = [
    "{}",
    "trial: {}",
    "trial: {model: {architecture: mlp, units: [{int: [32, 128], step: 32}, 64]}}",
    "trial: {model: {architecture: mlp, units: {choice: [[], [16], [{int: [8, 9]}]]}}}",
    "trial: {model: {architecture: mlp, dropout: {choice: [0.0, {float: [0.1, 0.5]}]}}}",
    "trial: {training: {early_stopping: {choice: [null, {patience: {int: [1, 5]}}]}}, seed: {int: [0, 9]}}",
    "trial: {training: {early_stopping: null}, data: {validation: null}}",
    "trial: {optimizer: {choice: [{choice: [sgd, adam]}, rmsprop]}}",
    "trial: {optimizer: {name: sgd, momentum: {one_minus: [0.001, 1.0], log: true}}}",
    "search: {sampler: random, pruner: {name: median, warmup_epochs: 3}, timeout: 90}",
    "search: {sampler: {name: tpe, startup_trials: 3}, pruner: none, timeout: null}",
    "enqueue: [{optimizer: adam}]",
    "objective: {metric: val_loss}",
    "finalists: null",
    "trial: {model: {architecture: custom, builder: 'keras:Sequential', arguments: {a: {int: [1, 9]}, b: [x, {}]}}}",
    "trial: {schedule: {choice: [cosine, {name: custom, function: {choice: ['keras.ops:mean', 'keras.ops:max']}}]}}",
    "trial: {optimizer: {choice: {slow: sgd, fast: {name: adam, learning_rate: {choice: {a: 0.1, b: 0.2}}}}}}",
    "trial: {seed: {choice: [1, 2]}}\nsearch: {sampler: grid}\nquick: {trial.seed: 1}\ncompare: {by: [seed]}",
    "limits: {trial_seconds: 2h, epoch_seconds: null, memory: 4GB, retries: 0, checkpoint_seconds: 0}",
    "trial: {optimizer: {choice: [{name: sgd, momentum: {one_minus: [0.001, 1.0], prior: 0.9}}, adam], prior: sgd}}",
    "trial: {batch_size: {int: [8, 64], step: 8, prior: 32}, seed: {choice: {a: 1, b: 2}, prior: a}}",
    "trial: {optimizer: {name: adam, learning_rate: {float: [0.001, 0.1], prior: null}}}",
]
WRONG = [
    "[]",
    "trail: {}",
    "name: 3",
    "trial: {optimiser: adam}",
    "trial: {optimizer: adm}",
    "trial: {optimizer: 3}",
    "trial: {optimizer: {name: adm}}",
    "trial: {optimizer: {learning_rate: 0.1}}",
    "trial: {optimizer: {name: adam, lerning_rate: 0.1}}",
    "trial: {optimizer: {name: adam, learning_rate: fast}}",
    "trial: {optimizer: {name: adam, learning_rate: 0}}",
    "trial: {optimizer: {name: adam, learning_rate: {uniform: [0.1, 1]}}}",
    "trial: {optimizer: {name: adam, learning_rate: {float: [0.1, 1], lgo: true}}}",
    "trial: {optimizer: {name: adam, learning_rate: {float: [0.1]}}}",
    "trial: {optimizer: {name: adam, beta_1: 1.5}}",
    "trial: {optimizer: {choice: [adam, sdg]}}",
    "trial: {optimizer: {choice: [{name: sgd, momentun: 0.9}]}}",
    "trial: {optimizer: {choice: []}}",
    "trial: {batch_size: 0}",
    "trial: {batch_size: {choice: [32, 0]}}",
    "trial: {batch_size: {choice: [32], log: true}}",
    "trial: {batch_size: {float: [1, 2]}}",
    "trial: {batch_size: {int: [1, 9], prior: 1.5}}",
    "trial: {optimizer: {name: adam, learning_rate: {float: [0.1, 1], prior: fast}}}",
    "trial: {optimizer: {name: adam, learning_rate: {float: [0.1, 1], prior: [0.1]}}}",
    "trial: {batch_size: {int: [1, 9], step: 0}}",
    "trial: {model: {architecture: mlp, units: 16}}",
    "trial: {model: {architecture: mlp, units: [0]}}",
    "trial: {model: {architecture: mlp, activation: gelu}}",
    "trial: {model: {architecture: mlp, batch_normalization: 'yes'}}",
    "trial: {loss: custom}",
    "trial: {loss: {name: custom}}",
    "trial: {loss: {name: custom, function: keras.losses.hinge}}",
    "trial: {schedule: {choice: [cosine, custom]}}",
    "trial: {model: {architecture: custom, builder: 'keras:Sequential', arguments: 3}}",
    "trial: {training: {callbacks: [keras.callbacks.TerminateOnNaN]}}",
    "trial: {data: {dataset: mnist}}",
    "trial: {training: {max_epochs: 0}}",
    "trial: {training: {early_stopping: {patiense: 3}}}",
    "search: {sampler: tp}",
    "search: {sampler: {name: tpe, startup: 3}}",
    "search: {pruner: {name: asha, reduction_factor: 1}}",
    "search: {trials: 0}",
    "search: {timeout: -1}",
    "objective: {metric: val_acc}",
    "finalists: {top: 0}",
    "limits: {memory: 5}",
    "limits: {trial_seconds: 0}",
    "limits: {retries: -1}",
    "limits: {hours: 2}",
    "enqueue: [3]",
    "trial: {optimizer: {choice: {}}}",
    "trial: {optimizer: {choice: {a: sdg, b: adam}}}",
    "trial: {batch_size: {choice: {a: 0, b: 32}}}",
    "compare: {report: [loss]}",
    "compare: {by: [seed], report: [lost]}",
    "quick: [3]",
]


def test_schema_and_loading_accept_the_same_files(validator, load):
    for text in RIGHT:
        load(text)
        validator.validate(load_value(text, "text"))


def test_schema_and_loading_refuse_the_same_files(validator, problems_in):
    for text in WRONG:
        assert problems_in(text), text
        assert not validator.is_valid(load_value(text, "text")), text


def test_the_example_of_the_documentation_is_accepted(validator, example):
    validator.validate(load_value(example, "example"))


def test_every_key_of_a_row_is_described(validator):
    for name, node in validator.schema["$defs"].items():
        if name.startswith("trial.") and "_" in name:
            for key, value in node["properties"].items():
                assert value.get("description"), (name, key)

"""A trial as a plain configuration file: the `trial:` tree with every value fixed, in YAML or JSON."""

from __future__ import annotations

import json
from typing import Any

from hpsearch.config.file import Objective
from hpsearch.config.trial import TRAINABLE, AnyConfig
from hpsearch.config.yaml_text import dump
from hpsearch.errors import HpsearchError
from hpsearch.export.figure import Figure, Repeated, figure_of, told
from hpsearch.search.records import TrialRecord


def configuration(study_name: str, objective: Objective, record: TrialRecord) -> dict[str, Any]:
    """Return the trial as plain data that `load_trial` takes.

    Raises:
        HpsearchError: the trial has not run yet, so it has no configuration.
    """
    if record.config is None:
        raise HpsearchError(f"trial {record.number} of '{study_name}' has not run yet, so it has no configuration")
    values = record.config.plain()
    trainable = {TRAINABLE: values.pop(TRAINABLE)} if TRAINABLE in values else {}
    return {
        "name": f"{study_name[:50]}-trial-{record.number}",
        **trainable,
        "objective": objective.model_dump(mode="json"),
        "trial": values,
    }


def best_yaml(
    study_name: str,
    objective: Objective,
    record: TrialRecord,
    figure: Figure | None = None,
    winner: Repeated | None = None,
) -> str:
    """Return the trial as YAML text, with where it comes from in its first lines.

    Args:
        figure: what another training is compared with; left out: the trial's own.
        winner: of the finalists' winner its trainings with new seeds.
    """
    head = [
        *told(study_name, objective, record, figure or figure_of(record, objective), winner),
        "Train it again: hpsearch train FILE",
        f"Hold that against the study: hpsearch export {study_name} --trial {record.number} -o FILE --verify",
    ]
    return "".join(f"# {line}\n" for line in head) + dump(configuration(study_name, objective, record))


def best_json(
    study_name: str,
    objective: Objective,
    record: TrialRecord,
    figure: Figure | None = None,
    winner: Repeated | None = None,
) -> str:
    """Return the same as JSON, which knows no comments: where it comes from is its description."""
    name, *rest = configuration(study_name, objective, record).items()
    lines = told(study_name, objective, record, figure or figure_of(record, objective), winner)
    described = {"description": " ".join(lines)}
    return json.dumps(dict([name]) | described | dict(rest), indent=2, allow_nan=False) + "\n"


def configuration_yaml(name: str, objective: Objective, config: AnyConfig) -> str:
    """Return a configuration that is of no study, as YAML text that `hpsearch train` takes."""
    values = config.plain()
    trainable = {TRAINABLE: values.pop(TRAINABLE)} if TRAINABLE in values else {}
    return dump({"name": name, **trainable, "objective": objective.model_dump(mode="json"), "trial": values})

"""A trial as a plain configuration file: the `trial:` tree with every value fixed."""

from __future__ import annotations

from typing import Any

from hpsearch.config.file import Objective
from hpsearch.config.own import TRAINABLE, Recipe
from hpsearch.config.yaml_text import dump
from hpsearch.errors import HpsearchError
from hpsearch.search.records import TrialRecord


def configuration(study_name: str, objective: Objective, record: TrialRecord) -> dict[str, Any]:
    """The trial as plain data that `load_trial` takes.

    Raises:
        HpsearchError: the trial has not run yet, so it has no configuration.
    """
    if record.config is None:
        raise HpsearchError(f"trial {record.number} of '{study_name}' has not run yet, so it has no configuration")
    values = dict(record.config)
    trainable = {TRAINABLE: values.pop(TRAINABLE)} if TRAINABLE in values else {}
    return {
        "name": f"{study_name[:50]}-trial-{record.number}",
        **trainable,
        "objective": objective.model_dump(mode="json"),
        "trial": values,
    }


def best_yaml(study_name: str, objective: Objective, record: TrialRecord) -> str:
    """The trial as YAML text, with where it comes from in its first lines."""
    data = configuration(study_name, objective, record)
    reached = (
        f"{objective.metric} {record.best.value:.6g} at epoch {record.best.epoch}"
        if record.best
        else "no finished epoch"
    )
    head = [
        f"# Trial {record.number} of the study '{study_name}': {reached}.",
        "# Train it again: hpsearch train FILE",
    ]
    return "\n".join(head) + "\n" + dump(data)


def configuration_yaml(name: str, objective: Objective, config: Recipe) -> str:
    """A configuration that is of no study, as YAML text that `hpsearch train` takes."""
    values = config.plain()
    trainable = {TRAINABLE: values.pop(TRAINABLE)} if TRAINABLE in values else {}
    return dump({"name": name, **trainable, "objective": objective.model_dump(mode="json"), "trial": values})

"""What of a study goes to MLflow, as the commands have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpsearch.config.study import StudySpec
    from hpsearch.search.records import TrialRecord
    from hpsearch.search.storage import Study
    from hpsearch.tracking.projector import Plan
    from hpsearch.tracking.target import Target


def plan_of(study: Study, spec: StudySpec, text: str, target: Target) -> Plan:
    """The plan of a study as it stands.

    Args:
        text: its file as it is run.
    """
    from hpsearch.search.finals import read_finals
    from hpsearch.tracking.projector import Plan

    return Plan(spec, text, study.provenance, target, render_best, finals=read_finals(study))


def render_best(spec: StudySpec, record: TrialRecord) -> str:
    """The best configuration as YAML text."""
    from hpsearch.export.yaml_file import best_yaml

    return best_yaml(spec.name, spec.objective, record)

"""A whole study brought to MLflow: its trials, its finalists' figures and models, the champion, what its page says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Stage
from hpsearch.tracking.mlflow_store import reason_of
from hpsearch.tracking.model_logging import models_of
from hpsearch.tracking.projector import Plan, Projector, Snapshot, plans


def write_outcome(
    plan: Plan,
    parts: Mapping[Stage, Sequence[TrialRecord]],
    *,
    interrupted: bool,
    report: Callable[[str], None],
) -> bool:
    """Bring MLflow to a study that nobody trains; what fails is told in a line: the next run or the doctor mends it.

    Args:
        plan: of the study's search, with its finals where there are any.
        parts: the records of every part of the study.
        interrupted: a person stopped it.
        report: told what happens, a line each.

    Returns:
        Whether MLflow has everything.
    """
    failed: list[Exception] = []
    try:
        good = any(record.good for record in parts[Stage.SEARCH])
        status = "KILLED" if interrupted else "FINISHED" if good else "FAILED"
        for stage, planned in plans(plan, parts).items():
            records = {record.number: record for record in parts[stage]}
            Projector(planned, None, failed.append).write(Snapshot(records, {}, status, over=True))
        if not interrupted:
            models = models_of(plan, parts)
            if missing := models.missing():
                report(f"logging {len(missing)} models ...")
            models.write()
    # MLflow, its drivers and its artifact stores have errors of every kind, and the study is safe.
    except Exception as error:  # noqa: BLE001, RUF100
        failed.append(error)
    if failed:
        report(f"{plan.target}: MLflow could not be written ({reason_of(failed[0])})")
    return not failed

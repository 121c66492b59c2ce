"""The tags by which hpsearch's runs are told apart, in MLflow's search: `tags.hpsearch.kind = 'finalist'`."""

from __future__ import annotations

from hpsearch.search.stages import Stage

KIND, TRIAL, TRAINING, OUTCOME_TAG, DETAIL_TAG, BASELINE_TAG = (
    f"hpsearch.{name}" for name in ("kind", "trial", "training", "outcome", "detail", "baseline")
)
DIGEST_TAG = "hpsearch.data_digest"
SOURCES_TAG = "hpsearch.sources_digest"
THREADS_TAG = "hpsearch.threads"
# Why the trial was tried again.
WORKER_FAILURES_TAG = "hpsearch.losses"
# The failed trial whose configuration a trial tries again.
RETRY_OF_TAG = "hpsearch.retry_of"
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
# Of an experiment the digest of the description that hpsearch wrote: the user may have written another one. MLflow's UI
# lists no tags that begin so.
DESCRIBED = "mlflow.hpsearch.note_digest"

# Of the study's own run, and of those of each of its stages.
STUDY = "study"
KINDS = {Stage.SEARCH: "trial", Stage.FINALISTS: "finalist", Stage.FINAL: "final"}


def identity_tags(stage: Stage, number: int, of: int | None, *, baseline: bool) -> dict[str, str]:
    """What a run of a stage is: of a trial its number, of a later training that of the trial that it trains again."""
    tags = {KIND: KINDS[stage], BASELINE_TAG: str(baseline).lower()}
    if stage is Stage.SEARCH:
        return {**tags, TRIAL: str(number)}
    return {**tags, TRAINING: str(number), **({TRIAL: str(of)} if of is not None else {})}


def retry_tags(retry_of: int | None) -> dict[str, str]:
    """The tag of a trial that tries a failed trial's configuration again."""
    return {} if retry_of is None else {RETRY_OF_TAG: str(retry_of)}


def number_of(tags: dict[str, str], stage: Stage) -> int | None:
    """The number that a run of a stage says to have; None: it says nothing sensible."""
    text = tags.get(TRIAL if stage is Stage.SEARCH else TRAINING, "")
    return int(text) if text.isdecimal() else None

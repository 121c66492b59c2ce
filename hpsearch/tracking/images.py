"""What MLflow is to say of a study, run by run, as plain data.

The listener brings MLflow to these images, `hpsearch doctor` compares MLflow with them: so both mean the
same, and a study that is written again becomes what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.config.own import Recipe
from hpsearch.config.study import StudySpec
from hpsearch.executors.protocol import THREADS
from hpsearch.search.provenance import Provenance
from hpsearch.search.records import FINISHED, TrialRecord, best_trial
from hpsearch.tracking.mlflow_values import (
    dated_rows,
    milliseconds,
    numbers,
    param_texts,
    summary,
    tag_texts,
)
from hpsearch.tracking.view_state import varied_names
from hpsearch.training.results import EpochRow, Outcome

KIND, TRIAL, OUTCOME, DETAIL, BASELINE = (
    f"hpsearch.{name}" for name in ("kind", "trial", "outcome", "detail", "baseline")
)
DIGEST = "hpsearch.data_digest"
THREADS_TAG = "hpsearch.threads"
# Why the trial was tried again.
LOSSES = "hpsearch.losses"
TRACEBACK_TEXT = "traceback.txt"
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"

RUNNING, KILLED = "RUNNING", "KILLED"
# A trial that was pruned did what it should; one that diverged is shown as failed.
STATUS = {
    Outcome.COMPLETED: "FINISHED",
    Outcome.EARLY_STOPPED: "FINISHED",
    Outcome.PRUNED: "FINISHED",
    Outcome.DIVERGED: "FAILED",
    Outcome.OVER_TIME: "FAILED",
    Outcome.OVER_MEMORY: "FAILED",
    Outcome.FAILED: "FAILED",
    Outcome.INTERRUPTED: KILLED,
}


@dataclass(frozen=True)
class Row:
    """Metrics at a step.

    Attributes:
        step: of a trial its epoch, and 0 for what it comes to; of the study the number of trials that have ended.
        when: in milliseconds since 1970.
    """

    step: int
    when: int
    metrics: Mapping[str, float]

    @staticmethod
    def of(row: EpochRow, when: int) -> Row:
        return Row(row.epoch, when, numbers(row.metrics))


@dataclass(frozen=True)
class RunImage:
    """What a run is to say; the study's own run, its trials' parent, is one too.

    Attributes:
        name: as the runs page shows it.
        status: RUNNING, FINISHED, FAILED or KILLED.
        rows: every metric, by step.
        started: in milliseconds since 1970.
        ended: None: now.
        texts: of a trial its artifacts, by name.
    """

    name: str
    status: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    rows: tuple[Row, ...]
    started: int
    ended: int | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


def running_image(number: int, config: Recipe, baseline: bool, started: datetime, provenance: Provenance) -> RunImage:
    """A trial that begins to be trained."""
    flat = config.flat()
    tags = tag_texts(_trial_tags(number, flat, baseline) | provenance.tags(started))
    return RunImage(_trial_name(number, flat), RUNNING, param_texts(flat), tags, (), milliseconds(started))


def interrupted(image: RunImage) -> RunImage:
    """A trial that was being trained and is no more; it waits to be run again."""
    return replace(image, status=KILLED, tags={**image.tags, OUTCOME: Outcome.INTERRUPTED.label})


def trial_image(record: TrialRecord, provenance: Provenance) -> RunImage | None:
    """A trial as the study holds it, while nobody trains it; None: it has not been begun."""
    flat, ended = record.flat, milliseconds(record.ended)
    rows = [Row.of(row, when) for row, when in dated_rows(record)]
    if record.state in FINISHED:
        outcome = record.outcome or Outcome.FAILED
        rows.append(Row(0, ended, numbers(summary(record))))
    elif record.config is not None:
        # Of a coordinator that was killed, too: its trials wait to be run again.
        outcome = Outcome.INTERRUPTED
        ended = rows[-1].when if rows else milliseconds(record.started)
    else:
        return None
    more = {OUTCOME: outcome.label}
    texts = {}
    if record.state in FINISHED:
        more |= {DETAIL: record.detail} if record.detail else {}
        more |= {LOSSES: "; ".join(record.losses)} if record.losses else {}
        more |= {THREADS_TAG: str(record.facts[THREADS])} if THREADS in record.facts else {}
        texts = {TRACEBACK_TEXT: record.traceback} if record.traceback else {}
    tags = _trial_tags(record.number, flat, record.baseline) | provenance.tags(record.started)
    return RunImage(
        _trial_name(record.number, flat),
        STATUS[outcome],
        param_texts(flat),
        tag_texts(tags | more),
        tuple(rows),
        milliseconds(record.started),
        ended,
        texts,
    )


def study_image(
    spec: StudySpec, records: Iterable[TrialRecord], provenance: Provenance, status: str | None = None
) -> RunImage:
    """The study's own run: best value and counts after each trial, and a page about the best.

    Args:
        status: None: as its trials say, while nobody runs the study.
    """
    known = sorted(records, key=lambda record: record.number)
    best = best_trial(known, spec.objective)
    if status is None:
        interrupted = any(r.state not in FINISHED and r.config is not None for r in known)
        status = KILLED if interrupted else "FINISHED" if best else "FAILED"
    tags = {**provenance.tags(), KIND: "study", NOTE: _note(spec, best)}
    if digests := [DATASETS[name].digest for name in spec.datasets() if name in DATASETS]:
        tags[DIGEST] = ", ".join(digests)
    params = {
        "objective": spec.objective.metric,
        "direction": spec.objective.direction,
        "sampler": spec.search.sampler.name,
        "pruner": spec.search.pruner.name,
        # The study's; `seed` is a trial's own.
        "search_seed": spec.search.seed,
    }
    rows = tuple(_standing(spec, known))
    return RunImage(spec.name, status, param_texts(params), tag_texts(tags), rows, rows[0].when)


def _trial_name(number: int, flat: Mapping[str, object]) -> str:
    return f"trial {number} {flat['optimizer']}" if "optimizer" in flat else f"trial {number}"


def _trial_tags(number: int, flat: Mapping[str, object], baseline: bool) -> dict[str, str]:
    tags = {KIND: "trial", TRIAL: str(number), BASELINE: str(baseline).lower()}
    dataset = flat.get("dataset")
    if isinstance(dataset, str) and dataset in DATASETS:
        tags[DIGEST] = DATASETS[dataset].digest
    return tags


def _standing(spec: StudySpec, records: Sequence[TrialRecord]) -> Iterator[Row]:
    """The study's best value and counts, those that changed, after each trial that ended; the first has none."""
    ended = sorted((r for r in records if r.state in FINISHED), key=lambda r: (r.ended or datetime.min, r.number))
    labels = {"COMPLETE": "trials_complete", "PRUNED": "trials_pruned", "FAIL": "trials_failed"}
    tally = dict.fromkeys(labels.values(), 0)
    first = min((milliseconds(r.started) for r in records if r.started), default=milliseconds())
    yield Row(0, first, numbers(tally))
    best: TrialRecord | None = None
    for step, record in enumerate(ended, start=1):
        label = labels[record.state]
        tally[label] += 1
        changed: dict[str, float] = {label: tally[label]}
        leader = best_trial([r for r in (best, record) if r], spec.objective)
        # Among equals the one with the lower number leads.
        if best and leader is best and _equal(best, record) and record.good and record.number < best.number:
            leader = record
        if leader and leader.best and leader is not best:
            changed["best_trial"] = leader.number
            if best is None or not _equal(best, leader):
                changed[f"best_{spec.objective.metric}"] = leader.best.value
            best = leader
        yield Row(step, milliseconds(record.ended), numbers(changed))


def _equal(one: TrialRecord, other: TrialRecord) -> bool:
    return bool(one.best and other.best and one.best.value == other.best.value)


def _note(spec: StudySpec, best: TrialRecord | None) -> str:
    """What the parent's page says, in Markdown."""
    lines = [spec.file.description or f"Study `{spec.name}`", ""]
    if best is None or best.best is None:
        lines.append("No trial has ended well yet.")
        return "\n".join(lines)
    lines += [
        f"Best: **{spec.objective.metric} {best.best.value:.6g}** at epoch {best.best.epoch} of "
        f"trial {best.number} (`best.yaml` among the artifacts).",
        "",
        "| hyperparameter | value |",
        "| --- | --- |",
    ]
    flat = best.flat
    lines += [f"| {name} | {flat[name]} |" for name in varied_names(spec) if flat.get(name) is not None]
    return "\n".join(lines)

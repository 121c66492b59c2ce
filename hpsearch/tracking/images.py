"""What MLflow is to say of a study, run by run, as plain data.

The listener brings MLflow to these images, `hpsearch doctor` compares MLflow with them: so both mean the
same, and a study that is written again becomes what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from hpsearch.config.own import Recipe, recipe_of
from hpsearch.config.study import StudySpec
from hpsearch.executors.protocol import THREADS
from hpsearch.search.provenance import Provenance
from hpsearch.search.records import FINISHED, TrialRecord, best_trial, counts
from hpsearch.tracking.inputs import DataInput, inputs_of, inputs_of_study
from hpsearch.tracking.mlflow_values import (
    Row,
    dated_rows,
    milliseconds,
    numbers,
    param_texts,
    summary,
    tag_texts,
)
from hpsearch.tracking.progress import Progress
from hpsearch.tracking.view_state import varied_names
from hpsearch.training.results import Outcome

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
class RunImage:
    """What a run is to say; the study's own run, its trials' parent, is one too.

    Attributes:
        name: as the runs page shows it.
        status: RUNNING, FINISHED, FAILED or KILLED.
        rows: every metric, by step.
        started: in milliseconds since 1970.
        ended: None: now.
        texts: of a trial its artifacts, by name.
        inputs: the data that it uses.
    """

    name: str
    status: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    rows: tuple[Row, ...]
    started: int
    ended: int | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[DataInput, ...] = ()


def running_image(number: int, config: Recipe, baseline: bool, started: datetime, provenance: Provenance) -> RunImage:
    """A trial that begins to be trained."""
    flat = config.flat()
    inputs = inputs_of(config, provenance)
    tags = tag_texts(_trial_tags(number, inputs, baseline) | provenance.tags(started))
    return RunImage(
        _trial_name(number, flat), RUNNING, param_texts(flat), tags, (), milliseconds(started), inputs=inputs
    )


def interrupted(image: RunImage) -> RunImage:
    """A trial that was being trained and is no more; it waits to be run again."""
    return replace(image, status=KILLED, tags={**image.tags, OUTCOME: Outcome.INTERRUPTED.label})


def trial_image(record: TrialRecord, provenance: Provenance) -> RunImage | None:
    """A trial as the study holds it, while nobody trains it; None: it has not been begun."""
    config = recipe_of(record.config) if record.config is not None else None
    flat, inputs = config.flat() if config else {}, inputs_of(config, provenance)
    ended = milliseconds(record.ended)
    rows = [Row.of(row, when) for row, when in dated_rows(record)]
    if record.state in FINISHED:
        outcome = record.outcome or Outcome.FAILED
        rows.append(Row(0, ended, numbers(summary(record))))
    elif config is not None:
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
    tags = _trial_tags(record.number, inputs, record.baseline) | provenance.tags(record.started)
    return RunImage(
        _trial_name(record.number, flat),
        STATUS[outcome],
        param_texts(flat),
        tag_texts(tags | more),
        tuple(rows),
        milliseconds(record.started),
        ended,
        texts,
        inputs,
    )


def study_image(
    spec: StudySpec,
    records: Iterable[TrialRecord],
    provenance: Provenance,
    status: str | None = None,
    progress: Progress | None = None,
) -> RunImage:
    """The study's own run: best value and counts after each trial, and a page about the best.

    Args:
        status: None: as its trials say, while nobody runs the study.
        progress: of the image before this one, which saves counting again; None: there was none.
    """
    known = sorted(records, key=lambda record: record.number)
    best = best_trial(known, spec.objective)
    if status is None:
        interrupted = any(r.state not in FINISHED and r.config is not None for r in known)
        status = KILLED if interrupted else "FINISHED" if best else "FAILED"
    tags = {**provenance.tags(), KIND: "study", NOTE: _note(spec, known, best, status)}
    inputs = inputs_of_study(spec, provenance)
    if inputs:
        tags[DIGEST] = _digests(inputs)
    params = {
        "objective": spec.objective.metric,
        "direction": spec.objective.direction,
        "sampler": spec.search.sampler.name,
        "pruner": spec.search.pruner.name,
        # The study's; `seed` is a trial's own.
        "search_seed": spec.search.seed,
    }
    rows = (progress or Progress(spec.objective)).rows(known)
    return RunImage(spec.name, status, param_texts(params), tag_texts(tags), rows, rows[0].when, inputs=inputs)


def _trial_name(number: int, flat: Mapping[str, object]) -> str:
    return f"trial {number} {flat['optimizer']}" if "optimizer" in flat else f"trial {number}"


def _trial_tags(number: int, inputs: Sequence[DataInput], baseline: bool) -> dict[str, str]:
    tags = {KIND: "trial", TRIAL: str(number), BASELINE: str(baseline).lower()}
    return tags | ({DIGEST: _digests(inputs)} if inputs else {})


def _digests(inputs: Sequence[DataInput]) -> str:
    return ", ".join(each.digest for each in inputs)


def _note(spec: StudySpec, records: list[TrialRecord], best: TrialRecord | None, status: str) -> str:
    """What the page of the study's own run says, in Markdown."""
    tally = counts(records)
    ended, running = sum(tally.values()), status == RUNNING
    lines = [spec.file.description or f"Study `{spec.name}`", ""]
    if best is None or best.best is None:
        lines.append(f"**No trial has ended well{' yet' if running else ''}**; {ended} have ended.")
        return "\n".join(lines)
    named = ", ".join(f"{count} {state}" for state, count in tally.items())
    value = f"{spec.objective.metric} {best.best.value:.6g}"
    lines += [
        f"**Best{' so far' if running else ''}: {value}** at epoch {best.best.epoch} of trial {best.number}. "
        f"{ended} trials have ended ({named}).",
        "",
        *([] if running else ["`best.yaml` among the artifacts holds this configuration:", ""]),
        "| hyperparameter | value |",
        "| --- | --- |",
    ]
    flat = best.flat
    lines += [f"| {name} | {_plain(flat[name])} |" for name in varied_names(spec) if flat.get(name) is not None]
    return "\n".join(lines)


def _plain(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

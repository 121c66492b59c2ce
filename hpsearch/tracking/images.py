"""What MLflow is to say of a study, run by run, as plain data.

The listener brings MLflow to these images, `hpsearch doctor` compares MLflow with them: so both mean the
same, and a study that is written again becomes what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from hpsearch.config.study import StudySpec
from hpsearch.executors.protocol import THREADS
from hpsearch.search.baselines import UNTUNED
from hpsearch.search.finals import Finals
from hpsearch.search.listeners import TrialStarted
from hpsearch.search.provenance import Provenance
from hpsearch.search.records import FINISHED, TrialRecord, best_trial
from hpsearch.search.stages import Stage
from hpsearch.tracking.inputs import DataInput, inputs_of, inputs_of_study
from hpsearch.tracking.mlflow_values import (
    Row,
    counted,
    dated_rows,
    milliseconds,
    numbers,
    param_texts,
    summary,
    tag_texts,
)
from hpsearch.tracking.model_images import model_figures, model_texts
from hpsearch.tracking.notes import study_note
from hpsearch.tracking.progress import Progress
from hpsearch.tracking.tags import (
    DETAIL_TAG,
    DIGEST_TAG,
    KIND,
    NOTE,
    OUTCOME_TAG,
    SOURCES_TAG,
    STUDY,
    THREADS_TAG,
    WORKER_FAILURES_TAG,
    identity_tags,
    retry_tags,
)
from hpsearch.training.results import Outcome

TRACEBACK_TEXT = "traceback.txt"

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


def running_image(event: TrialStarted, started: datetime, provenance: Provenance, stage: Stage) -> RunImage:
    """A trial that begins to be trained."""
    flat, inputs = event.config.flat(), inputs_of(event.config, provenance, event.contents)
    about = identity_tags(stage, event.number, event.of, baseline=event.baseline)
    about |= _digest_tags(inputs, event.contents)
    name = _name(stage, event.number, event.of, flat)
    tags = tag_texts(about | retry_tags(event.retry_of) | provenance.tags(started))
    return RunImage(name, RUNNING, param_texts(flat), tags, (), milliseconds(started), inputs=inputs)


def interrupted(image: RunImage) -> RunImage:
    """A trial that was being trained and is no more; it waits to be run again."""
    return replace(image, status=KILLED, tags={**image.tags, OUTCOME_TAG: Outcome.INTERRUPTED.label})


def trial_image(
    record: TrialRecord, provenance: Provenance, stage: Stage = Stage.SEARCH, finals: Finals | None = None
) -> RunImage | None:
    """A trial as the study holds it, while nobody trains it; None: it has not been begun.

    Args:
        stage: whose trial it is.
        finals: what the finalists have come to; only then a final training is told with its test figures.
    """
    config = record.config
    flat, inputs = config.flat() if config else {}, inputs_of(config, provenance, record.contents)
    ended = milliseconds(record.ended)
    rows = [Row.of(row, when) for row, when in dated_rows(record)]
    if record.state in FINISHED:
        outcome = record.outcome or Outcome.FAILED
        rows.append(Row(0, ended, numbers(_figures(record, stage, finals))))
    elif config is not None:
        # Of a coordinator that was killed, too: its trials wait to be run again.
        outcome = Outcome.INTERRUPTED
        ended = rows[-1].when if rows else milliseconds(record.started)
    else:
        return None
    more = {OUTCOME_TAG: outcome.label}
    texts = {}
    if record.state in FINISHED:
        more |= {DETAIL_TAG: record.detail} if record.detail else {}
        more |= {WORKER_FAILURES_TAG: "; ".join(record.worker_failures)} if record.worker_failures else {}
        more |= {THREADS_TAG: str(record.info[THREADS])} if THREADS in record.info else {}
        texts = {TRACEBACK_TEXT: record.traceback} if record.traceback else {}
        texts |= model_texts(record, stage, finals)
    about = identity_tags(stage, record.number, record.of, baseline=record.baseline)
    about |= _digest_tags(inputs, record.contents)
    tags = about | retry_tags(record.retry_of) | provenance.tags(record.started)
    return RunImage(
        _name(stage, record.number, record.of, flat),
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
    finals: Finals | None = None,
) -> RunImage:
    """The study's own run: best value and counts after each trial, and a page about the best.

    Args:
        status: None: as its trials say, while nobody runs the study.
        progress: of the image before this one, which saves counting again; None: there was none.
        finals: what the finalists have come to; None: there are none, or they are being trained.
    """
    known = sorted(records, key=lambda record: record.number)
    best = best_trial(known, spec.objective)
    if status is None:
        interrupted = any(r.state not in FINISHED and r.config is not None for r in known)
        status = KILLED if interrupted else "FINISHED" if best else "FAILED"
    note = study_note(spec, known, finals, running=status == RUNNING)
    tags = {**provenance.tags(), KIND: STUDY, NOTE: note}
    inputs = inputs_of_study(spec, provenance)
    if inputs:
        tags[DIGEST_TAG] = _digests(inputs)
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


def _figures(record: TrialRecord, stage: Stage, finals: Finals | None) -> dict[str, float]:
    # Nothing was held out of a final training, so none of its epochs is the best.
    own = counted(record) if stage is Stage.FINAL else summary(record)
    return own | model_figures(record, stage, finals)


def _name(stage: Stage, number: int, of: int | None, flat: Mapping[str, object]) -> str:
    """`trial 7 adam`, `finalist 3 of trial 7 adam`, `final training 5 of the untuned Keras default adam`."""
    again = "" if stage is Stage.SEARCH else f" of the {UNTUNED}" if of is None else f" of trial {of}"
    return f"{stage.one} {number}{again}" + (f" {flat['optimizer']}" if "optimizer" in flat else "")


def _digest_tags(inputs: Sequence[DataInput], contents: Mapping[str, str]) -> dict[str, str]:
    sources = {SOURCES_TAG: contents["sources"]} if "sources" in contents else {}
    return {**({DIGEST_TAG: _digests(inputs)} if inputs else {}), **sources}


def _digests(inputs: Sequence[DataInput]) -> str:
    return ", ".join(each.digest for each in inputs)

"""The runs that MLflow should hold for a study, computed from its trials as plain data.

The writer makes the runs in MLflow equal to them, and the consistency check compares both. Nothing here calls MLflow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import is_
from typing import Any

from hpsearch.analysis.confusion import Confusion, artifact_texts, class_metrics
from hpsearch.catalogue.datasets import DATASETS, DatasetEntry
from hpsearch.config.study import StudySpec
from hpsearch.config.trial import AnyConfig, TrialConfig
from hpsearch.config.varied import UNTUNED
from hpsearch.executors.protocol import THREADS
from hpsearch.search.provenance import Provenance
from hpsearch.search.records import FINISHED, TrialRecord, best_trial
from hpsearch.search.stages import Finals, Stage, TestResult, exported_trial_of
from hpsearch.tracking.names import (
    BASELINE_TAG,
    CONTINUES_TAG,
    DETAIL_TAG,
    DIGEST_TAG,
    KIND,
    KINDS,
    NOTE,
    OUTCOME_TAG,
    RETRY_OF_TAG,
    SOURCES_TAG,
    STUDY,
    THREADS_TAG,
    TRAINING,
    TRIAL,
    WORKER_FAILURES_TAG,
    MetricRow,
    counted,
    dated_epochs,
    metric_values,
    milliseconds,
    param_texts,
    summary,
    tag_texts,
)
from hpsearch.tracking.study_run import StudyMetrics, study_note
from hpsearch.tracking.target import Target
from hpsearch.training.results import CONFUSION, Outcome

STUDY_TEXT, BEST_TEXT, TRACEBACK_TEXT = "study.yaml", "best.yaml", "traceback.txt"

RUNNING, KILLED, SCHEDULED = "RUNNING", "KILLED", "SCHEDULED"
# The status of a run for each outcome; MLflow has no status of its own for pruned or diverged trials.
STATUS = {
    Outcome.COMPLETED: "FINISHED",
    Outcome.EARLY_STOPPED: "FINISHED",
    Outcome.PRUNED: "FINISHED",
    Outcome.DIVERGED: "FAILED",
    Outcome.OVER_TIME: "FAILED",
    Outcome.OVER_MEMORY: "FAILED",
    Outcome.FAILED: "FAILED",
    Outcome.INTERRUPTED: KILLED,
    Outcome.PAUSED: SCHEDULED,
}

# The kind of a run and its number among those of this kind.
RunKey = tuple[str, int]
STUDY_KEY: RunKey = (STUDY, 0)


@dataclass(frozen=True)
class RunState:
    """What one run in MLflow should hold.

    Attributes:
        name: as the runs page shows it.
        status: RUNNING, FINISHED, FAILED, KILLED (interrupted) or SCHEDULED (paused).
        rows: the metrics of each step.
        started: in milliseconds since 1970.
        ended: in milliseconds since 1970; None: the time of writing.
        texts: artifacts, by name.
        inputs: the datasets that it uses.
    """

    name: str
    status: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    rows: tuple[MetricRow, ...]
    started: int
    ended: int | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[DataInput, ...] = ()

    @property
    def as_interrupted(self) -> RunState:
        """The same run, of a trial that was interrupted and waits to be continued."""
        return replace(self, status=KILLED, tags={**self.tags, OUTCOME_TAG: Outcome.INTERRUPTED.label})


@dataclass(frozen=True)
class DesiredRuns:
    """The runs that an experiment in MLflow should hold.

    Attributes:
        parent: the key of the run that is the parent of all others.
        runs: by key, the parent first.
    """

    parent: RunKey
    runs: Mapping[RunKey, RunState]


@dataclass(frozen=True)
class TrackedStudy:
    """A study and the MLflow database or server for its runs.

    Attributes:
        spec: the checked study file.
        text: the text of the study file as it was run.
        provenance: who ran the study, with which versions and data.
        target: the MLflow database or server.
        render_best: returns the best configuration as YAML text.
    """

    spec: StudySpec
    text: str
    provenance: Provenance
    target: Target
    render_best: Callable[[StudySpec, TrialRecord], str]


class StudyRunStates:
    """Computes the desired runs of a study; the states of trials that have not changed are computed once.

    Args:
        study: the study.
    """

    def __init__(self, study: TrackedStudy) -> None:
        self._study = study
        self._metrics = StudyMetrics(study.spec.objective)
        self._states: dict[RunKey, tuple[TrialRecord, RunState | None]] = {}
        self._finals: Finals | None = None
        # The last state of the study's own run, and the arguments that it was computed from.
        self._own: RunState | None = None
        self._own_from: tuple[list[TrialRecord], str | None, bool] = ([], None, False)

    def desired(
        self,
        parts: Mapping[Stage, Iterable[TrialRecord]],
        finals: Finals | None = None,
        *,
        running: Mapping[RunKey, RunState] | None = None,
        status: str | None = None,
        over: bool = True,
    ) -> DesiredRuns:
        """Return the desired runs of a study at one moment.

        Args:
            parts: the trials of each stage that are not running.
            finals: the results of the finalists; None: there are none, or they are being trained. The runs of the final
                trainings are desired after the test set was read.
            running: the desired runs of trials that are running.
            status: of the study's own run; None: it is derived from the trials.
            over: whether the run of the study has ended.
        """
        if finals is not self._finals:
            self._states.clear()
            self._own = None
        self._finals = finals
        running = running or {}
        search = sorted(parts.get(Stage.SEARCH, ()), key=lambda record: record.number)
        runs: dict[RunKey, RunState] = {STUDY_KEY: self._study_state(search, status, over)}
        for stage, records in parts.items():
            if stage is Stage.FINAL and not (finals and finals.reading):
                continue
            for record in records:
                key = KINDS[stage], record.number
                if key not in running and (state := self._of_trial(key, record, stage)):
                    runs[key] = state
        return DesiredRuns(STUDY_KEY, {**runs, **running})

    def _of_trial(self, key: RunKey, record: TrialRecord, stage: Stage) -> RunState | None:
        known, state = self._states.get(key, (None, None))
        if known is not record:
            state = trial_state(record, self._study.provenance, stage, self._finals)
            self._states[key] = record, state
        return state

    def _study_state(self, records: list[TrialRecord], status: str | None, over: bool) -> RunState:
        before, *others = self._own_from
        same = others == [status, over] and len(before) == len(records) and all(map(is_, before, records))
        if self._own is None or not same:
            self._own, self._own_from = self._of_study(records, status, over), (records, status, over)
        return self._own

    def _of_study(self, records: list[TrialRecord], status: str | None, over: bool) -> RunState:
        """Return the state of the study's own run: best value and counts after each trial, and a description.

        Args:
            status: None: derived from the trials, as for a study that no process runs.
        """
        spec, provenance = self._study.spec, self._study.provenance
        best = best_trial(records, spec.objective)
        if status is None:
            interrupted = any(r.state not in FINISHED and r.config is not None for r in records)
            status = KILLED if interrupted else "FINISHED" if best else "FAILED"
        note = study_note(spec, records, self._finals, running=status == RUNNING)
        inputs = inputs_of_study(spec, provenance)
        params = {
            "objective": spec.objective.metric,
            "direction": spec.objective.direction,
            "sampler": spec.search.sampler.name,
            "pruner": spec.search.pruner.name,
            # `seed` is the parameter of a trial.
            "search_seed": spec.search.seed,
        }
        tags = {**provenance.tags(), KIND: STUDY, NOTE: note}
        if inputs:
            tags[DIGEST_TAG] = _digests(inputs)
        texts = {STUDY_TEXT: self._study.text}
        if over and (chosen := exported_trial_of(records, self._finals, best)):
            texts[BEST_TEXT] = self._study.render_best(spec, chosen)
        rows = self._metrics.rows(records)
        params_, tags_ = param_texts(params), tag_texts(tags)
        return RunState(spec.name, status, params_, tags_, rows, rows[0].when, texts=texts, inputs=inputs)


def trial_state(
    record: TrialRecord,
    provenance: Provenance,
    stage: Stage = Stage.SEARCH,
    finals: Finals | None = None,
    *,
    running: bool = False,
) -> RunState | None:
    """Return the desired run of a trial, or of a training in a later stage; None before it has begun.

    Args:
        finals: the results of the finalists, with the test metrics of final trainings.
        running: whether it is being trained now. A trial that has neither ended nor is being trained was interrupted,
            even if its coordinator was killed before it could record that.
    """
    ended = record.state in FINISHED
    if not ended and record.config is None:
        return None
    rows = [MetricRow.of(epoch, when) for epoch, when in dated_epochs(record)]
    inputs = inputs_of(record.config, provenance, record.contents)
    tags = _identity_tags(record, stage) | provenance.tags(record.started)
    tags |= {DIGEST_TAG: _digests(inputs)} if inputs else {}
    tags |= {SOURCES_TAG: record.contents["sources"]} if "sources" in record.contents else {}
    texts: dict[str, str] = {}
    outcome = record.outcome or Outcome.FAILED if ended else _unfinished(record)
    when = milliseconds(record.ended) if ended else rows[-1].when if rows else milliseconds(record.started)
    if ended:
        rows.append(MetricRow(0, when, metric_values(_summary_metrics(record, stage, finals))))
        tags |= {DETAIL_TAG: record.detail} if record.detail else {}
        tags |= {WORKER_FAILURES_TAG: "; ".join(record.worker_failures)} if record.worker_failures else {}
        tags |= {THREADS_TAG: str(record.info[THREADS])} if THREADS in record.info else {}
        texts |= {TRACEBACK_TEXT: record.traceback} if record.traceback else {}
        texts |= _confusion_texts(record, stage, finals)
    if not running:
        tags[OUTCOME_TAG] = outcome.label
    return RunState(
        _run_name(record, stage),
        RUNNING if running else STATUS[outcome],
        param_texts(record.flat),
        tag_texts(tags),
        tuple(rows),
        milliseconds(record.started),
        None if running else when,
        texts,
        inputs,
    )


def _unfinished(record: TrialRecord) -> Outcome:
    """Return the outcome of a trial that has not ended."""
    return Outcome.PAUSED if record.outcome is Outcome.PAUSED else Outcome.INTERRUPTED


def _identity_tags(record: TrialRecord, stage: Stage) -> dict[str, str]:
    """Return the tags that identify the run of a trial, or of a training in a later stage."""
    tags = {KIND: KINDS[stage], BASELINE_TAG: str(record.baseline).lower()}
    if record.retry_of is not None:
        tags[RETRY_OF_TAG] = str(record.retry_of)
    if record.continues is not None:
        tags[CONTINUES_TAG] = str(record.continues)
    if stage is Stage.SEARCH:
        return {**tags, TRIAL: str(record.number)}
    return {**tags, TRAINING: str(record.number), **({TRIAL: str(record.of)} if record.of is not None else {})}


def _run_name(record: TrialRecord, stage: Stage) -> str:
    """Return `trial 7 adam`, `finalist 3 of trial 7 adam`, `final training 5 of the untuned Keras default adam`."""
    origin = "" if stage is Stage.SEARCH else f" of the {UNTUNED}" if record.of is None else f" of trial {record.of}"
    optimizer = record.flat.get("optimizer")
    return f"{stage.noun} {record.number}{origin}" + (f" {optimizer}" if optimizer else "")


def _digests(inputs: Sequence[DataInput]) -> str:
    return ", ".join(each.digest for each in inputs)


def _summary_metrics(record: TrialRecord, stage: Stage, finals: Finals | None) -> dict[str, float]:
    """Return the metrics at step 0: those of the best epoch, counts, and averages over the classes."""
    # A final training has no validation images, so none of its epochs is the best.
    metrics = counted(record) if stage is Stage.FINAL else summary(record)
    if confusion := record.info.get(CONFUSION):
        found = class_metrics(confusion, _classes(record, confusion))
        return metrics | {f"val_{name}": value for name, value in found.items()}
    if tested := _tested(record, stage, finals):
        found = class_metrics(tested.confusion, _classes(record, tested.confusion))
        return metrics | {"test_accuracy": tested.accuracy, **{f"test_{n}": value for n, value in found.items()}}
    return metrics


def _confusion_texts(record: TrialRecord, stage: Stage, finals: Finals | None) -> dict[str, str]:
    """Return the artifacts with the confusion matrix, by name."""
    if confusion := record.info.get(CONFUSION):
        return artifact_texts(confusion, _classes(record, confusion), "validation")
    tested = _tested(record, stage, finals)
    return artifact_texts(tested.confusion, _classes(record, tested.confusion), "test") if tested else {}


def _tested(record: TrialRecord, stage: Stage, finals: Finals | None) -> TestResult | None:
    if stage is not Stage.FINAL or finals is None or finals.reading is None:
        return None
    return next((result for result in finals.reading.results if result.number == record.number), None)


def _classes(record: TrialRecord, confusion: Confusion) -> Sequence[str]:
    """Return the names of the classes; for a user's own data, their numbers."""
    name = record.config.data.dataset if isinstance(record.config, TrialConfig) else ""
    return DATASETS[name].classes if name in DATASETS else [str(number) for number in range(len(confusion))]


# MLflow's tag for the use of a dataset.
CONTEXT = "mlflow.data.context"
_TRAINING = {CONTEXT: "training"}
# The most characters that MLflow takes.
_LONGEST_NAME = 500


@dataclass(frozen=True)
class DataInput:
    """A dataset that a run uses, as MLflow shows it.

    Attributes:
        digest: of its content; at most 36 characters.
        source_type: http or local.
        source: where it comes from, as JSON.
        schema: the shapes and types of its arrays, as JSON; None: not known.
        profile: its size, as JSON; None: not known.
        tags: how this run uses it. MLflow keeps the other attributes once for the whole experiment.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None
    profile: str | None
    tags: Mapping[str, str]


def inputs_of(config: AnyConfig | None, provenance: Provenance, contents: Mapping[str, str]) -> tuple[DataInput, ...]:
    """Return the dataset of a training; empty for a user's own training, which reads its data itself.

    Args:
        contents: of the training, as in its TrialRecord; empty for trials of an early version of hpsearch.
    """
    if not isinstance(config, TrialConfig):
        return ()
    data = config.data
    tags = dict(_TRAINING)
    if data.dataset in DATASETS:
        training, validation = data.examples_of(DATASETS[data.dataset].train_examples)
        tags |= {"training_examples": str(training), "validation_examples": str(validation)}
    own = {data.dataset: contents["data"]} if "data" in contents else provenance.data
    return tuple(_named(data.dataset, own, tags))


def inputs_of_study(spec: StudySpec, provenance: Provenance) -> tuple[DataInput, ...]:
    """Return the datasets that trials of the study read."""
    return tuple(found for name in spec.datasets() for found in _named(name, provenance.current_data, _TRAINING))


def _named(name: str, own: Mapping[str, str], tags: Mapping[str, str]) -> Iterator[DataInput]:
    if name in DATASETS:
        entry = DATASETS[name]
        profile = json.dumps({"training_examples": entry.train_examples, "test_examples": entry.test_examples})
        source = json.dumps({"url": entry.homepage})
        yield DataInput(name, entry.digest, "http", source, _schema(entry), profile, tags)
    elif name in own:
        yield DataInput(name[-_LONGEST_NAME:], own[name], "local", json.dumps({"uri": name}), None, None, tags)


def _schema(entry: DatasetEntry) -> str:
    """Return the shapes of images and labels, -1 for their number, in the format of MLflow's tensor datasets."""
    images: list[dict[str, Any]] = [_tensor([-1, *entry.image_shape])]
    return json.dumps({"mlflow_tensorspec": {"features": json.dumps(images), "targets": json.dumps([_tensor([-1])])}})


def _tensor(shape: list[int]) -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": shape}}

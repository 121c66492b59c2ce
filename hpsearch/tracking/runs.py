"""The runs that MLflow holds: read with MLflow's client, and compared with their desired states."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hpsearch.search.provenance import STUDY_ID, Provenance
from hpsearch.tracking.client import address_of, search_all
from hpsearch.tracking.names import KIND, KINDS, OUTCOME_TAG, STUDY, TRAINING, TRIAL, parts_of
from hpsearch.tracking.run_states import RunKey, RunState
from hpsearch.tracking.target import Target

# The most runs in one request to MLflow, and the most values in one answer.
_RUNS, _VALUES = 100, 25_000


@dataclass
class MlflowRun:
    """A run in MLflow.

    Attributes:
        metric_names: names of its metrics, of which `read_metrics` reads the values.
        inputs: tags of each dataset that it uses, by the dataset's name and digest.
        models: ids of the models that were logged with it.
        metrics: values by step and name; None if they were not read.
        repeated: the number of values of a metric at a step, if there are several, by (name, step).
        texts: its artifacts by path; None if they were not read.
    """

    run_id: str
    status: str = "RUNNING"
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metric_names: tuple[str, ...] = ()
    inputs: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    metrics: dict[int, Mapping[str, float]] | None = None
    repeated: dict[tuple[str, int], int] = field(default_factory=dict)
    texts: dict[str, str] | None = None

    @staticmethod
    def of(run: Any) -> MlflowRun:
        """Return a run that MLflow's client returned."""
        data, datasets = run.data, run.inputs.dataset_inputs if run.inputs else []
        return MlflowRun(
            run.info.run_id,
            run.info.status,
            dict(data.params),
            dict(data.tags),
            tuple(data.metrics),
            {(i.dataset.name, i.dataset.digest): {tag.key: tag.value for tag in i.tags} for i in datasets},
            tuple(each.model_id for each in run.outputs.model_outputs) if run.outputs else (),
        )

    @property
    def kind(self) -> str:
        """The kind of the run, as its tag says; empty if hpsearch did not write it.

        Kinds: study, trial, finalist and final; of `hpsearch train` training and seed.
        """
        return self.tags.get(KIND, "")

    @property
    def key(self) -> RunKey | None:
        """Its key among the runs of a study; None if its tags give no number."""
        if self.kind == STUDY:
            return STUDY, 0
        number = self.tags.get(TRIAL if self.kind == "trial" else TRAINING, "")
        return (self.kind, int(number)) if number.isdecimal() else None

    def belongs_to(self, provenance: Provenance, target: Target) -> bool:
        """Return whether the run is of this study, and not of another study with the same name."""
        return self.tags.get(STUDY_ID, "" if target.shared else provenance.study) == provenance.study


def study_runs(client: Any, experiment: str) -> Iterator[MlflowRun]:
    """Yield every active run of an experiment that hpsearch has written, the latest first."""
    runs = map(MlflowRun.of, search_all(client.search_runs, [experiment], max_results=1000))
    yield from (run for run in runs if run.kind in (STUDY, *KINDS.values()))


def read_metrics(client: Any, target: Target, runs: Sequence[MlflowRun]) -> None:
    """Read all metric values of several runs into the runs.

    Use MLflow's bulk calls: its client would need tens of thousands of calls for a thousand trials.
    """
    by_id = {run.run_id: run for run in runs}
    read = _bulk_reader(target)
    for run in runs:
        run.metrics, run.repeated = {}, {}
    by_name: dict[str, list[str]] = {}
    for run in runs:
        for name in run.metric_names:
            by_name.setdefault(name, []).append(run.run_id)
    for name, all_ids in by_name.items():
        for ids in parts_of(all_ids, _RUNS):
            values = read(name, ids)
            if len(values) >= _VALUES:
                # The answer is full, so there may be more values.
                values = [(run_id, *value) for run_id in ids for value in _history(client, run_id, name)]
            for run_id, step, value in values:
                _keep(by_id[run_id], name, step, value)


def read_run_metrics(client: Any, run: MlflowRun) -> None:
    """Read all metric values of one run into the run, one call for each metric."""
    run.metrics, run.repeated = {}, {}
    for name in run.metric_names:
        for step, value in _history(client, run.run_id, name):
            _keep(run, name, step, value)


def _keep(run: MlflowRun, name: str, step: int, value: float) -> None:
    assert run.metrics is not None
    row = run.metrics.setdefault(step, {})
    assert isinstance(row, dict)
    if name in row:
        run.repeated[name, step] = run.repeated.get((name, step), 1) + 1
    else:
        row[name] = value


def _history(client: Any, run_id: str, name: str) -> Iterable[tuple[int, float]]:
    return ((metric.step, metric.value) for metric in client.get_metric_history(run_id, name))


def _bulk_reader(target: Target) -> Callable[[str, Sequence[str]], list[tuple[str, int, float]]]:
    """Return the function that reads one metric of many runs, as a list of (run id, step, value)."""
    if target.is_server:
        return lambda name, ids: _from_server(target, name, ids)
    # The store behind the client; see CONTRIBUTING, "Private API that we use".
    from mlflow.tracking._tracking_service.utils import _get_store

    store = _get_store(address_of(target))

    def from_database(name: str, ids: Sequence[str]) -> list[tuple[str, int, float]]:
        found = store.get_metric_history_bulk(ids, name, _VALUES)
        return [(metric.run_id, metric.step, metric.value) for metric in found]

    return from_database


def _from_server(target: Target, name: str, ids: Sequence[str]) -> list[tuple[str, int, float]]:
    """Return one metric of many runs, by the call that MLflow's pages use for their charts."""
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request, verify_rest_response

    path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
    query = {"run_id": ids, "metric_key": name, "max_results": _VALUES}
    answer = http_request(get_default_host_creds(address_of(target)), path, "GET", params=query)
    found = verify_rest_response(answer, path).json()["metrics"]
    return [(metric["run_id"], int(metric["step"]), float(metric["value"])) for metric in found]


def read_texts(client: Any, run: MlflowRun) -> None:
    """Read the artifacts of a run into the run; stop at the first that cannot be read."""
    from mlflow.exceptions import MlflowException

    run.texts = {}
    with TemporaryDirectory() as folder:
        try:
            for item in client.list_artifacts(run.run_id):
                if not item.is_dir:
                    path = Path(client.download_artifacts(run.run_id, item.path, folder))
                    run.texts[item.path] = path.read_text(encoding="utf-8", errors="replace")
        except (MlflowException, OSError):
            return


# The number of differences of one kind that are shown for a run; further ones are only counted.
_SHOWN = 3


@dataclass(frozen=True)
class RunDifference:
    """The differences of one kind between a run and its desired state.

    Attributes:
        kind: parameters, outcome, tags, inputs or metrics.
        texts: each difference in words.
        permanent: whether MLflow cannot remove what is wrong, so that the run must be written again.
    """

    kind: str
    texts: Sequence[str]
    permanent: bool

    @property
    def line(self) -> str:
        more = f"; and {len(self.texts) - _SHOWN} more" if len(self.texts) > _SHOWN else ""
        return f"{self.kind}: {'; '.join(self.texts[:_SHOWN])}{more}"


def differences(run: MlflowRun, state: RunState) -> Iterator[RunDifference]:
    """Yield the differences between a run, whose metrics were read, and its desired state, one object for each kind.

    Other tags and metrics, and further inputs, are no difference: users and MLflow add their own. An outcome that the
    desired state lacks is a difference, and so is a further step of one of its metrics.
    """
    wrong = [name for name in {**run.params, **state.params} if run.params.get(name) != state.params.get(name)]
    if wrong:
        texts = [_was(name, run.params.get(name), state.params.get(name)) for name in sorted(wrong)]
        yield RunDifference("parameters", texts, permanent=any(name in run.params for name in wrong))
    for kind, names in (
        ("outcome", {*run.tags, *state.tags} & {OUTCOME_TAG}),
        ("tags", {*state.tags} - {OUTCOME_TAG}),
    ):
        wrong = sorted(name for name in names if run.tags.get(name) != state.tags.get(name))
        if wrong:
            texts = [_was(name, run.tags.get(name), state.tags.get(name)) for name in wrong]
            yield RunDifference(kind, texts, permanent=any(name not in state.tags for name in wrong))
    if found := list(_wrong_inputs(run, state)):
        yield RunDifference("inputs", [text for text, _ in found], any(permanent for _, permanent in found))
    if found := list(_wrong_metrics(run, state)):
        yield RunDifference("metrics", [text for text, _ in found], any(permanent for _, permanent in found))


def wrong_texts(run: MlflowRun, state: RunState) -> Iterator[str]:
    """Yield a sentence for each artifact that is missing or differs."""
    has = run.texts or {}
    for name, text in state.texts.items():
        if has.get(name) != text:
            yield f"the artifact {name} is {'another' if name in has else 'missing'}"


def _was(name: str, has: str | None, should: str | None) -> str:
    if has is None:
        return f"{name} is missing"
    return f"{name} is {_short(has)}, should be {_short(should) if should is not None else 'absent'}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _wrong_inputs(run: MlflowRun, state: RunState) -> Iterator[tuple[str, bool]]:
    for each in state.inputs:
        has, where = run.inputs.get((each.name, each.digest)), f"the dataset {each.name} ({each.digest})"
        if has is None:
            yield f"{where} is missing", False
        elif has != each.tags:
            yield f"{where} is tagged {has}, should be {dict(each.tags)}", True


def _wrong_metrics(run: MlflowRun, state: RunState) -> Iterator[tuple[str, bool]]:
    """Yield each difference of the metrics, and whether it is permanent."""
    known = run.metrics or {}
    if not run.repeated and known.keys() <= {row.step for row in state.rows if known.get(row.step) is row.metrics}:
        # This process wrote these rows; only further rows can be missing.
        lacking = [row for row in state.rows if row.step not in known]
        yield from ((f"step {row.step} is missing", False) for row in lacking)
        return
    should: dict[str, dict[int, float]] = {}
    for row in state.rows:
        for name, value in row.metrics.items():
            should.setdefault(name, {})[row.step] = value
    has: dict[str, dict[int, float]] = {name: {} for name in should}
    for step, values in known.items():
        for name in values.keys() & should.keys():
            has[name][step] = values[name]
    for name, steps in should.items():
        yield from _wrong_steps(name, has[name], steps, run.repeated)


def _wrong_steps(
    name: str, has: Mapping[int, float], should: Mapping[int, float], repeated: Mapping[tuple[str, int], int]
) -> Iterator[tuple[str, bool]]:
    if lacking := [step for step in should if step not in has]:
        yield f"{name} lacks step {', '.join(map(str, lacking[:10]))}{' ...' if len(lacking) > 10 else ''}", False
    for step, value in has.items():
        if step not in should:
            yield f"{name} has a step {step} too many", True
        elif times := repeated.get((name, step)):
            yield f"{name} has step {step} {times} times", True
        elif value != should[step] and not (math.isnan(value) and math.isnan(should[step])):
            yield f"{name} at step {step} is {value:.6g}, should be {should[step]:.6g}", True

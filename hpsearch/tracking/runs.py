"""The runs that MLflow holds, read with its client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hpsearch.search.provenance import STUDY_ID, Provenance
from hpsearch.tracking.client import address_of, search_all
from hpsearch.tracking.names import KIND, KINDS, STUDY, TRAINING, TRIAL, parts_of
from hpsearch.tracking.run_states import RunKey
from hpsearch.tracking.target import Target

# The most runs and values in one answer of MLflow.
_RUNS, _VALUES = 100, 25_000


@dataclass
class MlflowRun:
    """A run in MLflow.

    Attributes:
        metric_names: of a run that was read; its values are read by `read_metrics`.
        inputs: tags of each dataset that it uses, by the dataset's name and digest.
        models: ids of the models that were logged with it.
        metrics: values by step and name; None where they were not read. Runs that this process writes have them.
        repeated: (name, step) of metrics that have several values at one step.
        texts: its artifacts by path; None where they were not read.
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
        """The kind of hpsearch's runs that it is of; empty: it is not hpsearch's."""
        return self.tags.get(KIND, "")

    @property
    def key(self) -> RunKey | None:
        """Its key among the runs of a study; None where its tags give none."""
        if self.kind == STUDY:
            return STUDY, 0
        number = self.tags.get(TRIAL if self.kind == "trial" else TRAINING, "")
        return (self.kind, int(number)) if number.isdecimal() else None

    def belongs_to(self, provenance: Provenance, target: Target) -> bool:
        """Return whether it is a study's run: another study of the same name may have been here, or another user's."""
        return self.tags.get(STUDY_ID, "" if target.shared else provenance.study) == provenance.study


def study_runs(client: Any, experiment: str) -> Iterator[MlflowRun]:
    """Yield every active run of an experiment that is of a study, the latest first."""
    runs = map(MlflowRun.of, search_all(client.search_runs, [experiment], max_results=1000))
    yield from (run for run in runs if run.kind in (STUDY, *KINDS.values()))


def read_metrics(client: Any, target: Target, runs: Sequence[MlflowRun]) -> None:
    """Read every value of every metric of some runs, and keep them in the runs.

    MLflow's client takes a call for each metric of each run; a study of a thousand trials has tens of thousands.
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
                # There may be more than one answer can hold.
                values = [(run_id, *value) for run_id in ids for value in _history(client, run_id, name)]
            for run_id, step, value in values:
                _keep(by_id[run_id], name, step, value)


def read_few_metrics(client: Any, run: MlflowRun) -> None:
    """Read every value of every metric of one run, and keep them in the run."""
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
    """Return the function that reads one metric of many runs: (run id, step, value) of each value."""
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
    """Read one metric of many runs by the call that MLflow's own pages make for their charts."""
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request, verify_rest_response

    path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
    query = {"run_id": ids, "metric_key": name, "max_results": _VALUES}
    answer = http_request(get_default_host_creds(address_of(target)), path, "GET", params=query)
    found = verify_rest_response(answer, path).json()["metrics"]
    return [(metric["run_id"], int(metric["step"]), float(metric["value"])) for metric in found]


def read_texts(client: Any, run: MlflowRun) -> None:
    """Read the artifacts of a run, and keep them in the run; what cannot be read is left out."""
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

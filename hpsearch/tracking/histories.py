"""Every metric of every step of many runs at once: MLflow's client takes a call for each metric of each run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hpsearch.tracking.mlflow_store import address_of
from hpsearch.tracking.target import Target

# Of a metric the values at each step, of which there should be one each.
History = dict[str, dict[int, list[float]]]
# What a server gives in one answer: runs, and values.
_RUNS, _VALUES = 100, 25_000


def history(client: Any, run: str, metrics: Iterable[str]) -> History:
    """Every value of some metrics of one run."""
    values = ((run, name, m.step, m.value) for name in metrics for m in client.get_metric_history(run, name))
    return _sorted(values).get(run, {})


def histories(client: Any, target: Target, metrics: Mapping[str, Sequence[str]]) -> dict[str, History]:
    """Every value of every metric of some runs, by run.

    Args:
        metrics: the names of each run's metrics.
    """
    if target.is_server:
        return _sorted(_from_server(client, target, metrics))
    return _sorted(_from_database(target, metrics))


def _sorted(values: Iterable[tuple[str, str, int, float]]) -> dict[str, History]:
    found: dict[str, History] = {}
    for run, name, step, value in values:
        found.setdefault(run, {}).setdefault(name, {}).setdefault(step, []).append(value)
    return found


def _from_database(target: Target, metrics: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, int, float]]:
    """From MLflow's own table of metrics, some runs in each query."""
    from sqlalchemy import column, create_engine, select, table
    from sqlalchemy.pool import NullPool

    names = ("run_uuid", "key", "step", "value", "is_nan")
    kept = table("metrics", *(column(name) for name in names))
    engine = create_engine(address_of(target), poolclass=NullPool)
    with engine.connect() as connection:
        for runs in _parts(list(metrics), _RUNS):
            query = select(*(kept.c[name] for name in names)).where(kept.c.run_uuid.in_(runs))
            for run, name, step, value, is_nan in connection.execute(query):
                yield run, name, step, float("nan") if is_nan else value


def _from_server(
    client: Any, target: Target, metrics: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str, int, float]]:
    """By the call that MLflow's own pages make for their charts."""
    by_name: dict[str, list[str]] = {}
    for run, names in metrics.items():
        for name in names:
            by_name.setdefault(name, []).append(run)
    for name, all_runs in by_name.items():
        for runs in _parts(all_runs, _RUNS):
            yield from _one_answer(client, target, name, runs)


def _one_answer(client: Any, target: Target, name: str, runs: list[str]) -> Iterator[tuple[str, str, int, float]]:
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request, verify_rest_response

    path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
    query = {"run_id": runs, "metric_key": name, "max_results": _VALUES}
    answer = http_request(get_default_host_creds(address_of(target)), path, "GET", params=query)
    found = verify_rest_response(answer, path).json()["metrics"]
    if len(found) < _VALUES:
        yield from ((m["run_id"], name, int(m["step"]), float(m["value"])) for m in found)
        return
    # There may be more than one answer can hold.
    for run in runs:
        for metric in client.get_metric_history(run, name):
            yield run, name, metric.step, metric.value


def _parts(items: list[str], size: int) -> Iterator[list[str]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]

"""`hpsearch catalogue`, `data` and `bench`: the choices of a study, the cached datasets, the speed of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpsearch.api import say
from hpsearch.cli.options import FormatOption, SetOption, WorkersOption
from hpsearch.cli.output import OutputFormat, emit, put
from hpsearch.errors import UnknownNameError

if TYPE_CHECKING:
    from hpsearch.search.bench import Bench

# The kinds of entries, and the word for one entry.
CATALOGUES = {
    "optimizers": "optimizer",
    "schedules": "schedule",
    "models": "model",
    "losses": "loss",
    "metrics": "metric",
    "summary_metrics": "metric of a whole training",
    "datasets": "dataset",
}


def catalogue(
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", help=f"One of {', '.join(CATALOGUES)} (default: all).")
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One entry, with all of its knobs.")] = None,
    output_format: Annotated[
        OutputFormat, typer.Option("-f", "--format", help="How to print it.", case_sensitive=False)
    ] = OutputFormat.table,
) -> None:
    """Print what a study may choose: formula, knobs, defaults, recommended ranges and sources.

    summary_metrics are the metrics of a whole training, for `compare:` in a study file.
    """
    if kind is None:
        every = {each: entries_of(each) for each in CATALOGUES}
        if output_format in (OutputFormat.json, OutputFormat.yaml):
            emit(
                {each: [entry.plain() for entry in entries.values()] for each, entries in every.items()}, output_format
            )
            return
        emit([{"kind": each, "names": ", ".join(entries)} for each, entries in every.items()], output_format)
        return
    if kind not in CATALOGUES:
        raise UnknownNameError("kind", kind, CATALOGUES)
    entries = entries_of(kind)
    if name is None:
        rows = [entry.plain() for entry in entries.values()]
        whole = output_format in (OutputFormat.json, OutputFormat.yaml)
        emit(rows if whole else [_row(plain) for plain in rows], output_format, title=kind)
        return
    if name not in entries:
        raise UnknownNameError(CATALOGUES[kind], name, entries)
    _print_entry(entries[name].plain(), output_format)


def entries_of(kind: str) -> Mapping[str, Any]:
    """Return the entries of a kind by name."""
    from hpsearch.catalogue import datasets, losses, metrics, models, optimizers, schedules

    entries: dict[str, Mapping[str, Any]] = {
        "optimizers": optimizers.OPTIMIZERS,
        "schedules": schedules.SCHEDULES,
        "models": models.MODELS,
        "losses": losses.LOSSES,
        "metrics": metrics.METRICS,
        "summary_metrics": metrics.SUMMARY_METRICS,
        "datasets": datasets.DATASETS,
    }
    return entries[kind]


def _row(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry as a row of a table, with the names of its knobs; what is empty is left out."""
    names = {"knobs": ", ".join(knob["name"] for knob in plain["knobs"])} if "knobs" in plain else {}
    return {key: value for key, value in {**plain, **names}.items() if value}


def _print_entry(plain: dict[str, Any], output_format: OutputFormat) -> None:
    if output_format in (OutputFormat.json, OutputFormat.yaml):
        emit(plain, output_format)
        return
    knobs = [
        {**knob, "default": _written(knob["default"]), "recommended": _written(knob["recommended"], "")}
        for knob in plain.get("knobs", ())
    ]
    about = {key: value for key, value in plain.items() if key != "knobs" and value != ""}
    if output_format is OutputFormat.csv:
        emit(knobs or [about], output_format)
        return
    emit(about, output_format)
    if knobs:
        emit(knobs, output_format, title="knobs", below="source")
    else:
        put("no knobs")


def _written(value: Any, null: str = "null") -> str:
    """Return a value as a study file writes it in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    if value is None:
        return null
    return str(value).lower() if isinstance(value, bool) else str(value)


data = typer.Typer(help="Fetch datasets, and see what is in the cache.", no_args_is_help=True)


@data.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Dataset: fashion_mnist or fashion_mnist_sample.")] = "fashion_mnist",
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Take the four files (.gz or not) from this folder, and from nowhere else. "
            "HPSEARCH_DATA_DIR does the same for what the cache lacks.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again even if the cache is complete.")] = False,
) -> None:
    """Put a dataset into the cache, every byte checked against its published SHA-256.

    Without --from it is looked for in Keras's cache, in /usr/share/datasets, in Keras's public storage,
    and in the package archive of Debian or Ubuntu; no root is needed. Prints the folder.
    """
    from hpsearch.data.store import obtain

    folder = obtain(name, source=source, report=say, force=force)
    say(f"{name} is ready")
    typer.echo(folder)


@data.command()
def status(
    output_format: Annotated[
        OutputFormat, typer.Option("-f", "--format", help="How to print it.", case_sensitive=False)
    ] = OutputFormat.table,
) -> None:
    """List all datasets: whether each is in the cache with every byte right, and where it came from."""
    from hpsearch.catalogue.datasets import DATASETS
    from hpsearch.data.store import cache_status as status_of

    rows: list[Mapping[str, object]] = [status_of(name) for name in DATASETS]
    emit(rows, output_format, title="Datasets")


def bench(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Study file (default: the quickstart's space).")
    ] = None,
    workers: WorkersOption = None,
    overrides: SetOption = None,
    output_format: FormatOption = OutputFormat.table,
) -> None:
    """Measure this machine, and forecast the longest time of a study.

    Measures matrix products, and trains about a dozen configurations of the study for two epochs each in real workers;
    no study is made. -f csv prints a row for each configuration.
    """
    from hpsearch.api import SHIPPED
    from hpsearch.config.study import load_study
    from hpsearch.executors.local import default_workers
    from hpsearch.search.bench import measure_study
    from hpsearch.search.stop import ends_at_once

    try:
        with ends_at_once():
            spec = load_study(file or SHIPPED / "quickstart.yaml", overrides or [])
            result = measure_study(spec, workers or default_workers(), say)
    except KeyboardInterrupt:
        # Some versions of Typer would end without a word.
        raise typer.Abort from None
    if output_format is OutputFormat.table:
        _tables(result)
    elif output_format is OutputFormat.csv:
        emit(result.configurations(), output_format)
    else:
        configurations, forecast = result.configurations(), result.forecast.plain()
        data = {"study": result.study, **result.machine(), "configurations": configurations, "forecast": forecast}
        emit(data, output_format)
    if spec.search.timeout is not None and spec.search.timeout < result.forecast.seconds:
        say(f"the study's timeout starts no new trial after {spec.search.timeout:g} s")


def _tables(result: Bench) -> None:
    from hpsearch.search.bench import at_most

    emit(result.machine(), OutputFormat.table, title="This machine")
    emit(_short(result), OutputFormat.table, title="Trained for two epochs, all workers busy")
    put(f"{result.study}: {at_most(result.forecast.seconds)}")
    put(f"({result.forecast.assumptions})")


def _short(result: Bench) -> list[dict[str, object]]:
    """Return the configurations in columns that fit a terminal."""
    return [
        {
            "optimizer": row["optimizer"],
            "model": row["architecture"],
            "weights": row["weights"],
            "batch": row["batch_size"],
            "engine": row["engine"],
            "compiled": row["compiled"],
            "epoch 1 (s)": row["first_epoch_seconds"],
            "epoch 2 (s)": row["second_epoch_seconds"],
            "matrix GFLOP": row["matrix_gflop_per_epoch"],
            "of peak": None if row["matrix_peak_share"] is None else f"{row['matrix_peak_share']:.0%}",
        }
        for row in result.configurations()
    ]

"""`hpsearch bench`: what this machine does, and how long a study will take on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpsearch.api import say
from hpsearch.cli.options import FormatOption, SetOption, WorkersOption
from hpsearch.cli.output import OutputFormat, emit, put

if TYPE_CHECKING:
    from hpsearch.search.bench import Bench


def bench(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Study file (default: the quickstart's space).")
    ] = None,
    workers: WorkersOption = None,
    overrides: SetOption = None,
    output_format: FormatOption = OutputFormat.table,
) -> None:
    """Measure this machine and forecast a study: matrix peak, epochs per second, time at most.

    Trains a dozen configurations or so of the study for two epochs each, in real workers; no study is
    made. With -f csv a row for each of them.
    """
    from hpsearch.api import SHIPPED
    from hpsearch.config.study import load_study
    from hpsearch.executors.local import default_workers
    from hpsearch.search.bench import bench as measure
    from hpsearch.search.stop import ends_at_once

    try:
        with ends_at_once():
            spec = load_study(file or SHIPPED / "quickstart.yaml", overrides or [])
            result = measure(spec, workers or default_workers(), say)
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
    from hpsearch.search.forecast import at_most

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

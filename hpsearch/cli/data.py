"""`hpsearch data`: fetch a dataset, and see what is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from hpsearch.api import say
from hpsearch.cli.output import OutputFormat, emit

app = typer.Typer(help="Fetch datasets, and see what is in the cache.", no_args_is_help=True)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Dataset: fashion_mnist or fashion_mnist_sample.")] = "fashion_mnist",
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Take the four files (.gz or not) from this folder, and from nowhere else. "
            "HPSEARCH_DATA_DIR does the same.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again even if the cache is whole.")] = False,
) -> None:
    """Put a dataset into the cache, every byte checked against its published SHA-256.

    Without --from it is looked for in Keras's cache, in /usr/share/datasets, in Keras's public storage,
    and in the package archive of Debian or Ubuntu; no root is needed. Prints the folder.
    """
    from hpsearch.data.store import obtain

    folder = obtain(name, source=source, report=say, force=force)
    say(f"{name} is ready")
    typer.echo(folder)


@app.command()
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

"""`hpsearch ui`: the runs in MLflow's web interface."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from hpsearch.api import say
from hpsearch.cli.options import HomeOption, home_of, whole_number_option
from hpsearch.errors import UnknownNameError


def ui(
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY]", help="Study to open, or name of a configuration that `hpsearch train` has logged."
        ),
    ] = None,
    finalists: Annotated[
        bool, typer.Option("--finalists", help="Open the trainings of the study's finalists instead of its trials.")
    ] = False,
    port: Annotated[
        int | None,
        whole_number_option("--port", 1, 65_535, help="Port (default: 5000, or the next free one)."),
    ] = None,
    host: Annotated[
        str,
        typer.Option("--host", help="Address to bind to; any but a loopback address needs MLFLOW_AUTH_ADMIN_PASSWORD."),
    ] = "127.0.0.1",
    open_browser: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Open a browser (default: if this is a terminal of a desktop)."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Browse the runs in MLflow: compare trials, see every curve, take artifacts. Ctrl-C ends it.

    Prints the address. With STUDY it shows that study's trials, best first, with hyperparameters and
    metrics as columns. It may run while a study trains.
    """
    from hpsearch.tracking.ui import NoRunsError, serve
    from hpsearch.tracking.view_state import FINALISTS_KEY, VIEW_KEY

    where = home_of(home)

    unknown = None
    if study is not None:
        from hpsearch.search.storage import find_study

        try:
            find_study(where, study)
        except UnknownNameError as error:
            # It may be the name of a configuration that `hpsearch train` has logged with artifacts.
            if not (where.artifacts / study).is_dir():
                raise
            unknown = error

    def ready(url: str) -> None:
        print(url, flush=True)
        say("Ctrl-C ends it")

    view = FINALISTS_KEY if finalists else VIEW_KEY
    try:
        serve(where, study, port, _desktop() if open_browser is None else open_browser, ready, host, view)
    except NoRunsError as error:
        raise unknown or error from None


def _desktop() -> bool:
    """Return whether stdout is a terminal of a machine that can show a browser."""
    shown = sys.platform in {"darwin", "win32"} or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return shown and sys.stdout.isatty()

"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpsearch.cli.output import Format
from hpsearch.errors import EnvironmentProblem

if TYPE_CHECKING:
    from hpsearch.search.home import Home

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="HPSEARCH_HOME",
        metavar="DIR",
        help="Folder that holds the state of all studies (default: ./mlruns).",
    ),
]
FormatOption = Annotated[Format, typer.Option("-f", "--format", help="How to print the result.", case_sensitive=False)]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY.PATH=VALUE",
        help="Override a value of the file, for instance trial.training.max_epochs=3 (repeatable; YAML).",
    ),
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        metavar="URI",
        help="MLflow server or database for the runs (default: MLFLOW_TRACKING_URI, else the home folder's own).",
    ),
]
QuickOption = Annotated[
    bool,
    typer.Option("--quick", help="Take the file's short version: its section `quick`, as the study NAME-quick."),
]
StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study (see `hpsearch studies`).")]
StudyFileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="Study file (YAML), for instance studies/quickstart.yaml.")
]


def home_of(path: Path | None) -> Home:
    """The home folder that `--home`, HPSEARCH_HOME or the current folder names."""
    from hpsearch.search.home import Home

    root = path if path is not None else Path("mlruns")
    if root.exists() and not root.is_dir():
        raise EnvironmentProblem(f"{root}: the home must be a folder; name another with --home or HPSEARCH_HOME")
    return Home(root)

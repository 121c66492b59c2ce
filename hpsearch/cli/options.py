"""Options that several commands share."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpsearch.api import find_home, home_folder
from hpsearch.cli.output import OutputFormat
from hpsearch.errors import EnvironmentProblem, HpsearchError

if TYPE_CHECKING:
    from hpsearch.search.home import Home


def whole_number(name: str, low: int, high: int | None = None) -> Callable[[str | int], int]:
    """Return the parser of a whole number on the command line.

    Args:
        name: the option or argument, as messages call it.
        low, high: the smallest and the largest value that is allowed; no `high`: there is no largest.
    """
    rule = f"a whole number from {low:,} to {high:,}" if high is not None else f"a whole number, {low:,} or more"

    def parse(given: str | int) -> int:
        text = str(given).strip()
        # Python refuses to convert numbers of thousands of digits.
        number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,30}", text) else None
        if number is None or number < low or (high is not None and number > high):
            raise HpsearchError(f"{name} is {_as_given(text)}, but must be {rule}")
        return number

    return parse


def whole_number_option(name: str, low: int, high: int | None = None, *, help: str) -> Any:
    """Return an option of the command line that takes a whole number, for `Annotated`; as `whole_number`."""
    return typer.Option(name, metavar="N", parser=whole_number(name, low, high), help=help)


def duration(name: str) -> Callable[[str], str]:
    """Return the parser of a duration on the command line, `90`, `90s`, `20m` or `2h`; the text stays as it is."""

    def parse(given: str) -> str:
        number = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(?:s|m|h)?", given.strip())
        if number is None or float(number[1]) == 0:
            rule = "a duration above 0 such as 90s, 20m or 2h (a number alone is seconds)"
            raise HpsearchError(f"{name} is {_as_given(given)}, but must be {rule}")
        return given.strip()

    return parse


def _as_given(text: str) -> str:
    """Return a number as it is, everything else in quotes."""
    is_number = re.fullmatch(r"[+-]?[0-9]+(?:\.[0-9]+)?", text)
    text = text if len(text) <= 60 else text[:57] + "..."
    return text if is_number else f"'{text}'"


TrialsOption = Annotated[
    int | None,
    whole_number_option("--trials", 1, 1_000_000, help="Total number of trials, those of earlier runs included."),
]
WorkersOption = Annotated[
    int | None,
    whole_number_option(
        "--workers",
        1,
        10_000,
        help="Number of trials that run at once (default: one per core, fewer if memory is short).",
    ),
]
TrialOption = Annotated[
    int | None,
    whole_number_option("--trial", 0, help="Number of a trial (default: the winner of the finalists, else the best)."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite FILE if it exists, without asking.")]
HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="HPSEARCH_HOME",
        metavar="DIR",
        parser=home_folder,
        help="Folder that holds the state of all studies (default: ./mlruns).",
    ),
]
FormatOption = Annotated[
    OutputFormat, typer.Option("-f", "--format", help="How to print the result.", case_sensitive=False)
]
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
    """Return the home folder that `--home`, HPSEARCH_HOME or the current folder names."""
    return find_home(path)


def check_output(file: Path, *, force: bool) -> None:
    """Check, before any work is done, that the file which the user names for a result may be written.

    A file that exists is overwritten if `force` is given or the user agrees in the terminal.

    Raises:
        EnvironmentProblem: it is a folder, its folder does not exist, or it exists and may not be overwritten.
    """
    if file.is_dir():
        raise EnvironmentProblem(f"{file}: is a folder; name a file")
    if not file.absolute().parent.is_dir():
        raise EnvironmentProblem(f"{file}: cannot be written: there is no folder {file.parent}")
    # Writing to a special file, such as /dev/stdout, loses nothing.
    if force or not file.is_file():
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        if typer.confirm(f"{file} exists; overwrite it?", err=True):
            return
        raise EnvironmentProblem(f"{file}: exists and was not overwritten")
    raise EnvironmentProblem(f"{file}: exists; --force overwrites it, or name another file")

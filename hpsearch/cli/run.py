"""`hpsearch run`, `stop`, `validate` and `schema`: study files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hpsearch.api import say
from hpsearch.cli.ending import exit_code, tell_end
from hpsearch.cli.options import (
    FormatOption,
    HomeOption,
    QuickOption,
    SetOption,
    StudyArgument,
    StudyFileArgument,
    TrackingOption,
    TrialsOption,
    WorkersOption,
    duration,
    home_of,
)
from hpsearch.cli.output import OutputFormat, emit, put
from hpsearch.errors import HpsearchError

# A run stops within a second or two, unless a database keeps it waiting.
STOP_SECONDS = 30.0


def run(
    study: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY", help="Study file (YAML); else the name of a study, or of one that comes with hpsearch."
        ),
    ],
    trials: TrialsOption = None,
    workers: WorkersOption = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            metavar="DURATION",
            parser=duration("--timeout"),
            help="Start no new trial after this long: 90s, 20m, 2h.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the study; as --set name=NAME.")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also try the configurations of failed trials again.")
    ] = False,
    overrides: SetOption = None,
    quick: QuickOption = False,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="Go on although your own data or modules have changed; recorded."),
    ] = False,
    tracking_uri: TrackingOption = None,
    home: HomeOption = None,
    output_format: FormatOption = OutputFormat.table,
) -> None:
    """Run a study, or go on with it.

    Trains what is missing to the study's total number of trials, of which failed ones are no part; a study that
    exists is continued. Ctrl-C once stops cleanly; the same command goes on later. Ends with the best
    configuration, or with the comparison that the file asks for. Exit codes: 0 done, 2 bad input, 3 no good trial,
    130 interrupted.
    """
    from hpsearch.api import find_spec, run_spec
    from hpsearch.search.stop import Stop
    from hpsearch.tracking.listener import lacks_a_part
    from hpsearch.tracking.target import Target, find_target

    stop = Stop()
    target = find_target(home_of(home), tracking_uri)
    with stop.on_signals():
        changes = [*(overrides or []), *([f"search.timeout={timeout}"] if timeout is not None else [])]
        changes += [_named(name)] if name is not None else []
        spec, which = find_spec(study, target.home, changes, quick=quick)
        if not which.startswith("the file"):
            say(f"running {which}")
        given = {"accept_changes": accept_changes, "retry_failed": retry_failed}
        ended = run_spec(spec, target, stop, say, trials=trials, workers=workers, **given)
        tell_end(spec, target, ended, spec.total(trials), output_format)
        for address in ended.lacking:
            say(lacks_a_part(Target.of_key(target.home, address), spec.name))
    raise typer.Exit(exit_code(ended))


def _named(name: str) -> str:
    """Return the override that gives the study its name.

    Raises:
        HpsearchError: no study may have that name.
    """
    from hpsearch.config.file import NAME, NAME_RULE

    if not NAME.fullmatch(name):
        raise HpsearchError(f"--name is {name!r}, but must be {NAME_RULE}")
    # In quotes, since YAML takes a name such as 2024 for a number.
    return f"name={json.dumps(name)}"


def stop(study: StudyArgument, home: HomeOption = None) -> None:
    """Stop the run of a study, wherever on this machine it was started.

    As Ctrl-C in its own terminal: running trials are recorded as interrupted, and the same `hpsearch run` goes on
    with them later. A second `hpsearch stop` ends the run at once.
    """
    from hpsearch.search.stop import stop_study

    if stop_study(home_of(home), study, STOP_SECONDS):
        say(f"study '{study}' was stopped; `hpsearch run` with its file goes on")
    else:
        say(f"study '{study}' was asked to stop and is still running; a second `hpsearch stop` ends it at once")


def validate(
    file: StudyFileArgument,
    overrides: SetOption = None,
    quick: QuickOption = False,
    output_format: FormatOption = OutputFormat.table,
) -> None:
    """Check a study file without training, your own .npz files too; print its parameters."""
    from hpsearch.config.space import Options
    from hpsearch.config.study import load_study
    from hpsearch.search.prepare import check_files

    spec = load_study(file, overrides or [], quick=quick)
    known = check_files(spec)
    rows = [
        {
            "parameter": node.name,
            "distribution": {"choice": list(node.labels)} if isinstance(node, Options) else node.distribution.plain(),
        }
        for node in spec.parameters
    ]
    if output_format is OutputFormat.table:
        table = [{**row, "distribution": json.dumps(row["distribution"])} for row in rows]
        grid = f", a grid of {len(spec.points)} points" if spec.points else ""
        emit(table, OutputFormat.table, title=f"{spec.name}: {len(rows)} parameters{grid}")
    else:
        emit({"study": spec.name, "valid": True, "parameters": rows}, output_format)
    for data, found in known.items():
        configs = [config.for_data(found.dtype) for config in spec.keras_corners if config.data.dataset == data]
        chosen = " or ".join(sorted({str(config.data.normalization) for config in configs}))
        size = f"{found.examples:,} examples of shape {list(found.shape)} in {found.classes} classes"
        say(f"{data}: {size}, {found.dtype}; normalization {chosen}")
    say(f"{file}: valid")


def schema() -> None:
    """Print the JSON Schema of study files, for editors."""
    from hpsearch.config.file import study_schema

    put(json.dumps(study_schema(), indent=2))

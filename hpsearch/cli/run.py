"""`hpsearch run`, `validate` and `schema`: study files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

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
from hpsearch.cli.output import Format, emit, put, say
from hpsearch.cli.plan import plan_of, render_best
from hpsearch.errors import HpsearchError

if TYPE_CHECKING:
    from hpsearch.config.study import StudySpec
    from hpsearch.search.listeners import Listener, StudyEnded
    from hpsearch.search.stages import Stage
    from hpsearch.search.stop import Stop
    from hpsearch.search.storage import Study
    from hpsearch.tracking.target import Target

# A run stops within a second or two, unless a database keeps it waiting.
STOP_SECONDS = 30.0


def run(
    file: StudyFileArgument,
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
    output_format: FormatOption = Format.table,
) -> None:
    """Run a study file, or go on with its study.

    Trains what is missing to the study's total number of trials, of which failed ones are no part; a study that
    exists is continued. Ctrl-C once stops cleanly; the same command goes on later. Ends with the best
    configuration, or with the comparison that the file asks for. Exit codes: 0 done, 2 bad input, 3 no good trial,
    130 interrupted.
    """
    from hpsearch.config.study import load_study
    from hpsearch.search.stop import Stop
    from hpsearch.tracking.target import find_target

    stop = Stop()
    target = find_target(home_of(home), tracking_uri)
    with stop.on_signals():
        changes = [*(overrides or []), *([f"search.timeout={timeout}"] if timeout is not None else [])]
        changes += [_named(name)] if name is not None else []
        spec = load_study(file, changes, quick=quick)
        given = {"accept_changes": accept_changes, "retry_failed": retry_failed}
        ended = _run(spec, trials, workers, target, output_format, stop, **given)
    raise typer.Exit(exit_code(ended))


def _named(name: str) -> str:
    """The override that gives the study its name.

    Raises:
        HpsearchError: no study may have that name.
    """
    from hpsearch.config.file import NAME, NAME_RULE

    if not NAME.fullmatch(name):
        raise HpsearchError(f"--name is {name!r}, but must be {NAME_RULE}")
    # In quotes, since YAML takes a name such as 2024 for a number.
    return f"name={json.dumps(name)}"


def _run(
    spec: StudySpec,
    trials: int | None,
    workers: int | None,
    target: Target,
    output_format: Format,
    stop: Stop,
    *,
    accept_changes: bool,
    retry_failed: bool,
) -> StudyEnded:
    from hpsearch.config.yaml_text import dump
    from hpsearch.executors.local import default_workers
    from hpsearch.search.run import Request, run_study
    from hpsearch.tracking.mlflow_listener import lacks_a_part
    from hpsearch.tracking.target import Target

    total = spec.total(trials)
    asked = trials or spec.search.trials
    if spec.points and asked > total and (trials or "trials" in spec.search.model_fields_set):
        say(f"note: {asked} trials are asked for; the grid has {total} points")
    at_once, text = workers or default_workers(), dump(spec.document.data)
    request = Request(spec, text, total, at_once, target.key, accept_changes, retry_failed)

    def closing(study: Study, ended: StudyEnded) -> bool:
        from hpsearch.search.finals import parts_of
        from hpsearch.tracking.closing import write_outcome

        plan = plan_of(study, spec, request.text, target)
        return write_outcome(plan, parts_of(study), interrupted=ended.interrupted, report=say)

    ended = run_study(
        request, target.home, lambda study, stage: _listeners(target, study, stage, stop), stop, say, closing
    )
    tell_end(spec, target, ended, total, output_format)
    for address in ended.lacking:
        say(lacks_a_part(Target.of_key(target.home, address), spec.name))
    return ended


def _listeners(target: Target, study: Study, stage: Stage, stop: Stop) -> Sequence[Listener]:
    from hpsearch.search.stages import Stage
    from hpsearch.tracking.mlflow_listener import MlflowListener
    from hpsearch.tracking.terminal import make_terminal

    # The terminal comes first: what a person sees does not wait for a database.
    terminal = make_terminal(stop)
    if stage is Stage.FINAL:
        # Their runs are written with their test figures, once these are known.
        return [terminal]
    search = () if stage is Stage.SEARCH else study.records()
    return [terminal, MlflowListener(target, study.provenance, render_best=render_best, report=say, search=search)]


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
    output_format: FormatOption = Format.table,
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
    if output_format is Format.table:
        table = [{**row, "distribution": json.dumps(row["distribution"])} for row in rows]
        grid = f", a grid of {len(spec.points)} points" if spec.points else ""
        emit(table, Format.table, title=f"{spec.name}: {len(rows)} parameters{grid}")
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

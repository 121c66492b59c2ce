"""`hpsearch run`, `validate` and `schema`: study files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hpsearch.cli.compare import compared
from hpsearch.cli.options import (
    FormatOption,
    HomeOption,
    QuickOption,
    SetOption,
    StudyArgument,
    StudyFileArgument,
    TrackingOption,
    home_of,
)
from hpsearch.cli.output import Format, emit, put, say
from hpsearch.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_NO_GOOD_TRIAL

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
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, max=1_000_000, help="The study's total, earlier runs included."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Trials at once (default: one per core).")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="Start no new trial after this long: 90s, 20m, 2h.")
    ] = None,
    overrides: SetOption = None,
    quick: QuickOption = False,
    tracking_uri: TrackingOption = None,
    home: HomeOption = None,
    output_format: FormatOption = Format.table,
) -> None:
    """Run a study file, or go on with its study.

    Trains what is missing to the study's total number of trials; a study that exists is continued. Ctrl-C
    once stops cleanly; the same command goes on later. Ends with the best configuration, or with the
    comparison that the file asks for. Exit codes: 0 done, 2 bad input, 3 no good trial, 130 interrupted.
    """
    from hpsearch.config.study import load_study
    from hpsearch.search.stop import Stop
    from hpsearch.tracking.target import find_target

    stop = Stop()
    target = find_target(home_of(home), tracking_uri)
    with stop.on_signals():
        changes = [*(overrides or []), *([f"search.timeout={timeout}"] if timeout is not None else [])]
        spec = load_study(file, changes, quick=quick)
        ended = _run(spec, trials, workers, target, output_format, stop)
    raise typer.Exit(_exit_code(ended))


def _run(
    spec: StudySpec, trials: int | None, workers: int | None, target: Target, output_format: Format, stop: Stop
) -> StudyEnded:
    from hpsearch.config.yaml_text import dump
    from hpsearch.executors.local import default_workers
    from hpsearch.search.run import Request, run_study

    total = spec.total(trials)
    asked = trials or spec.search.trials
    if spec.points and asked > total and (trials or "trials" in spec.search.model_fields_set):
        say(f"note: {asked} trials are asked for; the grid has {total} points")
    request = Request(spec, dump(spec.document.data), total, workers or default_workers())
    ended = run_study(request, target.home, lambda study, stage: _listeners(target, study, stage), stop, say)
    _tell(spec, target, ended, total, output_format)
    return ended


def _listeners(target: Target, study: Study, stage: Stage) -> Sequence[Listener]:
    from hpsearch.export.yaml_file import best_yaml
    from hpsearch.search.stages import Stage
    from hpsearch.tracking.mlflow_listener import MlflowListener
    from hpsearch.tracking.terminal import make_terminal

    if stage is not Stage.SEARCH:
        return [make_terminal()]

    # The terminal comes first: what a person sees does not wait for a database.
    return [
        make_terminal(),
        MlflowListener(
            target,
            study.provenance,
            render_best=lambda spec, record: best_yaml(spec.name, spec.objective, record),
            report=say,
        ),
    ]


def _exit_code(ended: StudyEnded) -> int:
    if ended.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_DONE if ended.best and not ended.stopped else EXIT_NO_GOOD_TRIAL


def _tell(spec: StudySpec, target: Target, ended: StudyEnded, total: int, output_format: Format) -> None:
    from hpsearch.cli.rows import best_summary
    from hpsearch.search.records import counts
    from hpsearch.training.results import OVER_LIMITS, Outcome

    tally = counts(list(ended.records))
    done = sum(tally.values())
    comparison = compared(spec, target.home, ended.records)
    if output_format is not Format.table:
        best = best_summary(spec.name, ended.best) if ended.best else None
        summary = {"study": spec.name, "trials": tally, "best": best}
        report = {"comparison": str(comparison.report)} if comparison else {}
        emit({**summary, "seconds": round(ended.seconds, 3), "epochs": ended.epochs, **report}, output_format)
    named = ", ".join(f"{count} {state}" for state, count in tally.items())
    for outcomes, words in (({Outcome.DIVERGED}, "diverged"), (OVER_LIMITS, "went over their limits")):
        count = sum(record.outcome in outcomes for record in ended.records)
        named += f"; {count} of the pruned {words}" if count else ""
    of = f"{done} of {total} trials" if done <= total else f"{done} trials, {total} asked for"
    option = target.home.option
    if ended.interrupted:
        say(f"study '{spec.name}' was interrupted: {of} ({named}); the same command goes on")
    elif ended.stopped:
        say(f"study '{spec.name}' was stopped early: {ended.stopped}")
    elif done < total:
        say(f"study '{spec.name}' stopped at its timeout: {of} ({named})")
    else:
        say(f"study '{spec.name}' is complete: {of} ({named})")
    if comparison and output_format is Format.table:
        comparison.print()
    if comparison:
        say(f"table and pictures: {comparison.report}")
    if ended.best is None:
        if not ended.interrupted:
            say(f"no trial ended well; see `hpsearch trials {spec.name}{option}`")
        return
    if output_format is Format.table and not comparison:
        _best_tables(spec, ended)
    say(f"compare the runs:   {target if target.shared else f'hpsearch ui {spec.name}{option}'}")
    say(f"take the best away: hpsearch export {spec.name} -o best.yaml{option}")


def _best_tables(spec: StudySpec, ended: StudyEnded) -> None:
    from hpsearch.cli.rows import trial_row

    metric = spec.objective.metric
    good = [record for record in ended.records if record.good and record.best]
    sign = -1 if spec.objective.direction == "maximize" else 1
    good.sort(key=lambda record: sign * (record.best.value if record.best else 0.0))
    emit([trial_row(r, spec.objective.metric) for r in good[:5]], Format.table, title="Best trials")
    if ended.best and ended.best.best:
        best = ended.best.best
        title = f"Best configuration: trial {ended.best.number}, {metric} {best.value:.4f} at epoch {best.epoch}"
        emit(ended.best.flat, Format.table, title=title)


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
    """Check a study file without training; print its parameters."""
    from hpsearch.config.space import Options
    from hpsearch.config.study import load_study

    spec = load_study(file, overrides or [], quick=quick)
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
    say(f"{file}: valid")


def schema() -> None:
    """Print the JSON Schema of study files, for editors."""
    from hpsearch.config.schema import study_schema

    put(json.dumps(study_schema(), indent=2))

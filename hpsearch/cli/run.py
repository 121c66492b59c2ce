"""`hpsearch run`, `stop`, `validate` and `schema`: a study run to its end, and its result printed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpsearch.api import say
from hpsearch.cli.inspect import print_finalists, write_comparison
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
from hpsearch.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_NO_GOOD_TRIAL, HpsearchError

if TYPE_CHECKING:
    from hpsearch.analysis.verdict import Verdict
    from hpsearch.config.study import StudySpec
    from hpsearch.search.listeners import StudyEnded
    from hpsearch.search.records import TrialRecord
    from hpsearch.tracking.target import Target

# The longest wait for a run to stop; most stop within a second or two, unless they wait for a database.
STOP_SECONDS = 30.0


def run(
    study: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY", help="Study file (YAML), the name of an earlier study, or the name of a shipped one."
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
    finalists: Annotated[
        str | None,
        typer.Option(
            "--finalists",
            metavar="top=N,seeds=N",
            help="Train the best trials again with new seeds, also those of an earlier study.",
        ),
    ] = None,
    overrides: SetOption = None,
    quick: QuickOption = False,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="Continue although your data or modules have changed; it is recorded."),
    ] = False,
    tracking_uri: TrackingOption = None,
    home: HomeOption = None,
    output_format: FormatOption = OutputFormat.table,
) -> None:
    """Run a study, or continue it.

    Trains the trials that the study lacks; failed ones do not count toward its total. A study that
    exists is continued. Ctrl-C once stops cleanly, and the same command continues it later. Prints the best
    configuration, or the comparison that the file asks for. Exit codes: 0 done, 2 bad input, 3 no good trial,
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
        changes += [_finalists(finalists)] if finalists is not None else []
        spec, which = find_spec(study, target.home, changes, quick=quick)
        if not which.startswith("the file"):
            say(f"running {which}")
        given = {"accept_changes": accept_changes, "retry_failed": retry_failed}
        ended = run_spec(spec, target, stop, say, trials=trials, workers=workers, **given)
        print_end(spec, target, ended, spec.total(trials), output_format)
        for address in ended.lacking:
            say(lacks_a_part(Target.of_key(target.home, address), spec.name))
    raise typer.Exit(exit_code(ended))


def _finalists(given: str) -> str:
    """Return the override for `top=3,seeds=5`, or one of the two.

    Raises:
        HpsearchError: it is something else.
    """
    parts = [part.partition("=") for part in given.split(",")]
    if not all(key.strip() in ("top", "seeds") and value.strip().isdecimal() for key, _, value in parts):
        raise HpsearchError(f"--finalists is '{given}', but must be top=N,seeds=N, for instance top=3,seeds=5")
    return f"finalists={{{', '.join(f'{key.strip()}: {value.strip()}' for key, _, value in parts)}}}"


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
    """Stop the run of a study that was started anywhere on this machine.

    Works as Ctrl-C in the run's own terminal: running trials are recorded as interrupted, and the same `hpsearch run`
    continues with them later. A second `hpsearch stop` ends the run at once.
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
    from hpsearch.config.space import shown_distribution
    from hpsearch.config.study import load_study
    from hpsearch.search.prepare import check_files

    spec = load_study(file, overrides or [], quick=quick)
    known = check_files(spec)
    rows = [{"parameter": node.name, "distribution": shown_distribution(node)} for node in spec.parameters]
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


def exit_code(ended: StudyEnded) -> int:
    """Return the exit code of the command."""
    if ended.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_DONE if ended.best and not ended.abort_reason else EXIT_NO_GOOD_TRIAL


def print_end(spec: StudySpec, target: Target, ended: StudyEnded, total: int, output_format: OutputFormat) -> None:
    """Print how the run ended; the result goes to stdout, in the requested format.

    Args:
        total: the requested number of trials.
    """
    from hpsearch.analysis.judgement import judge_search
    from hpsearch.analysis.verdict import judge
    from hpsearch.cli.inspect import best_summary
    from hpsearch.search.attempts import left_failed
    from hpsearch.search.records import counts

    tally = counts(ended.records)
    done = _done(ended)
    comparison = write_comparison(spec, target.home, ended.records)
    verdict = judge(spec.name, ended.finals) if ended.finals else None
    exported = ended.exported
    if output_format is not OutputFormat.table:
        best = best_summary(spec.name, exported) if exported else None
        summary = {"study": spec.name, "trials": tally, "best": best}
        report: dict[str, Any] = {"comparison": str(comparison.report)} if comparison else {}
        report |= {"finalists": verdict.plain()} if verdict else {}
        emit({**summary, "seconds": round(ended.seconds, 3), "epochs": ended.epochs, **report}, output_format)
    home = target.home
    say(_how_it_ended(spec, ended, total))
    if left_failed(ended.records) and not ended.interrupted:
        say("failed trials are tried again by the same command with --retry-failed")
    if comparison and output_format is OutputFormat.table:
        comparison.print()
    if comparison:
        say(f"table and pictures: {comparison.report}")
    if exported is None:
        if not ended.interrupted:
            say(f"no trial ended well; see `{home.command('trials', spec.name)}`")
        return
    _print_best(spec, ended, exported, verdict, tables=output_format is OutputFormat.table and not comparison)
    if (
        spec.file.finalists
        and not ended.finals
        and done < total
        and not ended.interrupted
        and not ended.no_new_configuration
    ):
        say(f"its finalists are trained once it has its trials; `--trials {done}` ends the search here")
    judged = not spec.file.finalists and not ended.finals and not comparison and not ended.interrupted
    if judgement := judge_search(ended.records, spec.objective) if judged else None:
        say(judgement.sentence(home.command("run", spec.name, "--finalists", "top=3,seeds=5")))
    say(f"compare the runs:   {target if target.shared else home.command('ui', spec.name)}")
    say(f"take the best away: {home.command('export', spec.name, '-o', 'best.yaml')}")


def _done(ended: StudyEnded) -> int:
    """Return the number of trials that count toward the total: those that ended without failing."""
    return sum(record.state in ("COMPLETE", "PRUNED") for record in ended.records)


def _how_it_ended(spec: StudySpec, ended: StudyEnded, total: int) -> str:
    """Return `study 'quickstart' is complete: 16 of 16 trials (8 complete, 8 pruned, 0 failed)`."""
    from hpsearch.search.budget import TIMEOUT
    from hpsearch.search.records import counts
    from hpsearch.training.results import OVER_LIMITS, Outcome

    if ended.abort_reason and not ended.interrupted:
        return f"study '{spec.name}' was stopped early: {ended.abort_reason}"
    tally, done = counts(ended.records), _done(ended)
    failed = f"; {tally['failed']} more failed" if tally["failed"] else ", 0 failed"
    named = f"{tally['complete']} complete, {tally['pruned']} pruned{failed}"
    for outcomes, words in (({Outcome.DIVERGED}, "diverged"), (OVER_LIMITS, "went over their limits")):
        count = sum(record.outcome in outcomes for record in ended.records)
        named += f"; {count} of the pruned {words}" if count else ""
    of = f"{done} of {total} trials" if done <= total else f"{done} trials, {total} asked for"
    if ended.interrupted:
        return f"study '{spec.name}' was interrupted: {of} ({named}); the same command goes on"
    if done < total and not ended.no_new_configuration:
        if ended.budget_reason == TIMEOUT:
            return f"study '{spec.name}' stopped at its timeout: {of} ({named})"
        return f"study '{spec.name}' is complete: {ended.budget_reason}; {of} ({named})"
    why = f"; {_exhausted(spec)}" if done < total else ""
    return f"study '{spec.name}' is complete: {of} ({named}){why}"


def _exhausted(spec: StudySpec) -> str:
    """Return the reason why there are no more trials."""
    if spec.points:
        return "every point of the grid was tried"
    from hpsearch.config.space import size

    count = size(spec.space)
    what = f"all {count:,.0f} configurations were tried" if count < math.inf else "no new configuration was found"
    return f"the space is exhausted: {what}, and with a fixed seed none is trained twice"


def _print_best(
    spec: StudySpec, ended: StudyEnded, exported: TrialRecord, verdict: Verdict | None, *, tables: bool
) -> None:
    """Print the best trials, the finalists and the best configuration; without tables only a warning."""
    from hpsearch.analysis.verdict import default_sentences
    from hpsearch.cli.inspect import trial_rows
    from hpsearch.search.records import ranked

    if not tables:
        if verdict and verdict.against_default and verdict.against_default.recommendation:
            say(f"trial {exported.number} won among the finalists. {' '.join(default_sentences(verdict))}")
        return
    metric = spec.objective.metric
    leaders = ranked(ended.records, spec.objective)[:5]
    emit(trial_rows(leaders, spec.varied), OutputFormat.table, title=f"Best trials, by {metric}", below="params")
    if verdict:
        print_finalists(verdict)
    if exported.best:
        title = f"trial {exported.number}, {metric} {exported.best.value:.4f} at epoch {exported.best.epoch}"
        emit(exported.flat, OutputFormat.table, title=f"Best configuration: {title}")

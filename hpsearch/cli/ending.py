"""How a run of a study ends: what is printed, and the exit code."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hpsearch.api import say
from hpsearch.cli.compare import compared
from hpsearch.cli.finalists import tell
from hpsearch.cli.output import OutputFormat, emit
from hpsearch.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_NO_GOOD_TRIAL

if TYPE_CHECKING:
    from hpsearch.analysis.verdict import Verdict
    from hpsearch.config.study import StudySpec
    from hpsearch.search.listeners import StudyEnded
    from hpsearch.search.records import TrialRecord
    from hpsearch.tracking.target import Target


def exit_code(ended: StudyEnded) -> int:
    """Print the result of the command."""
    if ended.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_DONE if ended.best and not ended.stopped else EXIT_NO_GOOD_TRIAL


def tell_end(spec: StudySpec, target: Target, ended: StudyEnded, total: int, output_format: OutputFormat) -> None:
    """Say how the run ended; the result goes to stdout, in the format asked for.

    Args:
        total: the number of trials that were asked for.
    """
    from hpsearch.analysis.verdict import judge
    from hpsearch.cli.rows import best_summary
    from hpsearch.search.attempts import left_failed
    from hpsearch.search.records import counts

    tally = counts(ended.records)
    done = _done(ended)
    comparison = compared(spec, target.home, ended.records)
    verdict = judge(spec.name, ended.finals) if ended.finals else None
    chosen = ended.chosen
    if output_format is not OutputFormat.table:
        best = best_summary(spec.name, chosen) if chosen else None
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
    if chosen is None:
        if not ended.interrupted:
            say(f"no trial ended well; see `{home.command('trials', spec.name)}`")
        return
    _tell_best(spec, ended, chosen, verdict, tables=output_format is OutputFormat.table and not comparison)
    if spec.file.finalists and done < total and not ended.interrupted and not ended.exhausted:
        say(f"its finalists are trained once it has its trials; `--trials {done}` ends the search here")
    say(f"compare the runs:   {target if target.shared else home.command('ui', spec.name)}")
    say(f"take the best away: {home.command('export', spec.name, '-o', 'best.yaml')}")


def _done(ended: StudyEnded) -> int:
    """Return the number of trials that count toward the total: those that ended without failing."""
    return sum(record.state in ("COMPLETE", "PRUNED") for record in ended.records)


def _how_it_ended(spec: StudySpec, ended: StudyEnded, total: int) -> str:
    """Return `study 'quickstart' is complete: 16 of 16 trials (8 complete, 8 pruned, 0 failed)`."""
    from hpsearch.search.records import counts
    from hpsearch.training.results import OVER_LIMITS, Outcome

    if ended.stopped and not ended.interrupted:
        return f"study '{spec.name}' was stopped early: {ended.stopped}"
    tally, done = counts(ended.records), _done(ended)
    failed = f"; {tally['failed']} more failed" if tally["failed"] else ", 0 failed"
    named = f"{tally['complete']} complete, {tally['pruned']} pruned{failed}"
    for outcomes, words in (({Outcome.DIVERGED}, "diverged"), (OVER_LIMITS, "went over their limits")):
        count = sum(record.outcome in outcomes for record in ended.records)
        named += f"; {count} of the pruned {words}" if count else ""
    of = f"{done} of {total} trials" if done <= total else f"{done} trials, {total} asked for"
    if ended.interrupted:
        return f"study '{spec.name}' was interrupted: {of} ({named}); the same command goes on"
    if done < total and not ended.exhausted:
        return f"study '{spec.name}' stopped at its timeout: {of} ({named})"
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


def _tell_best(
    spec: StudySpec, ended: StudyEnded, chosen: TrialRecord, verdict: Verdict | None, *, tables: bool
) -> None:
    """Print the best trials, the finalists and the best configuration, or at least what speaks against the winner."""
    from hpsearch.analysis.verdict_text import default_sentences
    from hpsearch.cli.rows import trial_rows
    from hpsearch.search.records import ranked

    if not tables:
        if verdict and verdict.against_default and verdict.against_default.recommendation:
            say(f"trial {chosen.number} won among the finalists. {' '.join(default_sentences(verdict))}")
        return
    metric = spec.objective.metric
    leaders = ranked(ended.records, spec.objective)[:5]
    emit(trial_rows(leaders, spec.varied), OutputFormat.table, title=f"Best trials, by {metric}", below="params")
    if verdict:
        tell(verdict)
    if chosen.best:
        title = f"trial {chosen.number}, {metric} {chosen.best.value:.4f} at epoch {chosen.best.epoch}"
        emit(chosen.flat, OutputFormat.table, title=f"Best configuration: {title}")

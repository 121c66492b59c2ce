"""`hpsearch studies`, `trials`, `show`, `best` and `compare`: the results of studies, from the Optuna database only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpsearch.api import say
from hpsearch.cli.options import (
    ForceOption,
    FormatOption,
    HomeOption,
    StudyArgument,
    check_output,
    home_of,
    whole_number_option,
)
from hpsearch.cli.output import OutputFormat, emit, put
from hpsearch.errors import EnvironmentProblem, HpsearchError, NoGoodTrialError, UnknownNameError

if TYPE_CHECKING:
    from hpsearch.analysis.comparison import Comparison
    from hpsearch.analysis.verdict import Verdict
    from hpsearch.config.study import StudySpec
    from hpsearch.config.varied import Lines, Varied
    from hpsearch.search.home import Home
    from hpsearch.search.records import TrialRecord
    from hpsearch.search.storage import StoredStudy

ShownTrialOption = Annotated[
    int | None,
    whole_number_option("--trial", 0, help="Show this trial and its learning curve in place of the study."),
]


def studies(home: HomeOption = None, output_format: FormatOption = OutputFormat.table) -> None:
    """List all studies with their trials and best values.

    Shows how many trials are complete, pruned and failed. All other trials are running or waiting.
    """
    from hpsearch.search.records import best_trial, counts
    from hpsearch.search.storage import list_studies

    rows = []
    for study in list_studies(home_of(home)):
        records = study.records()
        best = best_trial(records, study.objective)
        rows.append(
            {
                "study": study.name,
                "trials": len(records),
                **counts(records),
                "metric": study.objective.metric,
                "best": best.best.value if best and best.best else None,
                "best_trial": best.number if best else None,
            }
        )
    emit(rows, output_format, title="Studies")


def trials(study: StudyArgument, home: HomeOption = None, output_format: FormatOption = OutputFormat.table) -> None:
    """List a study's trials with values and parameters.

    The state is Optuna's (COMPLETE, PRUNED, FAIL, RUNNING, WAITING); the outcome says how the trial ended. The table
    shows the parameters that vary in this study. -f json, yaml and csv hold all of them, and the reason of the outcome.
    """
    from hpsearch.cli.inspect import trial_rows
    from hpsearch.search.storage import find_study

    found = find_study(home_of(home), study)
    records = found.records()
    if output_format is OutputFormat.table:
        title = f"Trials of {study}; value: {found.objective.metric}, {found.objective.direction}"
        rows = trial_rows(records, _spec_and_varied(found, records)[1])
        emit(rows, output_format, title=title, below="params")
    else:
        emit([record.summary() for record in records], output_format)


def show(
    study: StudyArgument,
    trial: ShownTrialOption = None,
    finalists: Annotated[bool, typer.Option("--finalists", help="Show its finalists.")] = False,
    home: HomeOption = None,
    output_format: FormatOption = OutputFormat.table,
) -> None:
    """Show a study, with --trial one trial and its curve, or with --finalists its finalists.

    For a study: its settings, how its trials ended, and the best one with the values that were searched. For a trial:
    its outcome and reason, its configuration and its learning curve; with -f csv the curve alone. For the finalists,
    which a study file asks for by `finalists: {top: 3, seeds: 5}`: means over seeds with intervals, the winner, and
    every reading of the test set.
    """
    if finalists:
        if trial is not None:
            raise HpsearchError("--trial and --finalists cannot go together: give one of them")
        show_finalists(study, home_of(home), output_format)
        return
    from hpsearch.config.varied import has_keras_defaults
    from hpsearch.search.storage import find_study

    found = find_study(home_of(home), study)
    if trial is None:
        emit(_study_summary(found, output_format), output_format, title=f"Study {study}")
        return
    record = found.find_record(trial)
    curve = [row.plain() for row in record.epochs]
    about = {
        **record.summary(),
        "keras_defaults": record.config is not None and has_keras_defaults(record.config),
        **({"retry_of": record.retry_of} if record.retry_of is not None else {}),
        **({"continues": record.continues} if record.continues is not None else {}),
        **({"losses": list(record.worker_failures)} if record.worker_failures else {}),
        **({"traceback": record.traceback} if record.traceback else {}),
    }
    if output_format is OutputFormat.table:
        from hpsearch.catalogue.metrics import SYSTEM

        emit(about, output_format, title=f"Trial {trial} of {study}; value: {found.objective.metric}")
        # There is no room for system metrics.
        shown = [{name: value for name, value in row.items() if not name.startswith(SYSTEM)} for row in curve]
        emit(shown, output_format, title="Epochs")
    elif output_format is OutputFormat.csv:
        emit(curve, output_format)
    else:
        emit({"study": study, **about, "epochs": curve}, output_format)


def _study_summary(found: StoredStudy, output_format: OutputFormat) -> dict[str, Any]:
    """Return what `hpsearch show STUDY` prints. The table leaves out the best trial's parameters that do not vary."""
    from hpsearch.search.records import best_trial, outcomes, states

    records = found.records()
    best = best_trial(records, found.objective)
    spec, varied = _spec_and_varied(found, records)
    summary = best.summary() if best else None
    if best and summary and best.config is not None and output_format is OutputFormat.table:
        summary["params"] = varied.values(best.config)
    search = found.identity.get("search", {})
    return {
        "study": found.name,
        "description": found.description,
        "objective": found.objective.model_dump(mode="json"),
        "sampler": search.get("sampler"),
        "pruner": search.get("pruner"),
        "parameters": ", ".join(varied.names) if output_format is OutputFormat.table else varied.names,
        "total": spec.total() if spec else None,
        "trials": states(records),
        "outcomes": outcomes(records),
        "epochs": sum(len(record.epochs) for record in records),
        "training_seconds": round(sum(record.seconds or 0.0 for record in records), 1),
        "best": summary,
    }


def _spec_and_varied(found: StoredStudy, records: Sequence[TrialRecord]) -> tuple[StudySpec | None, Varied]:
    from hpsearch.config.study import readable_study, varied_of

    spec = readable_study(found.text, found.name)
    return spec, varied_of(spec, (record.config for record in records if record.config is not None))


def best(study: StudyArgument, home: HomeOption = None, output_format: FormatOption = OutputFormat.table) -> None:
    """Print the best trial of a study and its configuration.

    If the study has finalists, this is their winner. Its value is that of the trial, not the mean over the seeds.
    """
    from hpsearch.cli.inspect import best_summary
    from hpsearch.search.stages import exported_trial
    from hpsearch.search.storage import find_study

    found = find_study(home_of(home), study)
    record = exported_trial(found)
    if record is None:
        raise NoGoodTrialError(study, home_of(home).command("trials", study))
    if output_format is OutputFormat.table:
        emit(record.summary(), output_format, title=f"Best trial of {study}; value: {found.objective.metric}")
    else:
        emit(best_summary(study, record), output_format)


def best_summary(study: str, record: TrialRecord) -> dict[str, Any]:
    """Return the best trial as `hpsearch best -f json` prints it.

    `trial` is the number again, for scripts that read this older key.
    """
    return {
        "study": study,
        "trial": record.number,
        **record.summary(),
        "config": record.config.plain() if record.config else {},
    }


def trial_rows(records: Iterable[TrialRecord], varied: Varied) -> list[dict[str, Any]]:
    """Return trials as rows of a table that fits a terminal, with one column for the values that vary."""
    from hpsearch.config.varied import Lines

    lines = Lines(varied)
    return [
        {
            "number": record.number,
            "state": record.state,
            "outcome": record.outcome.label if record.outcome else None,
            "value": record.best.value if record.best else None,
            "epoch": record.best.epoch if record.best else None,
            "seconds": round(record.seconds, 1) if record.seconds is not None else None,
            "params": _params(record, lines),
        }
        for record in records
    ]


def _params(record: TrialRecord, lines: Lines) -> str:
    """Return `adam learning_rate=0.0012 batch_size=64 (Keras defaults)`: what varies, and a note."""
    from hpsearch.config.varied import note_of

    config = record.config
    note = record.detail or (note_of(config, baseline=record.baseline) if config else "")
    line = lines.line(config) if config else ""
    return " ".join(filter(None, [line, f"({note})" if note else ""]))


def finalists(study: StudyArgument, home: HomeOption = None, output_format: FormatOption = OutputFormat.table) -> None:
    """Show the finalists of a study; the new name is `hpsearch show STUDY --finalists`."""
    say(f"note: `hpsearch finalists {study}` is now `hpsearch show {study} --finalists`")
    show_finalists(study, home_of(home), output_format)


def show_finalists(study: str, home: Home, output_format: OutputFormat) -> None:
    """Print the finalists of a study.

    Raises:
        HpsearchError: it has none yet.
    """
    from hpsearch.analysis.verdict import judge
    from hpsearch.search.stages import read_finals
    from hpsearch.search.storage import find_study

    found = find_study(home, study)
    finals = read_finals(found)
    if finals is None:
        raise HpsearchError(
            f"study '{study}' has no finalists yet; its file asks for them by `finalists: {{top: 3, seeds: 5}}`, and "
            "`hpsearch run` trains them once it has all its trials"
        )
    verdict = judge(study, finals)
    if output_format is OutputFormat.table:
        print_finalists(verdict)
        for line in verdict.audit:
            put(f"read: {line}")
    elif output_format is OutputFormat.csv:
        emit([summary.plain() for summary in verdict.finalists], output_format)
    else:
        emit(verdict.plain(), output_format)


def print_finalists(verdict: Verdict) -> None:
    """Print the finalists as a table, and the verdict."""
    from hpsearch.analysis.verdict import rows, sentences

    emit(rows(verdict), OutputFormat.table, title="Finalists")
    for line in sentences(verdict):
        put(line)


def compare(
    study: StudyArgument,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Also write table and pictures to this HTML file."),
    ] = None,
    force: ForceOption = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print a row for each trial instead of each group.")] = False,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="NAME",
            help="Compare the options of a choice of any study, such as optimizer, after equally many trials.",
        ),
    ] = None,
    home: HomeOption = None,
    output_format: FormatOption = OutputFormat.table,
) -> None:
    """Compare the trials of a study by what varies: for each metric the mean, standard deviation and number of trials.

    The study file's section `compare` chooses what is compared. -f csv prints a row for each group, with --raw for
    each trial; -f json gives both. With --by, no section is needed: each option of a choice is shown with its best
    value, the best to be expected of equally many trials, its best finalist, and the probability that it is better
    than the next option.
    """
    if by is not None:
        if raw or output is not None:
            raise HpsearchError(f"--by and {'--raw' if raw else '--output'} cannot go together: give one of them")
        _compare_by(study, by, home_of(home), output_format)
        return
    from hpsearch.analysis.comparison import compare_trials
    from hpsearch.search.storage import find_study

    found = find_study(home_of(home), study)
    section = found.compare
    if section is None:
        raise HpsearchError(
            f"the file of study '{study}' has no section `compare`, which says what to compare; "
            "`--by NAME` compares the options of a choice"
        )
    if output is not None:
        check_output(output, force=force)
    comparison = compare_trials(found.name, found.description, found.objective, section, found.records())
    if raw:
        emit(comparison.raw(), output_format, title=f"Trials of {study}")
    elif output_format is OutputFormat.table:
        _print(comparison)
    elif output_format is OutputFormat.csv:
        emit([point.plain() for point in comparison.every], output_format)
    else:
        emit(comparison.plain(), output_format)
    if output is not None:
        _write(comparison, output)
        say(f"table and pictures: {output}")


def _compare_by(study: str, by: str, home: Home, output_format: OutputFormat) -> None:
    """Print the comparison of the options of a choice.

    Raises:
        UnknownNameError: the space has no such choice; the message lists its choices.
        NoGoodTrialError: no trial has a value.
    """
    from hpsearch.analysis.option_report import option_rows, option_sentences
    from hpsearch.analysis.options import compare_options
    from hpsearch.config.space import choices, find_choice
    from hpsearch.config.study import readable_study
    from hpsearch.search.stages import read_finals
    from hpsearch.search.storage import find_study

    found = find_study(home, study)
    spec = readable_study(found.text, found.name)
    if spec is None:
        raise HpsearchError(f"the file of study '{study}' was written for another version of hpsearch than this one")
    known = choices(spec.space)
    if not known:
        raise HpsearchError(f"study '{study}' has no parameter that is a choice, so --by has nothing to compare")
    choice = find_choice(known, by)
    if choice is None:
        raise UnknownNameError("choice", by, known)
    comparison = compare_options(
        study, found.objective, found.records(), choice, read_finals(found), spec.search.sampler.name
    )
    if comparison is None:
        raise NoGoodTrialError(study, home.command("trials", study))
    if output_format is OutputFormat.table:
        emit(option_rows(comparison), output_format, title=f"{study}: {found.objective.metric} by {choice.name}")
        for line in option_sentences(comparison):
            put(line)
    elif output_format is OutputFormat.csv:
        emit(comparison.rows(), output_format)
    else:
        emit({**comparison.plain(), "sentences": list(option_sentences(comparison))}, output_format)


@dataclass(frozen=True)
class WrittenComparison:
    """A comparison whose report is written."""

    comparison: Comparison
    report: Path

    def print(self) -> None:
        _print(self.comparison)


def write_comparison(spec: StudySpec, home: Home, records: Sequence[TrialRecord]) -> WrittenComparison | None:
    """Write the comparison that the study file asks for to the home folder, at the end of `hpsearch run`.

    Return None if the file asks for none, or if no trial has ended yet.
    """
    from hpsearch.analysis.comparison import compare_trials

    if spec.file.compare is None:
        return None
    comparison = compare_trials(spec.name, spec.file.description, spec.objective, spec.file.compare, records)
    if not comparison.every:
        return None
    report = home.study_folder(spec.name) / "comparison.html"
    _write(comparison, report)
    return WrittenComparison(comparison, report)


def _print(comparison: Comparison) -> None:
    from hpsearch.analysis.comparison import notes, table

    emit(table(comparison), OutputFormat.table, title=f"{comparison.study}: {comparison.description}")
    for note in notes(comparison):
        put(note)


def _write(comparison: Comparison, file: Path) -> None:
    from hpsearch.report.comparison_page import html_report

    try:
        file.write_text(html_report(comparison), encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{file}: cannot be written: {error.strerror}") from None

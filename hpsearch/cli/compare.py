"""`hpsearch compare`: the trials of a study compared by what varies, as a table and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpsearch.api import say
from hpsearch.cli.options import ForceOption, FormatOption, HomeOption, StudyArgument, check_output, home_of
from hpsearch.cli.output import OutputFormat, emit, put
from hpsearch.errors import EnvironmentProblem, HpsearchError

if TYPE_CHECKING:
    from hpsearch.analysis.comparison import Comparison
    from hpsearch.config.study import StudySpec
    from hpsearch.search.home import Home
    from hpsearch.search.records import TrialRecord


def compare(
    study: StudyArgument,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Also write table and pictures to this HTML file."),
    ] = None,
    force: ForceOption = False,
    raw: Annotated[bool, typer.Option("--raw", help="A row for each trial in place of each group.")] = False,
    home: HomeOption = None,
    output_format: FormatOption = OutputFormat.table,
) -> None:
    """Compare the trials of a study by what varies: mean, standard deviation and number of each metric.

    The study file's section `compare` chooses what is compared. -f csv prints a row for each group, with --raw for
    each trial; -f json gives both.
    """
    from hpsearch.analysis.comparison import compare_trials
    from hpsearch.search.storage import find_study

    found = find_study(home_of(home), study)
    section = found.compare
    if section is None:
        raise HpsearchError(f"the file of study '{study}' has no section `compare`, which says what to compare")
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


@dataclass(frozen=True)
class WrittenComparison:
    """A comparison whose report is written."""

    comparison: Comparison
    report: Path

    def print(self) -> None:
        _print(self.comparison)


def compared(spec: StudySpec, home: Home, records: Sequence[TrialRecord]) -> WrittenComparison | None:
    """Write the comparison that the study file asks for to the home folder, at the end of `hpsearch run`.

    None where it asks for none, or no trial has ended yet.
    """
    from hpsearch.analysis.comparison import compare_trials

    if spec.file.compare is None:
        return None
    comparison = compare_trials(spec.name, spec.file.description, spec.objective, spec.file.compare, records)
    if not comparison.every:
        return None
    report = home.study(spec.name) / "comparison.html"
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

"""`hpsearch show --finalists`: a study's best trials, trained again with new seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpsearch.api import say
from hpsearch.cli.options import FormatOption, HomeOption, StudyArgument, home_of
from hpsearch.cli.output import OutputFormat, emit, put
from hpsearch.errors import HpsearchError

if TYPE_CHECKING:
    from hpsearch.analysis.verdict import Verdict
    from hpsearch.search.home import Home


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
    from hpsearch.search.finals import read_finals
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
        tell(verdict)
        for line in verdict.audit:
            put(f"read: {line}")
    elif output_format is OutputFormat.csv:
        emit([standing.plain() for standing in verdict.finalists], output_format)
    else:
        emit(verdict.plain(), output_format)


def tell(verdict: Verdict) -> None:
    """Print the finalists as a table, and the verdict."""
    from hpsearch.analysis.verdict_text import rows, sentences

    emit(rows(verdict), OutputFormat.table, title="Finalists")
    for line in sentences(verdict):
        put(line)

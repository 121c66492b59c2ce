"""`hpsearch reproduce`: a trial trained again, and compared with its record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpsearch.api import say
from hpsearch.cli.options import FormatOption, HomeOption, SetOption, StudyArgument, home_of, whole_number
from hpsearch.cli.output import OutputFormat, emit, put
from hpsearch.errors import EXIT_DISAGREE, EXIT_DONE, HpsearchError

if TYPE_CHECKING:
    from hpsearch.config.trial import AnyConfig
    from hpsearch.export.reproduce import CurveComparison
    from hpsearch.search.records import TrialRecord
    from hpsearch.search.storage import StoredStudy
    from hpsearch.training.results import EpochMetrics


def reproduce(
    study: StudyArgument,
    trial: Annotated[
        int, typer.Argument(metavar="TRIAL", parser=whole_number("TRIAL", 0), help="Number of the trial.")
    ],
    overrides: SetOption = None,
    home: HomeOption = None,
    output_format: FormatOption = OutputFormat.table,
) -> None:
    """Train a trial again, and report whether its curve is identical to the last bit.

    Trains with its configuration, its seed and the number of threads of its worker. Compares every metric of every
    epoch, except those of speed. --set trial.seed=123 shows that another seed differs. -f csv prints a row for each
    metric that differs. Exit codes: 0 identical, 4 different.
    """
    from hpsearch.config.study import stored_trial
    from hpsearch.executors.local import cores, default_workers, threads_of
    from hpsearch.executors.protocol import THREADS
    from hpsearch.export.reproduce import reproduce as train_again
    from hpsearch.search.stop import ends_at_once
    from hpsearch.search.storage import find_study

    where = home_of(home)
    found = find_study(where, study)
    record = found.find_record(trial)
    config = stored_trial(_recorded(found, record), f"trial {trial} of '{study}'", overrides or [])
    threads = int(record.info.get(THREADS) or threads_of(default_workers()))
    folders = [*found.folders, Path.cwd()]
    notes = list(_notes(found, record, config, folders))
    where.logs.mkdir(parents=True, exist_ok=True)
    log = where.logs / f"{study}-reproduce.log"
    say(f"training trial {trial} of '{study}' again, {len(record.epochs)} epochs, {threads} of {cores()} threads ...")

    def each(epoch: EpochMetrics, compared: CurveComparison) -> None:
        differ = ", ".join(difference.metric for difference in compared.differences)
        say(f"epoch {epoch.epoch}/{len(record.epochs)}  {f'different: {differ}' if differ else 'identical'}")

    try:
        with ends_at_once():
            compared = train_again(
                record,
                config,
                found.objective,
                threads=threads,
                log=log,
                folders=folders,
                report=say,
                each=each,
            )
    except HpsearchError:
        for note in notes:
            say(f"note: {note}")
        raise
    except KeyboardInterrupt:
        # Some versions of Typer would end without a word.
        raise typer.Abort from None
    _print(study, trial, compared, threads, notes, output_format)
    raise typer.Exit(EXIT_DONE if compared.identical else EXIT_DISAGREE)


def _recorded(study: StoredStudy, record: TrialRecord) -> dict[str, object]:
    if record.config is None:
        raise HpsearchError(f"trial {record.number} of '{study.name}' has not run yet; there is nothing to reproduce")
    if not record.epochs:
        why = f" ({record.detail})" if record.detail else ""
        raise HpsearchError(
            f"trial {record.number} of '{study.name}' has no finished epoch{why}; there is nothing to compare"
        )
    return record.config.plain()


def _notes(study: StoredStudy, record: TrialRecord, config: AnyConfig, folders: Sequence[Path]) -> Iterator[str]:
    """Yield what may explain a difference."""
    from hpsearch.executors.protocol import THREADS
    from hpsearch.export.reproduce import other_versions
    from hpsearch.search.contents import changed_since

    if record.config and config != record.config:
        yield "another configuration than the recorded one is trained, by --set"
    if versions := other_versions(study.provenance, record):
        yield f"it was trained with other versions: {'; '.join(versions)}"
    for name, change in changed_since(study, record, config, folders).items():
        yield f"{name} has changed since trial {record.number} was trained: {change}"
    if THREADS not in record.info:
        yield "how many threads its worker had is not recorded"


def _print(
    study: str, trial: int, compared: CurveComparison, threads: int, notes: list[str], output_format: OutputFormat
) -> None:
    differences = [difference.plain() for difference in compared.differences]
    if output_format is OutputFormat.csv:
        emit(differences, output_format)
    elif output_format is not OutputFormat.table:
        result = {"study": study, "trial": trial, "identical": compared.identical, "epochs": compared.retrained}
        more = {"recorded_epochs": compared.recorded, "metrics": compared.metrics, "threads": threads}
        emit({**result, **more, "differences": differences, "notes": notes}, output_format)
    else:
        put(compared.verdict)
        if differences:
            emit(differences, output_format, title=f"Trial {trial} of {study}, recorded and trained again")
    for note in notes if not compared.identical else []:
        say(f"note: {note}")

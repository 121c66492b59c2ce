"""`hpsearch studies`, `trials`, `show` and `best`: what the studies hold. Reads the Optuna database only."""

from __future__ import annotations

from hpsearch.cli.options import FormatOption, HomeOption, StudyArgument, TrialOption, home_of
from hpsearch.cli.output import Format, emit
from hpsearch.errors import NoGoodTrialError


def studies(home: HomeOption = None, output_format: FormatOption = Format.table) -> None:
    """List all studies with their trials and best values."""
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


def trials(study: StudyArgument, home: HomeOption = None, output_format: FormatOption = Format.table) -> None:
    """List a study's trials with values and parameters."""
    from hpsearch.cli.rows import trial_row
    from hpsearch.search.storage import find_study

    found = find_study(home_of(home), study)
    records = found.records()
    if output_format is Format.table:
        emit(
            [trial_row(record, found.objective.metric) for record in records],
            output_format,
            title=f"Trials of {study}",
        )
    else:
        emit([record.summary() for record in records], output_format)


def show(
    study: StudyArgument,
    trial: TrialOption = None,
    home: HomeOption = None,
    output_format: FormatOption = Format.table,
) -> None:
    """Show a study, or the learning curve of one trial."""
    from hpsearch.catalogue.metric_names import SYSTEM
    from hpsearch.search.records import best_trial, counts
    from hpsearch.search.storage import find_study

    found = find_study(home_of(home), study)
    if trial is None:
        records = found.records()
        best = best_trial(records, found.objective)
        data = {
            "study": found.name,
            "description": found.description,
            "objective": found.objective.model_dump(mode="json"),
            "trials": counts(records),
            "epochs": sum(len(record.rows) for record in records),
            "training_seconds": round(sum(record.seconds or 0.0 for record in records), 1),
            "best": best.summary() if best else None,
        }
        emit(data, output_format, title=f"Study {study}")
        return
    record = found.record(trial)
    curve = [row.plain() for row in record.rows]
    about = {
        **record.summary(),
        "outcome": record.outcome.label if record.outcome else None,
        "reason": record.detail or (record.outcome.value if record.outcome else ""),
        "keras_defaults": record.baseline,
        **({"losses": list(record.losses)} if record.losses else {}),
        **({"traceback": record.traceback} if record.traceback else {}),
    }
    if output_format is Format.table:
        emit(about, output_format, title=f"Trial {trial} of {study}")
        # There is no room for what the machine was busy with.
        shown = [{name: value for name, value in row.items() if not name.startswith(SYSTEM)} for row in curve]
        emit(shown, output_format, title="Epochs")
    elif output_format is Format.csv:
        emit(curve, output_format)
    else:
        emit({"study": study, **about, "epochs": curve}, output_format)


def best(study: StudyArgument, home: HomeOption = None, output_format: FormatOption = Format.table) -> None:
    """Print the best trial of a study: value, epoch, configuration.

    Where the study has finalists it is their winner, and the value is that of its single trial.
    """
    from hpsearch.cli.rows import best_summary
    from hpsearch.search.finals import chosen_trial
    from hpsearch.search.storage import find_study

    found = find_study(home_of(home), study)
    record = chosen_trial(found)
    if record is None:
        raise NoGoodTrialError(study, home_of(home).command("trials", study))
    emit(best_summary(study, record), output_format, title=f"Best of {study}")

"""`hpsearch doctor` and `hpsearch delete`: MLflow compared with a study and repaired; a study deleted with its runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hpsearch.api import say, tracked_study
from hpsearch.cli.options import FormatOption, HomeOption, StudyArgument, TrackingOption, home_of
from hpsearch.cli.output import OutputFormat, emit, put
from hpsearch.errors import EXIT_DISAGREE, EXIT_DONE, EnvironmentProblem, HpsearchError

if TYPE_CHECKING:
    from hpsearch.search.home import Home
    from hpsearch.search.storage import StoredStudy
    from hpsearch.tracking.run_deletion import MlflowDeletion
    from hpsearch.tracking.target import Target


def doctor(
    study: StudyArgument,
    repair: Annotated[bool, typer.Option("--repair", help="Write what is missing or wrong in MLflow again.")] = False,
    tracking_uri: TrackingOption = None,
    home: HomeOption = None,
    output_format: FormatOption = OutputFormat.table,
) -> None:
    """Compare MLflow with a study; with --repair make it agree.

    Prints one line for each orphan (a run without a trial) and each missing, doubled or different run. --repair also
    fills an empty MLflow; replaced runs go to MLflow's bin. Exit codes: 0 both agree, 4 they do not.
    """
    from hpsearch.config.study import stored_study
    from hpsearch.search.stages import read_finals, records_of_stages
    from hpsearch.search.storage import find_study, set_address_complete
    from hpsearch.tracking.consistency import ConsistencyCheck
    from hpsearch.tracking.target import find_target

    where = home_of(home)
    target = find_target(where, tracking_uri)
    with where.hold(find_study(where, study).name):
        # Read again, now that no other process changes it.
        found = find_study(where, study)
        tracked = tracked_study(found, stored_study(found.text, found.name), found.text, target)
        check = ConsistencyCheck(tracked, records_of_stages(found), read_finals(found), create=repair)
        findings = check.examine()
        if output_format is OutputFormat.table:
            for finding in findings:
                put(finding.line)
        left = findings
        if repair and findings:
            say(f"repairing {target} ...")
            check.repair()
            left = check.examine()
        if not left:
            set_address_complete(found.optuna, target.key)
    if output_format is not OutputFormat.table:
        result = {"study": study, "mlflow": str(target), "agree": not left}
        emit({**result, "findings": [f.plain() for f in findings], "left": [f.plain() for f in left]}, output_format)
    elif repair:
        for finding in left:
            put(f"not repaired: {finding.line}")
    if left:
        differences = "1 difference" if len(left) == 1 else f"{len(left)} differences"
        hint = "" if repair else f"; `{target.command('doctor', study, '--repair')}` writes them again"
        say(f"{target} does not agree with study '{study}': {differences}{hint}")
    else:
        say(f"{target} agrees with study '{study}': {check.runs} runs")
    raise typer.Exit(EXIT_DISAGREE if left else EXIT_DONE)


def delete(
    study: StudyArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    keep_runs: Annotated[
        bool, typer.Option("--keep-runs", help="Keep the MLflow runs, in an experiment of another name.")
    ] = False,
    tracking_uri: TrackingOption = None,
    home: HomeOption = None,
) -> None:
    """Delete a study: trials, checkpoints, models, logs and MLflow runs.

    Asks first. Deletes the runs in every MLflow that the study was written to; one that cannot be reached is named and
    keeps its runs. Deleted runs stay in MLflow's bin until `mlflow gc`. A new study may have the name at once.

    Exit codes: 0 done, 2 refused, 4 an MLflow still has runs of the study.
    """
    from hpsearch.search.provenance import STUDY_ID
    from hpsearch.search.storage import delete_folder, delete_study, find_study
    from hpsearch.tracking.target import find_target

    where = home_of(home)
    target = find_target(where, tracking_uri)
    with where.hold(find_study(where, study).name):
        # Read again, now that no other process changes it.
        found = find_study(where, study)
        study_id = found.provenance.study
        deletions = _deletions(found, target)
        left = _show(where, found, deletions, keep_runs=keep_runs)
        _ask(study, yes=yes)
        for deletion in deletions:
            try:
                if keep_runs:
                    if name := deletion.set_apart():
                        say(f"{deletion.target}: the runs are kept in the experiment '{name}'")
                elif deletion.target.key not in left:
                    deletion.delete()
            except EnvironmentProblem as error:
                say(str(error))
                left.add(deletion.target.key)
        delete_study(where, found)
        delete_folder(where, study)
    say(f"study '{study}' was deleted")
    if keep_runs:
        raise typer.Exit(EXIT_DONE)
    for deletion in deletions:
        if deletion.target.key in left:
            tag = f"tags.`{STUDY_ID}` = '{study_id}'"
            say(f"{deletion.target}: runs of the study may be left in the experiment '{study}': those with {tag}")
    raise typer.Exit(EXIT_DISAGREE if left else EXIT_DONE)


def _deletions(study: StoredStudy, target: Target) -> list[MlflowDeletion]:
    """Return every MLflow that may have runs of the study: that of the command, and those of earlier runs."""
    from hpsearch.search.storage import known_addresses
    from hpsearch.tracking.run_deletion import MlflowDeletion
    from hpsearch.tracking.target import Target

    earlier = [Target.of_key(target.home, key) for key in ("", *known_addresses(study.optuna)) if key != target.key]
    targets = {each.key: each for each in (target, *earlier)}
    return [MlflowDeletion(each, study.name, study.provenance) for each in targets.values()]


def _show(home: Home, study: StoredStudy, deletions: Sequence[MlflowDeletion], *, keep_runs: bool) -> set[str]:
    """Print what will be deleted; return the keys of the MLflow addresses that cannot be reached."""
    from hpsearch.search.stages import records_of_stages

    parts = [f"{len(records)} {stage.plural}" for stage, records in records_of_stages(study).items()]
    say(
        f"{home.study_folder(study.name)}: {', '.join(parts)} of study '{study.name}', its checkpoints, models and logs"
    )
    left: set[str] = set()
    for deletion in deletions if not keep_runs else ():
        try:
            if deletion.target.password_is_masked:
                raise EnvironmentProblem(
                    f"{deletion.target}: its password is not known here; to delete the runs there, too, stop now and "
                    f"use `{deletion.target.command('delete', study.name)}`"
                )
            found = deletion.find()
        except EnvironmentProblem as error:
            say(str(error))
            left.add(deletion.target.key)
            continue
        if found.experiment or found.apart:
            more = f"; other runs in its experiment that stay: {found.others}" if found.others else ""
            say(f"{deletion.target}: {found}{more}")
    return left


def _ask(study: str, *, yes: bool) -> None:
    """Ask the user whether to delete the study.

    Raises:
        HpsearchError: the user does not agree, or there is no terminal.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise HpsearchError(f"study '{study}' was not deleted: without a terminal to ask in, --yes is needed")
    if not typer.confirm(f"delete study '{study}'?", err=True):
        raise HpsearchError(f"study '{study}' was not deleted")

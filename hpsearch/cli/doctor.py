"""`hpsearch doctor`: MLflow compared with a study, and repaired."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from hpsearch.api import say, tracked_study
from hpsearch.cli.options import FormatOption, HomeOption, StudyArgument, TrackingOption, home_of
from hpsearch.cli.output import OutputFormat, emit, put
from hpsearch.errors import EXIT_DISAGREE, EXIT_DONE


def doctor(
    study: StudyArgument,
    repair: Annotated[bool, typer.Option("--repair", help="Write what is missing or wrong in MLflow again.")] = False,
    tracking_uri: TrackingOption = None,
    home: HomeOption = None,
    output_format: FormatOption = OutputFormat.table,
) -> None:
    """Compare MLflow with a study; with --repair make it agree.

    One line for each orphan (a run without a trial), missing, doubled or mis-stated run. --repair works into an
    empty MLflow too; what it replaces goes to MLflow's bin. Exit codes: 0 both agree, 4 they do not.
    """
    from hpsearch.config.study import stored_study
    from hpsearch.search import addresses
    from hpsearch.search.finals import read_finals, stages_of
    from hpsearch.search.storage import find_study
    from hpsearch.tracking.consistency import ConsistencyCheck
    from hpsearch.tracking.target import find_target

    where = home_of(home)
    target = find_target(where, tracking_uri)
    with where.hold(find_study(where, study).name):
        # Read again, now that no other process changes it.
        found = find_study(where, study)
        tracked = tracked_study(found, stored_study(found.file, found.name), found.file, target)
        check = ConsistencyCheck(tracked, stages_of(found), read_finals(found), create=repair)
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
            addresses.set_complete(found.optuna, target.key)
    if output_format is not OutputFormat.table:
        result = {"study": study, "mlflow": str(target), "agree": not left}
        emit({**result, "findings": [asdict(f) for f in findings], "left": [asdict(f) for f in left]}, output_format)
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

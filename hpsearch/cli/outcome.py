"""`hpsearch export`: take a configuration away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hpsearch.cli.inspect import TrialOption
from hpsearch.cli.options import HomeOption, StudyArgument, home_of
from hpsearch.cli.output import portable, put, say
from hpsearch.errors import EnvironmentProblem, NoGoodTrialError


def export(
    study: StudyArgument,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="File to write (default: standard output)."),
    ] = None,
    trial: TrialOption = None,
    home: HomeOption = None,
) -> None:
    """Write the best trial as a configuration file.

    YAML, or JSON if FILE ends in .json. `hpsearch train FILE` trains it again.
    """
    import json

    from hpsearch.export.yaml_file import best_yaml, configuration
    from hpsearch.search.records import best_trial
    from hpsearch.search.storage import find_study

    found = find_study(home_of(home), study)
    record = found.record(trial) if trial is not None else best_trial(found.records(), found.objective)
    if record is None:
        raise NoGoodTrialError(study)
    if output is not None and output.suffix == ".json":
        text = json.dumps(portable(configuration(study, found.objective, record)), indent=2) + "\n"
    else:
        text = best_yaml(study, found.objective, record)
    if output is None:
        put(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{output}: cannot be written: {error.strerror}") from None
    say(f"trial {record.number} of '{study}' written to {output}; train it with `hpsearch train {output}`")

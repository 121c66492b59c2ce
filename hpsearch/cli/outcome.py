"""`hpsearch export` and `train`: take a configuration away, and train it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hpsearch.cli.inspect import TrialOption
from hpsearch.cli.options import FormatOption, HomeOption, SetOption, StudyArgument, home_of
from hpsearch.cli.output import Format, emit, portable, put, say
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


def train(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Configuration, as `hpsearch export` writes it.")],
    test: Annotated[bool, typer.Option("--test", help="Also evaluate on the test images, once, at the end.")] = False,
    overrides: SetOption = None,
    output_format: FormatOption = Format.table,
) -> None:
    """Train one exported configuration, without Optuna.

    Prints the validation accuracy of its best epoch, and only with --test the test accuracy.
    """
    from hpsearch.config.study import load_trial, module_folders
    from hpsearch.config.trial import TrialConfig
    from hpsearch.export.retrain import retrain
    from hpsearch.training.results import EpochRow

    name, objective, config = load_trial(file, overrides or [])
    last = f"/{config.training.max_epochs}" if isinstance(config, TrialConfig) else ""

    def each(row: EpochRow) -> None:
        metrics = "  ".join(f"{key} {value:.4g}" for key, value in row.metrics.items())
        say(f"epoch {row.epoch}{last}  {metrics}")

    log = Path(tempfile.gettempdir()) / f"hpsearch-train-{os.getpid()}.log"
    folders = module_folders(file)
    result = retrain(config, objective, test=test, log=log, folders=folders, report=say, each=each)
    log.unlink(missing_ok=True)
    emit({"name": name, **result}, output_format, title=f"{name}: {objective.metric} {result['value']:.4f}")

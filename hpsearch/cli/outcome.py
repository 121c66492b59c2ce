"""`hpsearch train`: an exported configuration, trained."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hpsearch.cli.options import FormatOption, SetOption
from hpsearch.cli.output import Format, emit, say


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

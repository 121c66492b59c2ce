"""`hpsearch train`: a configuration trained, with several seeds, on everything; and logged."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpsearch.api import say
from hpsearch.catalogue.metrics import column_name
from hpsearch.cli.options import FormatOption, HomeOption, SetOption, TrackingOption, home_of, whole_number_option
from hpsearch.cli.output import OutputFormat, emit, put
from hpsearch.errors import HpsearchError

if TYPE_CHECKING:
    from hpsearch.config.file import Objective
    from hpsearch.config.trial import AnyConfig
    from hpsearch.export.trainings import Part, TrainingRequest
    from hpsearch.search.listeners import Listener
    from hpsearch.search.records import TrialRecord
    from hpsearch.tracking.target import Target
    from hpsearch.tracking.training_runs import TrainingListener, TrainingOutcome
    from hpsearch.training.results import EpochMetrics


def train(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Configuration, as `hpsearch export` writes it.")],
    seeds: Annotated[
        int,
        whole_number_option("--seeds", 1, 1000, help="Number of seeds; the configuration's own comes first."),
    ] = 1,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Then train on all training images, validation included, for the epochs that validation chose.",
        ),
    ] = False,
    test: Annotated[
        bool,
        typer.Option(
            "--test",
            help="Also evaluate on the test images, once; with --full, only the models trained on all training images.",
        ),
    ] = False,
    workers: Annotated[
        int | None,
        whole_number_option(
            "--workers",
            1,
            10_000,
            help="Number of seeds that train at once (default: one per core; a single one uses all cores).",
        ),
    ] = None,
    overrides: SetOption = None,
    tracking_uri: TrackingOption = None,
    logged: Annotated[bool, typer.Option("--log/--no-log", help="Whether to log to MLflow.")] = True,
    home: HomeOption = None,
    output_format: FormatOption = OutputFormat.table,
) -> None:
    """Train one exported configuration, without Optuna.

    Prints the objective's metric at the best epoch, and only with --test the loss and accuracy on the test images; with
    --seeds those of each seed, their means and confidence intervals. MLflow keeps the runs in an experiment of the
    configuration's name. With -f csv a row for each training.
    """
    from hpsearch.config.study import load_trial, module_folders
    from hpsearch.config.trial import TrialConfig
    from hpsearch.executors.local import default_workers
    from hpsearch.export.trainings import TrainingRequest, start_workers, train_requested
    from hpsearch.search.stop import ends_at_once
    from hpsearch.tracking.target import find_target

    name, objective, config = load_trial(file, overrides or [])
    request = TrainingRequest(config, objective, seeds, full, test)
    target = find_target(home_of(home), tracking_uri)
    log = Path(tempfile.gettempdir()) / f"hpsearch-train-{os.getpid()}.log"
    folders = module_folders(file)
    at_once = min(seeds, workers or default_workers())
    listener = _listener(name, request, target, folders) if logged else None
    try:
        with (
            ends_at_once(),
            start_workers(at_once, objective, log, folders, say, keras=isinstance(config, TrialConfig)) as started,
        ):
            parts = train_requested(
                request, started, [_epoch_lines(several=seeds > 1), *([listener] if listener else [])], say
            )
            written = listener.finish(_outcome(parts)) if listener else False
    except KeyboardInterrupt:
        # Some versions of Typer would end without a word.
        raise typer.Abort from None
    except HpsearchError:
        if listener:
            listener.fail()
        raise
    finally:
        if listener:
            listener.close()
    own_code = not isinstance(config, TrialConfig) or any(config.references())
    if own_code and log.is_file() and log.stat().st_size:
        say(f"what your code printed is in {log}")
    else:
        log.unlink(missing_ok=True)
    _print(name, objective, parts, output_format)
    if written:
        say(f"look at the runs: {target if target.shared else target.home.command('ui', name)}")


def _listener(name: str, request: TrainingRequest, target: Target, folders: Sequence[Path]) -> TrainingListener:
    from hpsearch.config.trial import TrialConfig
    from hpsearch.export.formats import configuration_yaml
    from hpsearch.search.contents import own_digests
    from hpsearch.tracking.training_runs import LoggedTraining, TrainingListener

    config = request.config
    data = own_digests([config.data.dataset], folders) if isinstance(config, TrialConfig) else {}
    text = configuration_yaml(name, request.objective, request.config)
    params = {"seeds": request.seeds, "full": request.full, "test": request.test}
    return TrainingListener(LoggedTraining(name, text, request.objective, params, data), target, say)


def _epoch_lines(*, several: bool) -> Listener:
    """Return a listener that prints a line for each epoch.

    Args:
        several: whether each line names the seed.
    """
    from hpsearch.config.trial import TrialConfig
    from hpsearch.search.listeners import Listener

    class Lines(Listener):
        def __init__(self) -> None:
            self._configs: dict[int, AnyConfig | None] = {}

        def trial_started(self, record: TrialRecord) -> None:
            self._configs[record.number] = record.config

        def epoch_done(self, number: int, epoch: EpochMetrics) -> None:
            config = self._configs[number]
            before = f"seed {config.seed}  " if several and config else ""
            last = f"/{config.training.last_epoch}" if isinstance(config, TrialConfig) else ""
            metrics = "  ".join(f"{key} {value:.4g}" for key, value in epoch.metrics.items())
            say(f"{before}epoch {epoch.epoch}{last}  {metrics}")

    return Lines()


def _outcome(parts: Sequence[Part]) -> TrainingOutcome:
    """Return the metrics and the description of the parent run."""
    from hpsearch.tracking.training_runs import TrainingOutcome

    metrics: dict[str, float] = {}
    lines: list[str] = []
    for part in parts:
        before = "full_" if part.full else ""
        for name, interval in part.summary().items():
            known = {"mean": interval.mean, "std": interval.std, "low": interval.low, "high": interval.high}
            metrics |= {f"{before}{name}_{key}": value for key, value in known.items() if value is not None}
        lines += [f"**{_title(part)}**", "", *_sentences(part), ""]
    return TrainingOutcome(metrics, "\n".join(lines))


def _print(name: str, objective: Objective, parts: Sequence[Part], output_format: OutputFormat) -> None:
    if output_format is OutputFormat.csv:
        emit([{"everything": part.full, **row} for part in parts for row in part.rows()], output_format)
        return
    if output_format is not OutputFormat.table:
        found: dict[str, Any] = {"name": name}
        for part in parts:
            found |= {"full": part.plain()} if part.full else part.plain()
        emit(found, output_format)
        return
    for part in parts:
        if len(part.trained) == 1:
            emit(part.plain(), OutputFormat.table, title=f"{name}: {'; '.join(_sentences(part))}")
            continue
        columns = ["seed", "value", "epoch", "epochs", "seconds", "outcome", "test_accuracy", "test_loss"]
        rows = [{key: row[key] for key in columns if key in row} for row in part.rows()]
        # If no example is held out, there is no value to choose the best epoch by.
        gone = {"value", "epoch"} if all(row["value"] is None for row in rows) else set()
        metric = column_name(objective.metric, frozenset(columns))
        shown = [{metric if k == "value" else k: v for k, v in r.items() if k not in gone} for r in rows]
        emit(shown, OutputFormat.table, title=f"{name}, {_title(part)}")
        for sentence in _sentences(part):
            put(sentence)


def _title(part: Part) -> str:
    return f"on everything for {part.epochs} epochs" if part.full else "with validation"


def _sentences(part: Part) -> list[str]:
    """Return `val_accuracy: mean 0.8941, standard deviation ..., 95% confidence interval ...`, one for each metric."""
    found = []
    for name, interval in part.summary().items():
        if interval.std is None:
            found.append(f"{name} {interval.mean:.4f}")
        else:
            found.append(
                f"{name}: mean {interval.mean:.4f}, standard deviation {interval.std:.4f}, {interval.confidence:.0%} "
                f"confidence interval {interval.low:.4f} to {interval.high:.4f} ({interval.method})"
            )
    return found or [f"trained {_title(part)}"]

"""What a person watches: a live view on a terminal, plain lines elsewhere. Both go to stderr."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.file import Objective
from hpsearch.config.own import OwnConfig, Recipe, recipe_of
from hpsearch.search.listeners import Listener, StudyEnded, StudyStarted, TrialStarted
from hpsearch.search.records import TrialRecord, best_trial
from hpsearch.search.stages import Stage
from hpsearch.training.results import BROKEN, EpochRow, Outcome, best_of

_BARS = "▁▂▃▄▅▆▇█"
_CURVE_LENGTH = 12


def make_terminal() -> Listener:
    """The live view where stderr is a terminal, else plain lines."""
    console = Console(stderr=True, highlight=False)
    return LiveView(console) if console.is_terminal else PlainLines(console)


@dataclass
class _Running:
    config: Recipe
    rows: list[EpochRow] = field(default_factory=list)


class _Board(Listener):
    """What both views know: trials that run, trials that ended, the best so far, the time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._objective = Objective()
        self._total = 0
        self._stage = Stage.SEARCH
        self._began = time.monotonic()
        self._running: dict[int, _Running] = {}
        self._ended: dict[int, TrialRecord] = {}
        self._before = 0

    def study_started(self, event: StudyStarted) -> None:
        self._objective, self._total, self._stage = event.spec.objective, event.total, event.stage
        self._ended = {r.number: r for r in event.records if r.outcome and r.outcome is not Outcome.INTERRUPTED}
        self._before, self._began = len(self._ended), time.monotonic()

    def trial_started(self, event: TrialStarted) -> None:
        self._running[event.number] = _Running(event.config, list(event.rows))

    def epoch_done(self, number: int, row: EpochRow) -> None:
        self._running[number].rows.append(row)

    def trial_ended(self, record: TrialRecord) -> None:
        self._running.pop(record.number, None)
        self._ended[record.number] = record

    def trial_interrupted(self, number: int) -> None:
        self._running.pop(number, None)

    def _best(self) -> TrialRecord | None:
        return best_trial(self._ended.values(), self._objective)

    def _counts(self) -> dict[str, int]:
        outcomes = [record.outcome for record in self._ended.values()]
        failed, diverged = sum(outcome in BROKEN for outcome in outcomes), outcomes.count(Outcome.DIVERGED)
        pruned = outcomes.count(Outcome.PRUNED)
        complete = len(outcomes) - failed - diverged - pruned
        return {
            "complete": complete,
            "running": len(self._running),
            "pruned": pruned,
            "diverged": diverged,
            "failed": failed,
        }

    def _left(self) -> str:
        """Time left, from the trials of this run; nothing before the first has ended."""
        done = len(self._ended) - self._before
        if not done:
            return ""
        seconds = (time.monotonic() - self._began) / done * max(0, self._total - len(self._ended))
        return f"about {_clock(seconds)} left"


class PlainLines(_Board):
    """One line for each thing that happened: for logs and pipes."""

    def study_started(self, event: StudyStarted) -> None:
        super().study_started(event)
        had = f" ({len(self._ended)} done before)" if self._ended else ""
        what = " ".join(filter(None, [f"study '{event.spec.name}'", event.stage.value]))
        self._print(f"{what}: {event.total} {event.stage.many}{had}, {event.workers} at once")

    def trial_started(self, event: TrialStarted) -> None:
        super().trial_started(event)
        note = " (Keras defaults)" if event.baseline else ""
        begins = f"goes on after epoch {len(event.rows)}" if event.rows else "started"
        self._print(f"{self._stage.one} {event.number} {begins}{note}: {_recipe(event.config)}")

    def trial_ended(self, record: TrialRecord) -> None:
        super().trial_ended(record)
        outcome = record.outcome or Outcome.FAILED
        figure = (
            f"{self._objective.metric} {record.best.value:.4f} at epoch {record.best.epoch}, " if record.best else ""
        )
        best = self._best()
        so_far = f"; best so far {best.best.value:.4f} ({self._stage.one} {best.number})" if best and best.best else ""
        self._print(
            f"{self._stage.one} {record.number} {outcome.label}: {figure}{len(record.rows)} epochs, "
            f"{record.seconds or 0:.1f} s{'; ' + record.detail if record.detail else ''}{so_far}; "
            f"{len(self._ended)} of {self._total} done{', ' + self._left() if self._left() else ''}"
        )

    def trial_interrupted(self, number: int) -> None:
        super().trial_interrupted(number)
        self._print(f"{self._stage.one} {number} interrupted; it will go on")

    def note(self, line: str) -> None:
        self._print(line)

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, markup=False)


class LiveView(_Board):
    """A picture of the study that is drawn anew a few times a second."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._name, self._workers, self._drawn = "", 0, 0.0
        self._live = Live(console=console, auto_refresh=False, transient=False, redirect_stdout=False)

    def study_started(self, event: StudyStarted) -> None:
        super().study_started(event)
        self._name, self._workers = " ".join(filter(None, [event.spec.name, event.stage.value])), event.workers
        self._live.start()
        self._draw()

    def trial_started(self, event: TrialStarted) -> None:
        super().trial_started(event)
        self._draw()

    def epoch_done(self, number: int, row: EpochRow) -> None:
        super().epoch_done(number, row)
        self._draw()

    def trial_ended(self, record: TrialRecord) -> None:
        super().trial_ended(record)
        if record.outcome in BROKEN:
            self.note(f"{self._stage.one} {record.number} {record.outcome.label}: {record.detail}")
        self._draw()

    def note(self, line: str) -> None:
        self._live.console.print(line, soft_wrap=True, markup=False)

    def idle(self) -> None:
        if time.monotonic() - self._drawn > 0.5:
            self._draw()

    def study_ended(self, event: StudyEnded) -> None:  # noqa: ARG002
        self._draw()

    def close(self) -> None:
        self._live.stop()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        self._live.update(self._picture(), refresh=True)

    def _picture(self) -> RenderableType:
        done = min(len(self._ended), self._total)
        head = Table.grid(padding=(0, 2))
        elapsed = _clock(time.monotonic() - self._began)
        head.add_row(
            Text(self._name, style="bold"),
            ProgressBar(total=self._total, completed=done, width=30),
            f"{done} of {self._total} {self._stage.many}",
            elapsed,
            self._left(),
        )
        styles = {
            "complete": "green",
            "running": "cyan",
            "pruned": "yellow",
            "diverged": "magenta",
            "failed": "red",
        }
        tally = Text("  ").join(
            Text(f"{count} {name}", style=styles[name] if count else "dim") for name, count in self._counts().items()
        )
        parts: list[RenderableType] = [head, tally]
        if best := self._best_line():
            parts.append(best)
        if self._running:
            parts.append(self._table())
        elif not self._ended:
            parts.append(Text("starting the workers ...", style="dim"))
        return Group(*parts)

    def _best_line(self) -> Text | None:
        best = self._best()
        if best is None or best.best is None or best.config is None:
            return None
        recipe = _recipe(recipe_of(best.config))
        return Text.assemble(
            "best ",
            (f"{self._objective.metric} {best.best.value:.4f}", "bold green"),
            f" at epoch {best.best.epoch} of {self._stage.one} {best.number}: {recipe}",
        )

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        # The configuration gives way where the terminal is narrow.
        for name, width in (("trial", 5), ("epoch", 7), (self._objective.metric, 12), ("best", 6), ("curve", 12)):
            table.add_column(name, no_wrap=True, min_width=width)
        table.add_column("configuration", no_wrap=True, overflow="ellipsis")
        for number, running in sorted(self._running.items()):
            values = [row.metrics[self._objective.metric] for row in running.rows]
            best = best_of(running.rows, self._objective)
            table.add_row(
                str(number),
                _progress(len(values), running.config),
                f"{values[-1]:.4f}" if values else "",
                f"{best.value:.4f}" if best else "",
                sparkline(values),
                _recipe(running.config),
            )
        return table


def sparkline(values: Sequence[float]) -> str:
    """The last values as a row of bars, lowest to highest of what is shown."""
    finite = [value for value in values[-_CURVE_LENGTH:] if math.isfinite(value)]
    if not finite:
        return ""
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in finite)


def _progress(epochs: int, config: Recipe) -> str:
    """`3/20`; of a user's own training nobody knows when it ends."""
    return str(epochs) if isinstance(config, OwnConfig) else f"{epochs}/{config.training.last_epoch}"


def _recipe(config: Recipe) -> str:
    """`adam learning_rate=0.001213 beta_1=0.93 batch_size=128 schedule=cosine model=mlp`: what tells trials apart."""
    if isinstance(config, OwnConfig):
        return " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in config.flat().items())
    # What is switched off is not named, and what nobody usually searches only when it is not as usual.
    usual = {k.name: k.default for k in OPTIMIZERS[config.optimizer.selected()].knobs if k.recommended is None}
    values = {k: v for k, v in config.optimizer.knobs().items() if v is not False and v is not None}
    knobs = {k: v for k, v in values.items() if k not in usual or v != usual[k]}
    shown = [name if value is True else f"{name}={value:.4g}" for name, value in knobs.items()]
    rest = {"batch_size": config.batch_size, "schedule": config.schedule.selected(), "model": config.model.selected()}
    return " ".join([config.optimizer.selected(), *shown, *(f"{name}={value}" for name, value in rest.items())])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

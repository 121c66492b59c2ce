"""What the user watches while a study runs: a live view on a terminal, plain lines elsewhere. Both go to stderr."""

from __future__ import annotations

import sys

from rich.console import Console

from hpsearch.config.varied import Lines, note_of
from hpsearch.display.board import Board, number_text
from hpsearch.display.live_view import LiveView
from hpsearch.search.listeners import Listener, StudyStarted
from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Stage
from hpsearch.search.stop import Stop
from hpsearch.training.results import Outcome


def make_terminal(stop: Stop | None = None) -> Listener:
    """Make the live view if stderr is a terminal that can move its cursor, else plain lines.

    Args:
        stop: of the run; while the live view is shown, the view prints that the run is being stopped.
    """
    console = Console(stderr=True, highlight=False, emoji=False)
    # Variables such as FORCE_COLOR make rich treat a pipe as a terminal.
    live = console.is_terminal and not console.is_dumb_terminal and sys.stderr.isatty()
    return LiveView(console, stop) if live else PlainLines(console)


class PlainLines(Board):
    """One line for each event: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._lines = Lines(self._varied)

    def study_started(self, event: StudyStarted) -> None:
        super().study_started(event)
        self._lines = Lines(self._varied)
        had = f" ({self._counted()} done before)" if self._ended else ""
        what = " ".join(filter(None, [f"study '{event.spec.name}'", event.stage.value]))
        self._print(f"{what}: {event.total} {event.stage.plural}{had}, {event.workers} at once")

    def trial_started(self, record: TrialRecord) -> None:
        super().trial_started(record)
        assert record.config is not None
        note = note_of(record.config, baseline=record.baseline, finalists=self._stage is not Stage.SEARCH)
        note = f" ({note})" if note else ""
        begins = f"goes on after epoch {len(record.epochs)}" if record.epochs else "started"
        begins += "" if record.retry_of is None else f", trial {record.retry_of} again"
        begins += "" if record.continues is None else f", from trial {record.continues}"
        line = self._lines.line(record.config)
        self._print(f"{self._stage.noun} {record.number} {begins}{note}{f': {line}' if line else ''}")

    def trial_ended(self, record: TrialRecord) -> None:
        super().trial_ended(record)
        outcome = record.outcome or Outcome.FAILED
        value = (
            f"{self._objective.metric} {number_text(record.best.value)} at epoch {record.best.epoch}, "
            if record.best
            else ""
        )
        best = self._best()
        so_far = (
            f"; best so far {number_text(best.best.value)} ({self._stage.noun} {best.number})"
            if best and best.best
            else ""
        )
        self._print(
            f"{self._stage.noun} {record.number} {outcome.label}: {value}{len(record.epochs)} epochs, "
            f"{record.seconds or 0:.1f} s{'; ' + record.detail if record.detail else ''}{so_far}; "
            f"{self._counted()} of {self._total} done{', ' + self._left() if self._left() else ''}"
        )

    def trial_paused(self, record: TrialRecord) -> None:
        super().trial_paused(record)
        value = f"{self._objective.metric} {number_text(record.best.value)}" if record.best else "no finite value"
        self._print(
            f"{self._stage.noun} {record.number} paused after epoch {len(record.epochs)}: {value}; "
            f"{self._counted()} of {self._total} done or paused"
        )

    def trial_interrupted(self, number: int) -> None:
        super().trial_interrupted(number)
        self._print(f"{self._stage.noun} {number} interrupted; it will go on")

    def note(self, line: str) -> None:
        self._print(line)

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, markup=False)

"""The live view of a running study on a terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from hpsearch.config.trial import AnyConfig, TrainableConfig
from hpsearch.display.board import Board, Running, clock_text, number_text
from hpsearch.search.listeners import StudyEnded, StudyStarted
from hpsearch.search.records import TrialRecord, counts
from hpsearch.search.stop import STOPPING, Stop
from hpsearch.training.results import BROKEN, OVER_LIMITS, EpochMetrics, Outcome, best_of

_BARS = "▁▂▃▄▅▆▇█"
_CURVE_LENGTH = 12
_BAR_LENGTH = 30
# If the configuration has less room than this, the curve is left out, and then the current value.
_LEAST_CONFIGURATION = 16
# Columns of the terminal that stay empty on the right.
_MARGIN = 1
_GAP = 2


class LiveView(Board):
    """A live view of the study, drawn again a few times a second.

    No line of it is wider than the terminal. The cursor waits on an empty line below it, where an echo of the terminal
    (`^C`) does not move the picture.

    Args:
        stop: of the run; the view prints that the run is being stopped, between two pictures.
    """

    def __init__(self, console: Console, stop: Stop | None = None) -> None:
        super().__init__()
        self._console = console
        self._stop, self._stop_printed = stop, False
        self._name, self._drawn, self._over = "", 0.0, False
        # The rows of the picture on the screen: their lengths, and the terminal's width when they were drawn.
        self._lengths: list[int] = []
        self._width = 0
        self._live = Live(console=console, auto_refresh=False, transient=False, redirect_stdout=False)

    def study_started(self, event: StudyStarted) -> None:
        super().study_started(event)
        self._name = " ".join(filter(None, [event.spec.name, event.stage.value]))
        if self._stop is not None:
            # A request from before the view existed has been printed already.
            self._stop_printed, self._stop.shown_by_view = self._stop.asked, True
        self._live.start()
        self._draw()

    def trial_started(self, record: TrialRecord) -> None:
        super().trial_started(record)
        self._draw()

    def epoch_done(self, number: int, epoch: EpochMetrics) -> None:
        super().epoch_done(number, epoch)
        self._draw()

    def trial_ended(self, record: TrialRecord) -> None:
        super().trial_ended(record)
        if record.outcome in BROKEN:
            self.note(f"{self._stage.noun} {record.number} {record.outcome.label}: {record.detail}")
        self._draw()

    def trial_paused(self, record: TrialRecord) -> None:
        super().trial_paused(record)
        self._draw()

    def note(self, line: str) -> None:
        self._go_above_reflowed_rows()
        self._live.console.print(line, soft_wrap=True, markup=False)

    def idle(self) -> None:
        if time.monotonic() - self._drawn > 0.5 or self._must_print_stop():
            self._draw()

    def study_ended(self, event: StudyEnded) -> None:  # noqa: ARG002
        # Nothing more is drawn, while the run may still wait for MLflow. The signal handler prints that it is stopping.
        self._over = True
        self.close()

    def close(self) -> None:
        try:
            if self._live.is_started:
                # The last picture stays on the screen, without the empty line.
                self._draw(last=True)
            self._live.stop()
        finally:
            self._lengths = []
            if self._stop is not None:
                self._stop.shown_by_view = False

    def _must_print_stop(self) -> bool:
        return self._stop is not None and self._stop.asked and not self._stop_printed

    def _draw(self, *, last: bool = False) -> None:
        if self._must_print_stop():
            self._stop_printed = True
            self.note(STOPPING)
        self._go_above_reflowed_rows()
        self._drawn, self._width = time.monotonic(), self._console.width
        picture = self._picture(self._width - _MARGIN)
        lines = self._console.render_lines(picture, pad=False)
        self._lengths = [sum(cell_len(segment.text) for segment in line) for line in lines]
        self._live.update(picture if last else Group(picture, Text("")), refresh=True)

    def _go_above_reflowed_rows(self) -> None:
        """Erase the rows that a terminal has added to the picture when it was made narrower.

        Most terminals wrap the lines on the screen to their new width; `Live` erases as many rows as it has drawn.
        """
        width = self._console.width
        if self._width <= width or not self._lengths:
            return
        extra = sum(max(0, length - 1) // width for length in self._lengths)
        above = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)) * extra
        self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *above))
        self._width = width

    def _picture(self, width: int) -> RenderableType:
        """Return the whole picture; no line is longer than `width`."""
        parts: list[RenderableType] = [self._head(width), self._tally()]
        if best := self._best_line():
            parts.append(best)
        if self._running:
            # The empty line below the picture needs a row, too.
            parts += self._table(width, self._console.height - len(parts) - 1)
        elif not self._ended and not self._over:
            parts.append(Text("starting the workers ...", style="dim"))
        for part in parts:
            if isinstance(part, Text):
                part.truncate(width, overflow="ellipsis")
        return Group(*parts)

    def _head(self, width: int) -> RenderableType:
        """Return `quickstart  ━━━━━━━  8 of 16 trials  0:53  about 0:53 left`; the bar takes the room that is left."""
        ended = min(self._counted(), self._total)
        clock = clock_text(time.monotonic() - self._began)
        numbers = [
            f"{ended} of {self._total} {self._stage.plural}",
            clock,
            *filter(None, ["" if self._over else self._left()]),
        ]
        name, right = Text(self._name, style="bold"), (" " * _GAP).join(numbers)
        name.truncate(max(8, width - len(right) - 2 * _GAP - 8), overflow="ellipsis")
        bar = min(_BAR_LENGTH, width - name.cell_len - len(right) - 2 * _GAP)
        if bar < 4:
            return Text.assemble(name, " " * _GAP, right)
        head = Table.grid(padding=(0, _GAP, 0, 0))
        head.add_row(name, ProgressBar(total=self._total, completed=self._done_trials(), width=bar), Text(right))
        return head

    def _tally(self) -> Text:
        """Return `3 complete  2 running  1 paused  5 pruned (1 diverged)  0 failed`; "paused" only if one is."""
        tally = counts(self._ended.values())
        states = [
            ("complete", tally["complete"], "green"),
            ("running", len(self._running), "cyan"),
            *([("paused", len(self._paused), "cyan")] if self._paused else []),
            ("pruned", tally["pruned"], "yellow"),
            ("failed", tally["failed"], "red"),
        ]
        outcomes = [record.outcome for record in self._ended.values()]
        notes = {"diverged": outcomes.count(Outcome.DIVERGED), "over limits": sum(o in OVER_LIMITS for o in outcomes)}
        of_pruned = ", ".join(f"{count} {name}" for name, count in notes.items() if count)
        text = Text()
        for name, count, style in states:
            more = f" ({of_pruned})" if name == "pruned" and of_pruned else ""
            text.append(f"{count} {name}{more}", style=style if count else "dim").append(" " * _GAP)
        text.rstrip()
        return text

    def _best_line(self) -> Text | None:
        best = self._best()
        if best is None or best.best is None or best.config is None:
            return None
        line = self._varied.line(best.config)
        return Text.assemble(
            "best ",
            (f"{self._objective.metric} {number_text(best.best.value)}", "bold green"),
            f" at epoch {best.best.epoch} of {self._stage.noun} {best.number}{f': {line}' if line else ''}",
        )

    def _table(self, width: int, height: int) -> list[Text]:
        """Return a header and a line for each running trial, the configuration last and cut to the width.

        Args:
            height: the most lines. Where there are more trials, the last line says how many are left out.
        """
        head = ["trial", "epoch", self._objective.metric, "best", "curve"]
        rows = [self._cells(number, running) for number, running in sorted(self._running.items())]
        widths = [max(cell_len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        # The curve's column has its width from the beginning, so that the other columns do not move.
        widths[-1] = _CURVE_LENGTH
        widths[2:4] = [max(9, width) for width in widths[2:4]]
        columns = [0, 1, 2, 3, 4]
        for spare in (4, 2):
            if width - sum(widths[i] + _GAP for i in columns) < _LEAST_CONFIGURATION:
                columns.remove(spare)
        lines = [Text(_joined(head, widths, columns) + "configuration", style="dim")]
        for row, (_, running) in zip(rows, sorted(self._running.items()), strict=True):
            lines.append(Text(_joined(row, widths, columns) + self._varied.line(running.config)))
        if len(lines) <= height:
            return lines
        shown = max(0, height - 2)
        more = Text(f"and {len(rows) - shown} more running", style="dim")
        return [*lines[: shown + 1], more] if shown else lines[:0]

    def _cells(self, number: int, running: Running) -> list[str]:
        values = [epoch.metrics.get(self._objective.metric, math.nan) for epoch in running.epochs]
        best = best_of(running.epochs, self._objective)
        return [
            str(number),
            _progress(len(values), running.config),
            number_text(values[-1]) if values else "",
            number_text(best.value) if best else "",
            sparkline(values),
        ]


def _joined(cells: Sequence[str], widths: Sequence[int], columns: Sequence[int]) -> str:
    return "".join(cells[i] + " " * (widths[i] - cell_len(cells[i]) + _GAP) for i in columns)


def sparkline(values: Sequence[float]) -> str:
    """Return the last values as a row of bars; the lowest of these values has the shortest bar."""
    finite = [value for value in values[-_CURVE_LENGTH:] if math.isfinite(value)]
    if not finite:
        return ""
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in finite)


def _progress(epochs: int, config: AnyConfig) -> str:
    """Return `3/20`; `3` for a user's own training, whose length is unknown."""
    return str(epochs) if isinstance(config, TrainableConfig) else f"{epochs}/{config.training.last_epoch}"

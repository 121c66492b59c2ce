"""Runs -> medians, ranges and ratios -> a table, for people as text and for the README as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .contenders import CONTENDERS, HPSEARCH
from .results import Run

_COLUMNS = ("who", "runs", "wall s", "epochs/s", "peak PSS MB", "mean best val accuracy", f"wall / {HPSEARCH}")


@dataclass(frozen=True)
class Spread:
    """A figure over repeats."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Iterable[float]) -> Spread | None:
        """None where there is no value."""
        known = list(values)
        return Spread(statistics.median(known), min(known), max(known)) if known else None


@dataclass(frozen=True)
class Line:
    """What the repeats of one contender say.

    Attributes:
        ratio: its wall time as a multiple of hpsearch's in the same repeat; None without such a repeat.
    """

    who: str
    runs: int
    seconds: Spread
    epochs_per_second: Spread
    peak_pss_mb: Spread
    accuracy: Spread
    ratio: Spread | None


def lines(runs: Sequence[Run]) -> list[Line]:
    """A line for each contender of one list, in the order of the contenders' table.

    Ratios are taken within a repeat: what disturbs the machine for an hour disturbs both sides.
    """
    reference = {run.repeat: run.seconds for run in runs if run.who == HPSEARCH}
    found = []
    for who in CONTENDERS:
        own = [run for run in runs if run.who == who]
        seconds = Spread.of(run.seconds for run in own)
        speed = Spread.of(run.epochs_per_second for run in own)
        memory = Spread.of(run.peak_pss_mb for run in own)
        accuracy = Spread.of(run.accuracy for run in own)
        if seconds and speed and memory and accuracy:
            ratio = Spread.of(run.seconds / reference[run.repeat] for run in own if run.repeat in reference)
            found.append(Line(who, len(own), seconds, speed, memory, accuracy, ratio))
    return found


def _shown(spread: Spread | None, digits: int) -> str:
    """`48.1 (47.0-52.3)`; the range of a single value is left out."""
    if spread is None:
        return "-"
    median = f"{spread.median:.{digits}f}"
    if spread.low == spread.high:
        return median
    return f"{median} ({spread.low:.{digits}f}-{spread.high:.{digits}f})"


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.who,
        str(line.runs),
        _shown(line.seconds, 1),
        _shown(line.epochs_per_second, 2),
        _shown(line.peak_pss_mb, 0),
        _shown(line.accuracy, 4),
        _shown(line.ratio, 2),
    )


def text_table(found: Sequence[Line]) -> str:
    rows = [_COLUMNS, *map(_cells, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([padded[0], "-" * len(padded[0]), *padded[1:]])


def markdown_table(found: Sequence[Line]) -> str:
    rows = [_COLUMNS, ("---",) * len(_COLUMNS), *map(_cells, found)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _heading(name: str, runs: Sequence[Run]) -> str:
    trained = runs[0].trained
    epochs = sum(each.epochs for each in trained)
    return f"{name}: {len(trained)} configurations, {epochs} epochs in all; median (min-max) over repeats"


def report(runs: Sequence[Run], *, markdown: bool) -> str:
    """Everything that is known: a table for each list, who the contenders are, the machine, how busy it was."""
    parts = []
    for name in dict.fromkeys(run.list_name for run in runs):
        own = [run for run in runs if run.list_name == name]
        table = markdown_table(lines(own)) if markdown else text_table(lines(own))
        parts.append(f"{'### ' if markdown else ''}{_heading(name, own)}\n\n{table}")
    bullet, names = "* " if markdown else "  ", {run.who for run in runs}
    parts.append("\n".join(f"{bullet}{row.name}: {row.about}" for row in CONTENDERS.values() if row.name in names))
    info = dict.fromkeys(name for run in runs for name in run.info)
    known = {name: " / ".join(sorted({run.info.get(name, "?") for run in runs})) for name in info}
    load = Spread.of(run.load for run in runs)
    known["load before a run"] = _shown(load, 1)
    parts.append("\n".join(f"{bullet}{name}: {value}" for name, value in known.items()))
    return "\n\n".join(parts)

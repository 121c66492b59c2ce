"""Printing results to stdout, in the requested format."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from hpsearch.errors import EnvironmentProblem
from hpsearch.training.quiet import result_stream

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


class OutputFormat(str, Enum):
    """How results are printed: tables for the terminal, the other formats for programs."""

    table = "table"
    json = "json"
    yaml = "yaml"
    csv = "csv"


Data = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def put(text: str) -> None:
    """Print a result on stdout.

    Raises:
        EnvironmentProblem: it cannot be written to (a full disk, say).
    """
    try:
        print(text, end="" if text.endswith("\n") else "\n", file=result_stream(), flush=True)
    except BrokenPipeError:
        # The reader of the pipe (`| head`) has closed it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), result_stream().fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), result_stream().fileno())
        raise EnvironmentProblem(f"standard output cannot be written to: {error.strerror}") from None


def emit(data: Data, fmt: OutputFormat, *, title: str | None = None, below: str = "") -> None:
    """Print a result on stdout: a mapping, or a list of mappings with the same keys.

    Args:
        below: the last column of a table, whose texts go below the rows where the terminal has no room beside them.
    """
    plain = portable(data)
    if fmt is OutputFormat.json:
        put(json.dumps(plain, indent=2, ensure_ascii=False))
    elif fmt is OutputFormat.yaml:
        from hpsearch.config.yaml_text import dump

        put(dump(plain, flow=False, width=80))
    elif fmt is OutputFormat.csv:
        put(_csv(plain))
    else:
        put(_table(plain, title, below))


def portable(value: Any) -> Any:
    """Return plain data that every JSON reader takes: NaN and infinities become null."""
    if isinstance(value, Mapping):
        return {str(key): portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def shown(value: Any) -> str:
    """Return a value as a table shows it: five significant digits, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    return str(value)


def _flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return `{"params": {"optimizer": "adam"}}` as `{"params.optimizer": "adam"}`, since CSV has no nested values."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list) else value
    return flat


def _csv(data: Any) -> str:
    rows = [_flat(row) for row in (data if isinstance(data, list) else [data])]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


# A column of texts longer than the first number is wrapped, but to no less than the second number of characters.
_SHORT, _LEAST = 24, 24
_LEAST_BESIDE = 36
_GAP = 3


def _table(data: Any, title: str | None, below: str) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if isinstance(data, list) and not data:
        return f"{title or 'result'}: none yet"
    # A pipe has no width of its own; wide tables must not be cut there.
    known = result_stream().isatty() or "COLUMNS" in os.environ
    console = Console(width=None if known else 240, highlight=False)
    with console.capture() as captured:
        if title:
            # Printed by itself, since a table's title is wrapped to the table's width.
            console.print(title, style="bold", soft_wrap=True, markup=False)
        if isinstance(data, list):
            for line in _lines(data, console, below):
                console.print(line, soft_wrap=True)
        else:
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
            table.add_column(style="bold")
            table.add_column(overflow="fold")
            for key, value in _flat(data).items():
                table.add_row(key, Text(shown(value)))
            console.print(table)
    return captured.get()


def _lines(rows: list[Mapping[str, Any]], console: Console, below: str) -> Iterator[RenderableType]:
    """Lay rows out for the width of the console, so that no number is ever cut.

    Columns of long texts are wrapped. Where that is not enough, the column `below` goes below the rows, or the columns
    are split into several tables, each of which begins with the first column.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    needs = {name: max(len(name), *(len(shown(row.get(name))) for row in rows)) for name in columns}
    least = {name: need if need <= _SHORT else max(len(name), _LEAST) for name, need in needs.items()}
    room = console.width - 2
    if below in columns and sum(needs[name] + _GAP for name in columns) - _GAP > room:
        others = [name for name in columns if name != below]
        taken = sum(least[name] + _GAP for name in others)
        if taken - _GAP <= room < taken + min(needs[below], _LEAST_BESIDE):
            yield from _rows_with_texts_below(rows, others, needs, below, room)
            return
    block = columns[:1]
    for name in columns[1:]:
        if len(block) > 1 and sum(least[each] + _GAP for each in [*block, name]) - _GAP > room:
            yield _grid(rows, block, needs)
            block = columns[:1]
        block.append(name)
    yield _grid(rows, block, needs)


def _is_number(rows: list[Mapping[str, Any]], name: str) -> bool:
    return all(isinstance(row.get(name), int | float | None) for row in rows)


def _grid(rows: list[Mapping[str, Any]], columns: Sequence[str], needs: Mapping[str, int]) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        justify: Any = "right" if _is_number(rows, name) else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=needs[name] <= _SHORT)
    for row in rows:
        table.add_row(*(Text(shown(row.get(name))) for name in columns))
    return table


def _rows_with_texts_below(
    rows: list[Mapping[str, Any]], columns: Sequence[str], needs: Mapping[str, int], below: str, room: int
) -> Iterator[RenderableType]:
    from rich.text import Text

    def joined(cells: Iterable[str]) -> str:
        placed = [
            cell.rjust(needs[name]) if _is_number(rows, name) else cell.ljust(needs[name])
            for name, cell in zip(columns, cells, strict=True)
        ]
        return f" {(' ' * _GAP).join(placed)}"

    head = joined(columns)
    yield from (Text(), Text(head, style="bold"), Text(f" {'─' * (len(head) - 1)}"))
    indent = " " * (needs[columns[0]] + _GAP + 1)
    for row in rows:
        yield Text(joined(shown(row.get(name)) for name in columns))
        for line in textwrap.wrap(shown(row.get(below)), room - len(indent), break_on_hyphens=False):
            yield Text(indent + line, style="dim")
    yield Text()

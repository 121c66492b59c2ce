"""Printing: results to stdout in the format asked for, everything else to stderr."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import Any

from hpsearch.errors import EnvironmentProblem, masked


class Format(str, Enum):
    """How results are printed: tables for people, the rest for programs."""

    table = "table"
    json = "json"
    yaml = "yaml"
    csv = "csv"


Data = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def say(text: str) -> None:
    """A line for a person, on stderr, passwords masked; that nobody reads it any more is no reason to stop."""
    with suppress(BrokenPipeError):
        print(masked(text), file=sys.stderr, flush=True)


def put(text: str) -> None:
    """Print a result on stdout.

    Raises:
        EnvironmentProblem: it cannot be written to (a full disk, say).
    """
    try:
        print(text, end="" if text.endswith("\n") else "\n", flush=True)
    except BrokenPipeError:
        # The reader of a pipe (`| head`) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise EnvironmentProblem(f"standard output cannot be written to: {error.strerror}") from None


def emit(data: Data, fmt: Format, *, title: str | None = None) -> None:
    """Print a result on stdout: a mapping, or a list of mappings with the same keys."""
    plain = portable(data)
    if fmt is Format.json:
        put(json.dumps(plain, indent=2, ensure_ascii=False))
    elif fmt is Format.yaml:
        import yaml

        put(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    elif fmt is Format.csv:
        put(_csv(plain))
    else:
        put(_table(plain, title))


def portable(value: Any) -> Any:
    """Plain data that every JSON reader takes: NaN and infinities become null."""
    if isinstance(value, Mapping):
        return {str(key): portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def shown(value: Any) -> str:
    """A value as a table shows it: five significant digits, nothing for null."""
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
    """`{"params": {"optimizer": "adam"}}` as `{"params.optimizer": "adam"}`: CSV has no depth."""
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


def _table(data: Any, title: str | None) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if isinstance(data, list) and not data:
        return f"{title or 'result'}: none yet"
    # A pipe has no width of its own; wide tables must not be cut there.
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(width=None if known else 240, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    if isinstance(data, list):
        columns = list(dict.fromkeys(key for row in data for key in row))
        for column in columns:
            numeric = all(isinstance(row.get(column), int | float | None) for row in data)
            # Long texts are wrapped; names and numbers stay whole.
            short = all(len(shown(row.get(column))) <= 14 for row in data)
            table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=short)
        for row in data:
            table.add_row(*(Text(shown(row.get(column))) for column in columns))
    else:
        table.show_header = False
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for key, value in _flat(data).items():
            table.add_row(key, Text(shown(value)))
    with console.capture() as captured:
        if title:
            # Of its own, since a table's title is wrapped to the table's width.
            console.print(title, style="bold", soft_wrap=True, markup=False)
        console.print(table)
    return captured.get()

"""What has changed between two configurations, key by key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hpsearch.config.problems import dotted


def changes(was: Any, now: Any, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    """Each difference between two trees of plain data: `trial.batch_size: was 32, is now 64`."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in [*was, *(key for key in now if key not in was)]:
            if key not in was:
                yield f"{dotted((*path, key))}: was absent, is now {now[key]!r}"
            elif key not in now:
                yield f"{dotted((*path, key))}: was {was[key]!r}, is now absent"
            else:
                yield from changes(was[key], now[key], (*path, key))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, (before, after) in enumerate(zip(was, now, strict=True)):
            yield from changes(before, after, (*path, index))
    elif was != now:
        yield f"{dotted(path)}: was {was!r}, is now {now!r}"

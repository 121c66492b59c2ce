"""TensorFlow's own words go to a log file: its native code prints banners that no setting silences."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Read by `hpsearch.training.preload` in the process that workers are forked from.
WORKER_LOG = "HPSEARCH_WORKER_LOG"


def everything_to(log: Path) -> None:
    """Send all that this process prints to `log`; for workers, whose words would tear the terminal view."""
    sys.stdout.flush()
    sys.stderr.flush()
    target = _open(log)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)


def native_errors_to(log: Path) -> None:
    """Send what native code prints to `log`; Python's own stderr stays where it is."""
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    target = _open(log)
    os.dup2(target, 2)
    os.close(target)


def _open(log: Path) -> int:
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

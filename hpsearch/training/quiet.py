"""Redirect output: native code and workers print to a log, a user's code to stderr."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

# Read by `hpsearch.training.preload` in the process that workers are forked from.
WORKER_LOG = "HPSEARCH_WORKER_LOG"


def redirect_output(log: Path) -> None:
    """Send stdout and stderr of this process to `log`: the output of workers would disturb the terminal view."""
    sys.stdout.flush()
    sys.stderr.flush()
    target = _open(log)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)


def redirect_native_stderr(log: Path) -> None:
    """Send what native code prints to stderr to `log`; Python's own `sys.stderr` still writes to the terminal."""
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    target = _open(log)
    os.dup2(target, 2)
    os.close(target)


# Whether this process runs a command of hpsearch; else its stdout belongs to another program.
_is_command = False
_results: TextIO | None = None


def begin_command() -> None:
    """Note that this process runs a command of hpsearch, which writes its result to `result_stream()` alone."""
    global _is_command  # noqa: PLW0603
    _is_command = True


def keep_stdout_for_results() -> None:
    """In a command: send everything printed from now on to stderr, except what is written to `result_stream()`.

    Call it before a user's code is loaded, whose output must not become part of the result.
    """
    global _results  # noqa: PLW0603
    if not _is_command or _results is not None:
        return
    sys.stdout.flush()
    try:
        kept = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
        os.dup2(2, 1)
    except OSError:  # one of them was closed before the command began
        return
    _results = kept


def result_stream() -> TextIO:
    """Return the stream to which a command writes its result."""
    return _results or sys.stdout


def _open(log: Path) -> int:
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

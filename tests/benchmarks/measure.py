"""Wall time and memory of a command with everything it starts. Linux only: memory is PSS."""

from __future__ import annotations

import ctypes
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_SECONDS_BETWEEN_SAMPLES = 1.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Measured:
    """What a command took, from before its start to its end.

    Attributes:
        seconds: wall time; imports count, as a user pays them.
        peak_pss_mb: the largest sum over the process tree, seen once a second; shared pages count once.
        code: exit code.
    """

    seconds: float
    peak_pss_mb: float
    code: int


def adopt_orphans() -> None:
    """Keep processes whose parents have ended in this process's tree, so that none escapes the measurement."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def measure(command: Sequence[str], environment: Mapping[str, str], cwd: Path, log: Path) -> Measured:
    """Run a command to its end; what it prints goes to `log`, and what it leaves running is ended."""
    with log.open("wb") as output, _Memory() as memory:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            code = process.wait()
            seconds = time.perf_counter() - began
        finally:
            _end_what_is_left()
    return Measured(seconds, memory.peak / 1e6, code)


def _end_what_is_left() -> None:
    """Nothing of one contender may run while the next is measured."""
    left = psutil.Process().children(recursive=True)
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=10)


@dataclass
class _Memory:
    """Samples the PSS of all descendants of this process while its block runs, in bytes."""

    peak: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> _Memory:
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_SAMPLES):
            self.peak = max(self.peak, sum(map(_pss, psutil.Process().children(recursive=True))))


def _pss(process: psutil.Process) -> int:
    """0 for a process that has ended meanwhile."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, OSError):
        return 0

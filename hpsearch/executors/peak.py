"""The largest speed of matrix products on this machine, with as many processes as workers.

They all multiply at the same time, since cores of one machine may share units, caches and a power budget.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hpsearch.errors import EnvironmentProblem
from hpsearch.executors import child

# The best of several short rounds is taken, since other work on the machine varies.
ROUNDS = 4
ROUND_SECONDS = 0.25
# The longest time between two messages of a process, TensorFlow's import included.
ANSWER_SECONDS = 180.0


@dataclass(frozen=True)
class Peak:
    """The speed of float32 products [128, 784] x [784, 256].

    Attributes:
        gflops: 10^9 operations a second, of each worker.
        seconds: how long measuring took, from the moment when all processes were up until they had ended.
    """

    gflops: tuple[float, ...]
    seconds: float

    @property
    def total(self) -> float:
        return sum(self.gflops)

    @property
    def mean(self) -> float:
        """The mean speed of a worker while all are busy."""
        return self.total / len(self.gflops)


def measure_peak(workers: int, threads: int, log: Path) -> Peak:
    """Multiply in `workers` processes of `threads` threads each.

    They are forked as workers are: if a LocalExecutor was created before, TensorFlow is not imported again.

    Args:
        log: file that takes what the processes print.

    Raises:
        EnvironmentProblem: a process died.
    """
    context = multiprocessing.get_context("forkserver")
    started = []
    child.start_fork_server()
    try:
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_multiply, args=(theirs, threads, str(log)), daemon=True)
            child.start(process)
            theirs.close()
            started.append((process, ours))
        connections = [connection for _, connection in started]
        _answers(connections)  # each is up
        began = time.monotonic()
        _answers(connections)  # each has multiplied once
        rounds = [_round(connections) for _ in range(ROUNDS)]
    except (EOFError, OSError) as error:
        detail = str(error) or "it ended"
        raise EnvironmentProblem(f"matrices cannot be multiplied ({detail}); the output is in {log}") from None
    finally:
        for process, connection in started:
            connection.close()
            child.kill(process)
        for process, _ in started:
            child.wait_for_end(process)
    return Peak(max(rounds, key=sum), time.monotonic() - began)


def _answers(connections: Sequence[Connection]) -> tuple[Any, ...]:
    for connection in connections:
        if not connection.poll(ANSWER_SECONDS):
            raise TimeoutError(f"no answer within {ANSWER_SECONDS:g} s")
    return tuple(connection.recv() for connection in connections)


def _round(connections: Sequence[Connection]) -> tuple[float, ...]:
    for connection in connections:
        connection.send(ROUND_SECONDS)
    return _answers(connections)


def _multiply(connection: Connection, threads: int, log: str) -> None:
    """Run in each process: send "up" and "ready", then the measured speed for each number of seconds received."""
    child.set_up_process(connection, Path(log))
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        from hpsearch.training.measures import ProductSpeed

        connection.send("up")
        speed = ProductSpeed(threads)
        connection.send("ready")
        while True:
            connection.send(speed.gflops(connection.recv()))
    os._exit(1)

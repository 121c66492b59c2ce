"""Processes that are forked from the fork server: how they start and end. None outlives its coordinator.

The fork server is multiprocessing's. It blocks SIGINT, SIGTERM and SIGHUP, and processes that it forks inherit that.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

from hpsearch.training.quiet import redirect_output

# How long to wait for a process that was killed.
END_SECONDS = 10.0
# How often a process checks whether its coordinator is gone.
_CHECK_SECONDS = 0.5
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SAFE_PATH = "PYTHONSAFEPATH"
# Only one thread at a time may hide the main module.
_hiding = threading.Lock()
# This value shows that this module has set the variable, and not the user.
_SET_HERE = "set-by-hpsearch"


def start_fork_server() -> None:
    """Start the fork server if it does not run; signals for the whole process group do not reach it.

    A terminal or a service manager signals every process of the group. Only the coordinator ends the processes that
    it started, by SIGKILL.
    """
    with _safe_path():
        # Before the signals are blocked, since it unblocks them when it has started its process.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _safe_path() -> Iterator[None]:
    """Keep the current folder out of `sys.path` of Python processes that are started in this context.

    multiprocessing starts its own with `python -c`, which would import a `queue.py` of the current folder.
    """
    if os.environ.get(_SAFE_PATH):
        yield
        return
    os.environ[_SAFE_PATH] = _SET_HERE
    try:
        yield
    finally:
        del os.environ[_SAFE_PATH]


def start(process: BaseProcess) -> None:
    """Start a process that is forked from the fork server.

    multiprocessing would first run the main script again in the new process, for functions defined there. No such
    function is needed, and a script without a `__main__` guard would begin a study in every worker. So the script is
    hidden while the process starts.
    """
    with _hiding:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            process.start()
        finally:
            sys.modules["__main__"] = main


def set_up_process(connection: Connection, log: Path) -> None:
    """Set up a process that was forked just now. It must be the first call in it.

    The process gets a process group of its own, so that it can be killed together with the processes that a user's
    code starts in it. It kills that group as soon as the connection to the coordinator is closed.

    Args:
        connection: to the coordinator, which holds its only other end.
        log: file that takes what the process prints.
    """
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_coordinator, args=(connection.fileno(), os.getppid()), daemon=True).start()
    # multiprocessing does not let a daemonic process start processes, so this one is not daemonic in its own view. In
    # the coordinator's view it is: Python waits at its exit for processes that are not.
    multiprocessing.current_process().daemon = False
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    if os.environ.get(_SAFE_PATH) == _SET_HERE:
        del os.environ[_SAFE_PATH]
    # The user's code must not see the arguments of the coordinator's command.
    del sys.argv[1:]
    redirect_output(log)


def ignore_stop_signals() -> None:
    """Ignore SIGINT, SIGTERM and SIGHUP in this process, but not in the processes that it starts.

    Those must react to SIGTERM, by which multiprocessing's pools end their processes.
    """
    for number in _STOP_SIGNALS:
        # A handler and not SIG_IGN, which programs that the user's code starts would inherit.
        signal.signal(number, lambda _number, _frame: None)
    os.register_at_fork(after_in_child=_default_signals)


def _default_signals() -> None:
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _end_with_coordinator(connection: int, parent: int) -> None:
    """Kill this process group when the coordinator has closed the connection, or the fork server is gone."""
    closed = select.poll()
    # Without any flag, only the end of the connection is an event; what arrives stays there to be read.
    closed.register(connection, 0)
    while os.getppid() == parent and not closed.poll(_CHECK_SECONDS * 1000):
        pass
    end_now()


def end_now() -> None:
    """Kill this process and its group."""
    os.killpg(0, signal.SIGKILL)


def kill(process: BaseProcess) -> None:
    """Kill a process that `set_up_process` has set up, and all processes of its group."""
    if process.pid is None:
        return
    with suppress(ProcessLookupError, PermissionError):  # it has not made its group yet, or has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def wait_for_end(process: BaseProcess, seconds: float = END_SECONDS) -> None:
    """Wait for a process that was killed, but no longer than `seconds`.

    A process that still exists then, because it waits for a disk for instance, ends later by itself.
    """
    process.join(max(0.0, seconds))

"""The user's request to stop: Ctrl-C, SIGTERM, a closed terminal, or `hpsearch stop` in another one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from hpsearch.config.file import NAME
from hpsearch.errors import EXIT_INTERRUPTED, HpsearchError, StudyBusyError, UnknownNameError
from hpsearch.search.home import Home

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

STOPPING = "stopping: running trials are recorded as interrupted; once more stops at once"
_SHOW_CURSOR = b"\x1b[?25h"


class Stop:
    """Whether the user has asked to stop; checked between the steps of a run.

    Attributes:
        shown_by_view: whether a live view is on the terminal and prints `STOPPING` itself: a line that a signal handler
            writes into the view would leave a second copy of it.
    """

    def __init__(self) -> None:
        self.asked = False
        self.shown_by_view = False

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Stop cleanly after the first signal, and end the process at once after the second.

        The first raises no exception, which an import or a callback might swallow. After the second, the workers
        notice that their coordinator is gone and end, and the next run continues the trials.
        """

        # os.write, since a handler may run in the middle of a print.
        def stop(_number: int, _frame: FrameType | None) -> None:
            if self.asked:
                # A live view hides the cursor.
                os.write(2, (b"\n" + _SHOW_CURSOR if self.shown_by_view else b"") + b"stopped at once\n")
                os._exit(EXIT_INTERRUPTED)
            self.asked = True
            if not self.shown_by_view:
                os.write(2, f"{STOPPING}\n".encode())

        with _handled(stop):
            yield


def stop_study(home: Home, name: str, seconds: float) -> bool:
    """Ask the process that runs a study to stop, as Ctrl-C does; return whether it has ended within `seconds`.

    Raises:
        UnknownNameError: no such study; the message lists the known ones.
        HpsearchError: no process runs it.
        StudyBusyError: a process on another machine runs it, or the process cannot be signalled.
    """
    if not NAME.fullmatch(name) or not home.study_folder(name).is_dir():
        folders = home.study_folder(".").glob("*") if home.study_folder(".").is_dir() else []
        raise UnknownNameError("study", name, [folder.name for folder in folders])
    holder = home.holder(name)
    if holder is None:
        raise HpsearchError(f"study '{name}' is not being run")
    if not holder.here:
        raise StudyBusyError(f"study '{name}' is being run by {holder}; stop it there")
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except OSError as error:
        raise StudyBusyError(f"study '{name}' is being run by {holder}: {error.strerror}") from None
    deadline = time.monotonic() + seconds
    while home.holder(name) == holder:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@contextmanager
def ends_at_once() -> Iterator[None]:
    """Raise KeyboardInterrupt on the first signal, exit on the second; for commands that record nothing.

    Raises:
        KeyboardInterrupt: anywhere in the main thread.
    """
    asked = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(EXIT_INTERRUPTED)
        asked = True
        raise KeyboardInterrupt

    with _handled(stop):
        yield


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Install `handler` for the stop signals, and restore the previous handlers at the end; only in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            handler(number, frame)
            return
        # This process was forked from the owner by the user's code, for instance for a pool of multiprocessing, which
        # ends its processes by SIGTERM. So the default action is taken.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)

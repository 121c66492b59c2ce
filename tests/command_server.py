"""Runs `hpsearch` commands for the tests, each in a process that is forked from one that has imported everything.

An interpreter, Optuna, MLflow and TensorFlow take ten seconds to start; a forked process takes none. Each command still
has a process, an environment, a current folder and streams of its own, and its workers are forked from a process
that has no more of TensorFlow than its import. Started by `support.hpsearch`:

    python tests/command_server.py SOCKET OWNER

It ends when the process OWNER has, and removes the socket's folder.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import re
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterable
from multiprocessing import util
from typing import Any, NoReturn

import psutil

# The commands that start workers.
TRAIN = {"run", "train", "export", "reproduce", "bench"}


def import_everything() -> None:
    """What the commands and their workers import. Nothing is executed: TensorFlow's threads do not survive a fork."""
    import mlflow
    import optuna
    import pandas
    import plotly.graph_objects
    import rich.live
    import sklearn.metrics

    import hpsearch.api
    import hpsearch.cli.main
    import hpsearch.export.formats
    import hpsearch.search.coordinator
    import hpsearch.search.finalists
    import hpsearch.tracking.listener

    del mlflow, optuna, pandas, plotly, rich, sklearn
    with native_output_hidden():
        import hpsearch.training.trainer
    del hpsearch


@contextlib.contextmanager
def native_output_hidden():
    """Drop what native code prints, for instance TensorFlow that there is no GPU."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def serve(path: str, owner: int) -> NoReturn:
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    import_everything()
    gc.freeze()
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{path}.new")
    server.listen()
    os.rename(f"{path}.new", path)  # noqa: PTH104
    # The end of a command wakes the loop.
    woken, wakes = socket.socketpair()
    for end in (woken, wakes):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    running: dict[int, Any] = {}
    while psutil.pid_exists(owner):
        ready, _, _ = select.select([server, woken], [], [], 1)
        if woken in ready:
            woken.recv(4096)
            report_ends(running)
        if server in ready:
            begin(server, running)
    shutil.rmtree(os.path.dirname(path))  # noqa: PTH120
    os._exit(0)


def begin(server: socket.socket, running: dict[int, Any]) -> None:
    """Take a request and fork the process that runs its command."""
    connection, _ = server.accept()
    text, streams, _, _ = socket.recv_fds(connection, 1 << 20, 2)
    while not text.endswith(b"\n"):
        text += connection.recv(1 << 20)
    request = json.loads(text)
    process = os.fork()
    if process == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        run(request, streams)
    for stream in streams:
        os.close(stream)
    connection.sendall(f"{process}\n".encode())
    running[process] = connection


def report_ends(running: dict[int, Any]) -> None:
    """Send the exit codes of the commands that have ended."""
    for process in list(running):
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            with running.pop(process) as connection, contextlib.suppress(OSError):
                connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def run(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Become the command, in a session of its own, with its standard output and error."""
    os.setsid()
    for number, stream in enumerate((os.open(os.devnull, os.O_RDONLY), *streams)):
        os.dup2(stream, number)
    # The server's other connections, and what was received for this one.
    close_all_but(range(3))
    os.environ.clear()
    os.environ.update(request["environment"])
    # It was read from another environment.
    tempfile.tempdir = None
    os.chdir(request["folder"])
    if request["arguments"][:1] and request["arguments"][0] in TRAIN:
        keep_a_fork_server()
    sys.argv[:] = ["hpsearch", *request["arguments"]]
    from hpsearch.cli.main import main

    try:
        main()
        code: Any = 0
    except SystemExit as end:
        code = end.code
    # As the interpreter ends, but without taking every module apart: that would copy each page of memory that the
    # processes share.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def close_all_but(kept: Iterable[int]) -> None:
    for descriptor in set(map(int, os.listdir("/proc/self/fd"))) - set(kept):  # noqa: PTH208
        with contextlib.suppress(OSError):
            os.close(descriptor)


def keep_a_fork_server() -> None:
    """Fork a process that becomes multiprocessing's fork server, the first time that the command starts one.

    It would import TensorFlow anew, which is five seconds for each command that trains.
    """
    ours, theirs = socket.socketpair()
    # As the real one, it is not ended by a signal for the whole process group.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    process = os.fork()
    if process == 0:
        ours.close()
        become_fork_server(theirs)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    start_new = util.spawnv_passfds
    waiting = [process]

    def spawnv_passfds(path: bytes, args: list[str], fds: list[int]) -> int:
        if not waiting or "multiprocessing.forkserver" not in args[-1]:
            return start_new(path, args, fds)
        blocked = sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        message = {"code": args[-1], "environment": dict(os.environ), "folder": os.getcwd(), "blocked": blocked}  # noqa: PTH109
        socket.send_fds(ours, [json.dumps(message).encode()], [*fds, 1, 2])
        ours.close()
        return waiting.pop()

    util.spawnv_passfds = spawnv_passfds


def become_fork_server(connection: socket.socket) -> NoReturn:
    """Wait until the command starts a fork server, and be that; end with the command where it starts none."""
    data, fds, _, _ = socket.recv_fds(connection, 1 << 20, 4)
    if not data:
        os._exit(0)
    message = json.loads(data)
    listener, alive, out, err = fds
    os.dup2(out, 1)
    os.dup2(err, 2)
    close_all_but((0, 1, 2, listener, alive))
    os.environ.clear()
    os.environ.update(message["environment"])
    tempfile.tempdir = None
    os.chdir(message["folder"])
    signal.pthread_sigmask(signal.SIG_SETMASK, message["blocked"])
    sys.argv[:] = ["-c"]
    exec(re.sub(r"main\(\d+, \d+", f"main({listener}, {alive}", message["code"]), {})
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))

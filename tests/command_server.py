"""Runs `hpsearch` commands for the tests, each in a process that is forked from one that has imported everything.

An interpreter, Optuna and MLflow take seconds to start; a forked process takes none. Each command still has a process,
an environment, a current folder and streams of its own. Started by `support.hpsearch`:

    python tests/command_server.py SOCKET
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import sys
from typing import Any, NoReturn


def import_everything() -> None:
    """What the commands import, but TensorFlow: its threads would not survive the fork."""
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

    del mlflow, optuna, pandas, plotly, rich, sklearn, hpsearch


def serve(path: str) -> NoReturn:
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    import_everything()
    gc.freeze()
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{path}.new")
    server.listen()
    os.rename(f"{path}.new", path)  # noqa: PTH104
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    parent = os.getppid()
    server.settimeout(1)
    while os.getppid() == parent:
        with contextlib.suppress(TimeoutError):
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                answer(connection)
            connection.close()
    os._exit(0)


def answer(connection: socket.socket) -> NoReturn:
    """Run one command to its end, and send its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rw") as stream:
        request = json.loads(stream.readline())
        process = os.fork()
        if process == 0:
            run(request)
        stream.write(f"{process}\n")
        stream.flush()
        _, status = os.waitpid(process, 0)
        stream.write(f"{os.waitstatus_to_exitcode(status)}\n")
    os._exit(0)


def run(request: dict[str, Any]) -> None:
    """Become the command; it ends as any Python process does."""
    for stream, file in enumerate((os.devnull, request["stdout"], request["stderr"])):
        descriptor = os.open(file, os.O_RDONLY if stream == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv[:] = ["hpsearch", *request["arguments"]]
    from hpsearch.cli.main import main

    main()


if __name__ == "__main__":
    serve(sys.argv[1])

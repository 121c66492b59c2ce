"""Runs `hpsearch` commands for the tests: in new interpreters, or in processes forked from the command server.

The server (`command_server.py`) is shared by all processes of a test session, and starts with the first command.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, TypeAlias

# The longest time that a command may take.
SECONDS = 240
Completed: TypeAlias = "subprocess.CompletedProcess[str]"


def hpsearch_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hpsearch", *map(str, arguments)]


def environment(home: Path, **more: str) -> Mapping[str, str]:
    # Whoever tests may have an MLflow server of their own.
    # Tests that run beside each other are told the width of a terminal that nobody looks at.
    ours = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return ours | {"HPSEARCH_HOME": str(home), "MLFLOW_TRACKING_URI": ""} | more


def hpsearch(*arguments: str, home: Path, cwd: Path | None = None, **more: str) -> Completed:
    """Run the real command to its end."""
    command = start_hpsearch(*arguments, home=home, cwd=cwd, **more)
    try:
        out, err = command.communicate(SECONDS)
    except subprocess.TimeoutExpired:
        command.kill()
        raise
    return subprocess.CompletedProcess(list(arguments), command.returncode, out, err)


def hpsearch_process(*arguments: str, home: Path, cwd: Path | None = None, **more: str) -> Completed:
    """Run the real command in a new interpreter to its end."""
    return subprocess.run(
        hpsearch_command(*arguments),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment(home, **more),
        cwd=cwd,
        check=False,
        timeout=SECONDS,
    )


def start_hpsearch(
    *arguments: str, home: Path, cwd: Path | None = None, interpreter: bool = False, **more: str
) -> subprocess.Popen[str] | Command:
    """Start the real command in a session of its own, as a terminal would.

    Args:
        interpreter: whether to start a new interpreter. Otherwise the command is forked from the command server, unless
            `more` has variables that are read by imports.
    """
    if interpreter or any(name.startswith(("PYTHON", "TF_", "XLA_", "KERAS_")) for name in more):
        return subprocess.Popen(
            hpsearch_command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment(home, **more),
            cwd=cwd,
            start_new_session=True,
        )
    return Command(list(map(str, arguments)), dict(environment(home, **more)), cwd or Path.cwd())


class Command:
    """A command that the command server runs; as a `subprocess.Popen` with pipes for its text."""

    def __init__(self, arguments: list[str], environment: dict[str, str], folder: Path) -> None:
        self.args, self.returncode = arguments, None
        request = {"arguments": arguments, "environment": environment, "folder": str(folder)}
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(_command_server())
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        socket.send_fds(self._connection, [json.dumps(request).encode() + b"\n"], [out_end, err_end])
        os.close(out_end)
        os.close(err_end)
        self.stdout: IO[str] = os.fdopen(out, encoding="utf-8", errors="replace")
        self.stderr: IO[str] = os.fdopen(err, encoding="utf-8", errors="replace")
        self._answers = self._connection.makefile("r")
        self.pid = int(self._answers.readline())

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = int(self._answers.readline())
            # A stream that has timed out once cannot be read any more.
            except TimeoutError:
                self._answers = self._connection.makefile("r")
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
        return self.returncode

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0.001)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        texts = {"stdout": "", "stderr": ""}

        def read(name: str) -> None:
            stream: IO[str] = getattr(self, name)
            if not stream.closed:
                texts[name] = stream.read()
                stream.close()

        threads = [threading.Thread(target=read, args=(name,), daemon=True) for name in texts]
        deadline = time.monotonic() + (timeout or SECONDS)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or SECONDS)
        self.wait(max(1.0, deadline - time.monotonic()))
        return texts["stdout"], texts["stderr"]


@cache
def _command_server() -> str:
    """Start the server of this test session unless another of its processes has; return the address of its socket.

    It ends with the session: with this process, or with the one that started it as a worker of pytest-xdist.
    """
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    owner = os.getppid() if session else os.getpid()
    folder = Path(tempfile.gettempdir()) / f"hpsearch-tests-{os.getuid()}-{session or time.time_ns()}"
    path = folder / "socket"
    server = None
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        server = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "command_server.py"), str(path), str(owner)],
            env=environment | {"MLFLOW_DISABLE_TELEMETRY": "true"},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    deadline = time.monotonic() + 120
    while not path.exists():
        assert server is None or server.poll() is None, "the command server has ended"
        assert time.monotonic() < deadline, "the command server does not start"
        time.sleep(0.05)
    return str(path)

"""MLflow's own web interface on the runs of a home folder: its server as a process that ends with this one."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from ipaddress import ip_address
from secrets import token_hex
from types import FrameType, TracebackType
from typing import NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from hpsearch.errors import EnvironmentProblem
from hpsearch.search.home import Home
from hpsearch.tracking.client import artifact_location, database_uri
from hpsearch.tracking.view_state import VIEW_KEY, view_url

HOST = "127.0.0.1"
# MLflow's variables for the name and the password of the user who may log in.
_USER, _PASSWORD = "MLFLOW_AUTH_ADMIN_USERNAME", "MLFLOW_AUTH_ADMIN_PASSWORD"
DEFAULT_PORT = 5000
# The number of ports that are tried: the default one, and those that follow it.
_PORTS_TRIED = 100
# A cold start compiles MLflow's bytecode on a slow disk.
START_SECONDS = 180.0
_STOP_SECONDS = 6.0
# PR_SET_PDEATHSIG of <linux/prctl.h>: sets the signal that a process gets when its parent dies.
_PR_SET_PDEATHSIG = 1
# Ignores proxies of the environment: a proxy cannot reach this machine's own address.
_OPENER = build_opener(ProxyHandler({}))


class NoRunsError(EnvironmentProblem):
    """MLflow has no runs of a study."""


def serve(
    home: Home,
    study: str | None,
    port: int | None,
    open_browser: bool,
    ready: Callable[[str], None],
    host: str = HOST,
    view: str = VIEW_KEY,
) -> None:
    """Serve the home folder's runs until Ctrl-C or SIGTERM.

    Args:
        home: the home folder whose runs are shown.
        study: the study whose view the address shows; None: the list of all studies.
        port: the port; None: 5000, or the next free one.
        open_browser: whether to open the address in a browser.
        ready: called with the address once the server answers.
        host: the address to bind to.
        view: the key of the study's view.

    Raises:
        EnvironmentProblem: there are no runs yet, the port is taken, a password is required and not set, or the server
            does not start.
        NoRunsError: MLflow has no runs of the study.
    """
    if not home.mlflow_db.is_file():
        raise EnvironmentProblem(
            f"{home.root}: no runs here yet; run a study with `hpsearch run`, or name another folder with --home"
        )
    guarded = needs_password(host)
    with _interruptible(), UiServer(home, choose_port(port, host), host, guarded=guarded) as server:
        server.wait_until_it_answers()
        url = f"{server.url}/#/experiments"
        # With a password, the page opens at the list of studies, after the login.
        if study is not None and not guarded:
            url = view_url(server.url, experiment_of(server.url, study), view)
        ready(url)
        if open_browser:
            webbrowser.open(url)
        server.wait()


def needs_password(host: str) -> bool:
    """Return whether other machines could reach a server at this address, so that it must ask for a password.

    Raises:
        EnvironmentProblem: it must, but no password is set, or the package that MLflow needs for it is missing.
    """
    with suppress(ValueError):
        if host == "localhost" or ip_address(host).is_loopback:
            return False
    if not os.environ.get(_PASSWORD):
        raise EnvironmentProblem(
            f"--host {host}: others could reach this server, so it must ask for a password: set {_PASSWORD} "
            f"(and {_USER}, if not admin), or leave --host out"
        )
    if find_spec("flask_wtf") is None:
        raise EnvironmentProblem(
            f"--host {host}: MLflow needs another package to ask for a password: pip install Flask-WTF"
        )
    return True


def experiment_of(server: str, study: str) -> str:
    """Return the id of a study's experiment, from the server, so that MLflow need not be imported here.

    Raises:
        NoRunsError: MLflow has no experiment of this name.
    """
    query = urlencode({"experiment_name": study})
    try:
        with _OPENER.open(f"{server}/api/2.0/mlflow/experiments/get-by-name?{query}", timeout=30) as answer:
            return str(json.load(answer)["experiment"]["experiment_id"])
    except HTTPError as error:
        raise NoRunsError(
            f"MLflow has no runs of study '{study}' (answer {error.code}); they are written when it is run or continued"
        ) from None


def choose_port(port: int | None, host: str = HOST) -> int:
    """Return the port to serve on.

    Raises:
        EnvironmentProblem: the requested port is taken, or all ports that are tried are taken.
    """
    if port is not None:
        if not _free(port, host):
            raise EnvironmentProblem(f"port {port} is taken; leave --port out to take the next free one")
        return port
    for candidate in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED):
        if _free(candidate, host):
            return candidate
    raise EnvironmentProblem(
        f"ports {DEFAULT_PORT} to {DEFAULT_PORT + _PORTS_TRIED - 1} are all taken; name another with --port"
    )


def _free(port: int, host: str) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        # A server that ended a moment ago does not hold its port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


class UiServer:
    """`mlflow server` with one worker, in a process group of its own; a context manager.

    Args:
        home: the home folder whose database and artifacts are shown.
        port: a free port.
        host: the address to bind to.
        guarded: whether the server asks for the password that the environment names.
    """

    def __init__(self, home: Home, port: int, host: str = HOST, *, guarded: bool = False) -> None:
        self._home, self._port, self._host, self._guarded = home, port, host, guarded
        self._process: subprocess.Popen[bytes] | None = None
        # A server that listens on every address is reached at this machine's own.
        named = HOST if host in ("0.0.0.0", "::") else host
        self.url = f"http://[{named}]:{port}" if ":" in named else f"http://{named}:{port}"
        self.log = home.logs / "mlflow-ui.log"

    def __enter__(self) -> UiServer:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        artifacts = artifact_location(self._home.artifacts)
        command = [sys.executable, "-m", "mlflow", "server", "--host", self._host, "--port", str(self._port)]
        command += ["--workers", "1", "--uvicorn-opts", "--timeout-graceful-shutdown 2"]
        command += ["--backend-store-uri", database_uri(self._home.mlflow_db)]
        # MLflow's default is a folder below the current one.
        command += ["--default-artifact-root", artifacts, "--artifacts-destination", artifacts]
        environment = {
            **os.environ,
            # By default MLflow starts ten more processes, of 2.4 GB in all, and sends telemetry.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        if self._guarded:
            command += ["--app-name", "basic-auth"]
            environment |= self._set_up_login()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=environment,
                # Modules are imported from the folder that it starts in; the user's may hold a `queue.py`.
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches us alone, and we end the whole group.
                start_new_session=True,
                preexec_fn=_end_with_parent(),  # noqa: PLW1509
            )
        return self

    def _set_up_login(self) -> dict[str, str]:
        """Write the settings of MLflow's login, which shows no run without a password; return its variables."""
        users, settings = self._home.root / "users.db", self._home.root / "users.ini"
        lines = ["[mlflow]", "default_permission = READ", "admin_username = admin"]
        # MLflow's configparser takes % for the beginning of a reference.
        lines += [f"database_uri = {database_uri(users).replace('%', '%%')}", ""]
        settings.write_text("\n".join(lines), encoding="utf-8")
        return {"MLFLOW_AUTH_CONFIG_PATH": str(settings.resolve()), "MLFLOW_FLASK_SERVER_SECRET_KEY": token_hex()}

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_until_it_answers(self) -> None:
        """Return once the server takes requests.

        Raises:
            EnvironmentProblem: it ended, or took too long.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._check_that_it_runs()
            try:
                with _OPENER.open(f"{self.url}/health", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (URLError, OSError):
                time.sleep(0.1)
        raise EnvironmentProblem(f"MLflow's server does not answer on {self.url}; see {self.log}")

    def wait(self) -> None:
        """Wait until the server ends or an exception, such as KeyboardInterrupt, is raised.

        Raises:
            EnvironmentProblem: the server ended by itself.
        """
        while True:
            self._check_that_it_runs()
            time.sleep(0.5)

    def stop(self) -> None:
        """End the server and all processes that it started, even if the server itself has ended already."""
        if self._process is None:
            return
        # MLflow's process passes the signal on and ends when its server has.
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self._signal(signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _check_that_it_runs(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            raise EnvironmentProblem(f"MLflow's server ended ({self._last_words()}); see {self.log}")

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "without a word")[:200]


@contextmanager
def _interruptible() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C; both end the block without an error."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, interrupt) if main else None
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def _end_with_parent() -> Callable[[], None] | None:
    """Return the function that the server's process calls first: it asks Linux for a SIGTERM when this process dies."""
    if not sys.platform.startswith("linux"):
        return None
    # Loaded here: a process that was just forked must not load libraries.
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))

    return ask

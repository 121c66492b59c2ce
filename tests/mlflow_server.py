"""A real MLflow server, for tests that log to one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from support import wait_for


class MlflowServer:
    """`mlflow server` on a database in a folder.

    Args:
        password: of the user `admin`, the only one; empty: nobody is asked for one.
    """

    def __init__(self, folder: Path, password: str = "") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url, self._folder, self._password = f"http://127.0.0.1:{self.port}", folder, password
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self._folder / 'server.db'}"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        more = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        if self._password:
            command += ["--app-name", "basic-auth"]
            more |= self._guard()
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=os.environ | more, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        wait_for(self.answers, 120, "an answer of MLflow's server")

    def _guard(self) -> dict[str, str]:
        settings, users = self._folder / "users.ini", self._folder / "users.db"
        lines = ["[mlflow]", "default_permission = NO_PERMISSIONS", f"database_uri = sqlite:///{users}"]
        lines += ["admin_username = admin", f"admin_password = {self._password}"]
        settings.write_text("\n".join([*lines, ""]), encoding="utf-8")
        return {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "of this test"}

    def answers(self) -> bool:
        try:
            with build_opener(ProxyHandler({})).open(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

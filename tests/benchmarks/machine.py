"""What a figure depends on besides the code: the machine, and what is installed on it."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("tensorflow", "keras", "optuna", "mlflow", "keras-tuner", "ray", "numpy")
_ROOT = Path(__file__).parents[2]


def info() -> dict[str, str]:
    """Machine and versions, by the names that the report shows."""
    found = {"cpu": _cpu(), "cores": str(len(os.sched_getaffinity(0))), "python": platform.python_version()}
    found["hpsearch"] = f"{_version('hpsearch')} ({_commit()})"
    return found | {name: _version(name) for name in _PACKAGES}


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """`1ec716e`, with `-dirty` where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"

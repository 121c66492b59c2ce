"""One finished study, run once by the real command, that many tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import QUICKSTART, SMALL, hpsearch, result_of

TRIALS = 6


@dataclass(frozen=True)
class Finished:
    """A home folder with the finished study `quickstart`, and what `run -f json` printed."""

    home: Path
    summary: dict[str, Any]
    stderr: str


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Finished:
    home = tmp_path_factory.mktemp("home") / "runs"
    done = hpsearch("run", str(QUICKSTART), *SMALL, "--trials", str(TRIALS), "-f", "json", home=home)
    return Finished(home, result_of(done), done.stderr)

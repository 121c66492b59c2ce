"""What the tests of several packages share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import ROOT, THOROUGH, require

from hpsearch.data.store import obtain
from hpsearch.errors import DataError

# What tools may leave in the repository's root; git ignores all of it.
TOOLS = {".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", "__pycache__", "build", "dist"}
BEFORE, LEFT = pytest.StashKey[set[Path]](), pytest.StashKey[list[Path]]()


def entries() -> set[Path]:
    """The files and folders of the repository's root and of its default home folder, ignored by git or not."""
    found = [path for folder in (ROOT, ROOT / "mlruns") if folder.is_dir() for path in folder.iterdir()]
    return {path for path in found if path.name not in TOOLS and not path.name.endswith(".egg-info")}


def pytest_sessionstart(session: pytest.Session) -> None:
    # A worker of pytest-xdist sees what the other workers do as well; the process that started them looks.
    if not hasattr(session.config, "workerinput"):
        session.config.stash[BEFORE] = entries()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session where a test left something in the repository, for instance MLflow's default database."""
    if before := session.config.stash.get(BEFORE, None):
        session.config.stash[LEFT] = left = sorted(entries() - before)
        if left and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for path in config.stash.get(LEFT, []):
        terminalreporter.write_line(f"FAILED: a test left {path} in the repository", red=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Commands and servers first, so that in the end no worker waits for a long file; those marked e2e on demand."""
    items.sort(key=lambda item: item.path.parent.name not in ("cli", "tracking"))
    left = [] if THOROUGH else [item for item in items if _is_left_out(item)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]


def _is_left_out(item: pytest.Item) -> bool:
    """Whether a mark of it or of its module leaves it out, and does not name its parameters."""
    called = item.callspec.id if hasattr(item, "callspec") else ""
    parameters = {called, *called.split("-")}
    return any(not parameters & set(mark.kwargs.get("but", ())) for mark in item.iter_markers("e2e"))


def pytest_report_header() -> str:
    return "every test" if THOROUGH else "without the tests marked e2e; HPSEARCH_REQUIRE_ALL=1 runs them too"


@pytest.fixture(scope="session")
def real_folder() -> Path:
    """The real Fashion-MNIST in the user's own cache; fetched into it if it is not there."""
    try:
        return obtain("fashion_mnist")
    except DataError as why:
        require(False, f"the real Fashion-MNIST cannot be had here: {why}")
        raise

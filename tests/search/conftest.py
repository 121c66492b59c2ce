"""What the tests of studies over a user's own function share; other modules have fixtures of their own."""

from __future__ import annotations

import pytest

from hpsearch.executors.local import LocalExecutor


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the functions are: a worker looks for modules in the folders that it was started with."""
    return tmp_path_factory.mktemp("functions")


@pytest.fixture(scope="module")
def executor(folder):
    executor = LocalExecutor(1, folder / "workers.log", print, [folder], keras=False)
    yield executor
    executor.close()

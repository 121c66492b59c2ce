"""What the tests of training share."""

from __future__ import annotations

import pytest

from hpsearch.data.store import obtain


@pytest.fixture(scope="session", autouse=True)
def _sample():
    obtain("fashion_mnist_sample")


@pytest.fixture(scope="module")
def executables():
    """What is compiled in one test and used by the next, where rates and batch sizes alone differ."""
    from hpsearch.training.executable import Executables

    return Executables()

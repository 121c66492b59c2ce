"""What the tests of several packages share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import require

from hpsearch.data.store import obtain
from hpsearch.errors import DataError


@pytest.fixture(scope="session")
def real_folder() -> Path:
    """The real Fashion-MNIST in the user's own cache; fetched into it if it is not there."""
    try:
        return obtain("fashion_mnist")
    except DataError as why:
        require(False, f"the real Fashion-MNIST cannot be had here: {why}")
        raise

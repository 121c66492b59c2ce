"""What the tests of several packages share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import THOROUGH, require

from hpsearch.data.store import obtain
from hpsearch.errors import DataError


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Commands and servers first, so that in the end no worker waits for a long file; the thorough ones on demand."""
    items.sort(key=lambda item: item.path.parent.name not in ("cli", "tracking"))
    left = [] if THOROUGH else [item for item in items if _is_left_out(item)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]


def _is_left_out(item: pytest.Item) -> bool:
    """Whether it is marked so, and is none of the parameters that the mark names."""
    mark = item.get_closest_marker("thorough")
    if mark is None:
        return False
    called = item.callspec.id if hasattr(item, "callspec") else ""
    return not {called, *called.split("-")} & set(mark.kwargs.get("but", ()))


def pytest_report_header() -> str:
    return (
        "everything is run" if THOROUGH else "without the tests marked thorough; HPSEARCH_REQUIRE_ALL=1 runs everything"
    )


@pytest.fixture(scope="session")
def real_folder() -> Path:
    """The real Fashion-MNIST in the user's own cache; fetched into it if it is not there."""
    try:
        return obtain("fashion_mnist")
    except DataError as why:
        require(False, f"the real Fashion-MNIST cannot be had here: {why}")
        raise

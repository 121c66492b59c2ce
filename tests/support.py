"""What tests of every package share."""

from __future__ import annotations

import os

import pytest


def require(condition: bool, reason: str) -> None:
    """Skip the test unless `condition`; where HPSEARCH_REQUIRE_ALL=1, fail instead."""
    if condition:
        return
    if os.environ.get("HPSEARCH_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)

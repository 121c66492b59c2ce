"""Names that hpsearch uses itself, and the names under which a user's metrics of the same name are kept.

A user's own training may call its metrics anything. A metric that has one of hpsearch's names is kept under
`user_` and its name, so that neither replaces the other: `epoch` becomes `user_epoch`. A metric that is called
`user_epoch` becomes `user_user_epoch`, so that two metrics never share a name.
"""

from __future__ import annotations

from collections.abc import Callable

PREFIX = "user_"
# What names of metrics of the machine begin with, in a study and in MLflow.
SYSTEM = "system/"
# Names beside the metrics of an epoch: in a study's records, in tables and in files.
RECORDED = frozenset({"epoch", "epoch_seconds", "trial"})
# Names beside the metrics of an epoch in the MLflow run of a trial: the number of epochs, and `best_` with the name of
# a metric for its value at the best epoch.
LOGGED, BEST = frozenset({"epochs"}), "best_"


def is_reserved(name: str) -> bool:
    """Whether hpsearch records something of its own under this name beside the metrics of a user's training."""
    return name in RECORDED or name.startswith(SYSTEM)


def recorded_name(name: str) -> str:
    """Return the name under which a study keeps a metric that a user's training calls `name`."""
    return _renamed(name, is_reserved)


def logged_name(name: str) -> str:
    """Return the name of an epoch's metric in MLflow, given its name in the study."""
    return _renamed(name, lambda bare: bare in LOGGED or bare.startswith(BEST))


def column_name(name: str, taken: frozenset[str]) -> str:
    """Return the title of a metric's column in a table that has columns called `taken` already."""
    return _renamed(name, taken.__contains__)


def _renamed(name: str, reserved: Callable[[str], bool]) -> str:
    bare = name
    while bare.startswith(PREFIX):
        bare = bare.removeprefix(PREFIX)
    return f"{PREFIX}{name}" if reserved(bare) else name

"""Which MLflow addresses have all of a study.

The study itself keeps this, so that what one run could not write is still known where the next run has another address.
An address is that of `hpsearch.tracking.target.Target.key`: nothing for the database of the home folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

# The study's attribute with its addresses, and whether each has the whole study.
ADDRESSES = "hpsearch:addresses"
# What earlier versions kept: the address of the last run, while that lacked something.
_LAST = "hpsearch:untold"
_SQLITE = "sqlite:///"


def add_address(study: optuna.Study, address: str) -> None:
    """Record that a run with this address begins: no address has the trials that the run will add."""
    study.set_user_attr(ADDRESSES, dict.fromkeys([*known(study), address], False))


def set_complete(study: optuna.Study, address: str) -> None:
    """Record that an address has all of the study."""
    before = known(study)
    if before.get(address) is not True:
        study.set_user_attr(ADDRESSES, {**before, address: True})


def incomplete(study: optuna.Study) -> list[str]:
    """Return the addresses that lack a part of the study."""
    return [address for address, complete in known(study).items() if not complete]


def is_new(study: optuna.Study, address: str) -> bool:
    """Return whether the study was never given this address; False where an earlier version did not record it."""
    return ADDRESSES in study.user_attrs and address not in known(study)


def known(study: optuna.Study) -> dict[str, bool]:
    """Return the addresses of the study's runs, and whether each has the whole study."""
    attrs = study.user_attrs
    last = attrs.get(_LAST)
    found = attrs.get(ADDRESSES) or ({} if last is None else {last: False})
    # Earlier versions kept relative ones.
    return {absolute(address): complete for address, complete in found.items()}


def absolute(address: str) -> str:
    """Return an address with the path of its SQLite file made absolute."""
    path = address.removeprefix(_SQLITE)
    if path == address or path.startswith(("/", "file:")):
        return address
    return f"{_SQLITE}{Path(path).absolute()}"

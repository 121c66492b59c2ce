"""The origin of a run: study, versions, commit, user, data. Imports none of the packages that it names."""

from __future__ import annotations

import getpass
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from uuid import uuid4

PACKAGES = ("hpsearch", "tensorflow", "keras", "optuna", "mlflow", "numpy")
STUDY_ID = "hpsearch.study_id"
# Names of the study's attributes. CONTENTS_HISTORY is a list of digests, each with the time from which it is valid.
CONTENTS_HISTORY = "hpsearch:contents"
_ID, _DATA, _HISTORY = "hpsearch:id", "hpsearch:data", "hpsearch:provenance"


@dataclass(frozen=True)
class Provenance:
    """The origin of a study's trials: versions, commit, user, data.

    Attributes:
        study: the study's own id, since its name may be taken elsewhere too; empty in what an early version made.
        history: tags, each with the time (ISO 8601) from which they are valid, in order.
        data: digests of the user's own files with data when the study was made, by name.
        current: digests of the user's own datasets now; empty in a study of an early version.
    """

    study: str
    history: Sequence[tuple[str, Mapping[str, str]]]
    data: Mapping[str, str] = field(default_factory=dict)
    current: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(attrs: Mapping[str, Any]) -> Provenance:
        """Return the provenance from a study's attributes."""
        history = [(entry["since"], entry["tags"]) for entry in attrs.get(_HISTORY, [])]
        contents = attrs.get(CONTENTS_HISTORY)
        return Provenance(attrs.get(_ID, ""), history, attrs.get(_DATA, {}), contents[-1]["data"] if contents else {})

    @property
    def current_data(self) -> Mapping[str, str]:
        """The digests of the user's own datasets, as the next trials are trained with them."""
        return {**self.data, **self.current}

    def tags(self, started: datetime | None = None) -> dict[str, str]:
        """Return the tags of a trial that began then; those of the study's first run where it is None."""
        found: Mapping[str, str] = self.history[0][1] if self.history else {}
        if started is not None:
            for since, tags in self.history:
                found = tags if since <= started.isoformat() else found
        return {**found, **({STUDY_ID: self.study} if self.study else {})}


def new_provenance(attrs: Mapping[str, Any], data: Callable[[], Mapping[str, str]]) -> dict[str, Any]:
    """What a study is to keep from now on: an id of its own, what its data is, and what trains where that has changed.

    Args:
        attrs: the attributes that it has.
        data: computes the digests of the user's own files with data; called once for each study.
    """
    new: dict[str, Any] = {}
    if _ID not in attrs:
        new |= {_ID: uuid4().hex, _DATA: dict(data())}
    history, tags = attrs.get(_HISTORY, []), provenance_tags()
    if not history or history[-1]["tags"] != tags:
        new[_HISTORY] = [*history, {"since": datetime.now().isoformat(), "tags": tags}]
    return new


def provenance_tags() -> dict[str, str]:
    """Return the tags that every run of a study carries; what cannot be found out is left out."""
    tags = {"hpsearch.python": platform.python_version()}
    for package in PACKAGES:
        try:
            tags["hpsearch.version" if package == "hpsearch" else f"hpsearch.{package}"] = version(package)
        except PackageNotFoundError:
            continue
    if commit := git_commit():
        tags["mlflow.source.git.commit"] = commit
    return tags | {
        "mlflow.source.name": "hpsearch",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": _user(),
    }


def git_commit() -> str | None:
    """Return the commit that the current folder is at; None outside a git work tree or without git."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run as a number that has no name.
        return "unknown"

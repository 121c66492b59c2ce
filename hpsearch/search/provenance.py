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
        study: the study's own id, since another home folder may have a study of the same name; empty for a study of an
            early version.
        history: pairs of a time (ISO 8601) and the tags that are valid from then on, in order.
        data: digests of the user's own data files when the study was created, by name.
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
        """The digests of the user's own datasets with which the next trials are trained."""
        return {**self.data, **self.current}

    def tags(self, started: datetime | None = None) -> dict[str, str]:
        """Return the tags of a trial that began at `started`; those of the study's first run if it is None."""
        found: Mapping[str, str] = self.history[0][1] if self.history else {}
        if started is not None:
            for since, tags in self.history:
                found = tags if since <= started.isoformat() else found
        return {**found, **({STUDY_ID: self.study} if self.study else {})}


def new_provenance(attrs: Mapping[str, Any], data: Callable[[], Mapping[str, str]]) -> dict[str, Any]:
    """Return the attributes to add: id and data digests if the study has no id, and the tags if they changed.

    Args:
        attrs: the attributes of the study.
        data: computes the digests of the user's own data files; called only if the study has no id.
    """
    new: dict[str, Any] = {}
    if _ID not in attrs:
        new |= {_ID: uuid4().hex, _DATA: dict(data())}
    history, tags = attrs.get(_HISTORY, []), provenance_tags()
    if not history or history[-1]["tags"] != tags:
        new[_HISTORY] = [*history, {"since": datetime.now().isoformat(), "tags": tags}]
    return new


def provenance_tags() -> dict[str, str]:
    """Return the tags of every MLflow run of a study; values that cannot be found out are left out."""
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
    """Return the commit of the current folder; None outside a git work tree or without git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run as a number that has no name.
        return "unknown"

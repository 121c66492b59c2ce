"""Which MLflow takes the runs: the database of the home folder, another database, or a server."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from hpsearch.errors import HpsearchError, command_line, masked
from hpsearch.search.home import Home, absolute_address

VARIABLE = "MLFLOW_TRACKING_URI"
_SERVERS = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SQLITE = "sqlite:///"
_MASKED_PASSWORD = re.compile(r"[:=]\*\*\*")


@dataclass(frozen=True)
class Target:
    """Where MLflow keeps the runs.

    Attributes:
        home: the home folder, whose database is used if `uri` is None.
        uri: the given address, as MLflow takes it; it may contain a password.
    """

    home: Home
    uri: str | None = None

    @property
    def database(self) -> Path | None:
        """The SQLite file; None for a server or another database."""
        if self.uri is None:
            return self.home.mlflow_db
        return Path(self.uri.removeprefix(_SQLITE)) if self.uri.startswith(_SQLITE) else None

    @property
    def is_server(self) -> bool:
        return self.uri is not None and self.uri.startswith(tuple(f"{scheme}://" for scheme in _SERVERS))

    @property
    def shared(self) -> bool:
        """Whether other users may keep runs there too, under the same names."""
        return self.uri is not None

    @staticmethod
    def of_key(home: Home, key: str) -> Target:
        """Return the target with this `key`. A password in the key is masked, so that the MLflow cannot be called."""
        return Target(home, key or None)

    @property
    def password_is_masked(self) -> bool:
        """Whether the password in the address is masked, so that this MLflow cannot be called."""
        return self.uri is not None and bool(_MASKED_PASSWORD.search(self.uri))

    def command(self, *words: object) -> str:
        """Return a command on the same home folder and MLflow: `hpsearch doctor digits --tracking-uri http://host`.

        An address with a password cannot be an option, and the home folder's database needs no option. In these cases
        the command begins by setting MLFLOW_TRACKING_URI, if the variable has another value now.
        """
        if self.uri is not None and masked(self.uri) == self.uri and not self.password_is_masked:
            return command_line("hpsearch", *words, *self.home.arguments, "--tracking-uri", self.uri)
        if masked(os.environ.get(VARIABLE, "")) == self.key:
            return self.home.command(*words)
        return f"{VARIABLE}={shlex.quote(self.key) if self.key else ''} {self.home.command(*words)}"

    @property
    def key(self) -> str:
        """Its address in the study's records; empty for the database of the home folder, which may be moved."""
        return masked(self.uri) if self.uri else ""

    def __str__(self) -> str:
        """Return the address as it may be printed."""
        return self.key or str(self.home.mlflow_db)

    __repr__ = __str__


def find_target(home: Home, option: str | None) -> Target:
    """Return the target that `--tracking-uri` names, else MLFLOW_TRACKING_URI, else the home folder's.

    Raises:
        HpsearchError: the address is of no known kind, or a password is on the command line.
    """
    if option and masked(option) != option:
        raise HpsearchError(
            f"--tracking-uri {masked(option)}: everyone on this machine can read a password on the command line; "
            f"put the address into {VARIABLE}, or the password into MLFLOW_TRACKING_PASSWORD"
        )
    uri, source = (option, "--tracking-uri") if option else (os.environ.get(VARIABLE), VARIABLE)
    if not uri:
        return Target(home)
    scheme, _, rest = uri.partition("://")
    known = scheme in _SERVERS or scheme.partition("+")[0] in _DATABASES
    if not known or not rest or (scheme == "sqlite" and not rest.startswith("/")) or rest == "/":
        raise HpsearchError(
            f"{source}: must be the address of an MLflow server (http://, https://) or database (sqlite:///FILE, "
            f"postgresql://, mysql://, mssql://), but got {masked(uri)!r}"
        )
    # A user's code may change the current folder.
    target = Target(home, absolute_address(uri))
    # The home folder's own database has one address only.
    own = target.database is not None and target.database.resolve() == home.mlflow_db.resolve()
    return Target(home) if own else target

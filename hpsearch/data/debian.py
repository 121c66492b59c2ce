"""One Debian package, downloaded and unpacked into a folder of ours: no root, nothing installed.

apt-get keeps using the machine's own package sources and keys, but its lists, its cache and what it
downloads all go to the folder, so that it needs no lock and leaves no trace elsewhere.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from hpsearch.data.raw import SourceBroken

# Seconds for one apt-get; a few are usual.
_APT_TIMEOUT = 600
# The machine's hooks after an update (clearing /var/cache, telling the desktop) need root and are not ours
# to run; `#clear` works in a file only, and one given with `-c` is read after the machine's own.
_APT_CONF = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Debug::NoLocking "true";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
Acquire::Retries "1";
"""


def download_and_unpack(package: str, scratch: Path) -> Path:
    """Download a package with apt-get and unpack it below `scratch`.

    Returns:
        The folder that stands for `/` in the package.

    Raises:
        SourceBroken: apt-get or dpkg-deb failed; the message holds its own complaint.
    """
    lists, cache, unpacked = scratch / "lists", scratch / "cache", scratch / "unpacked"
    for folder in (lists / "partial", cache / "archives" / "partial", unpacked):
        folder.mkdir(parents=True)
    configuration = scratch / "apt.conf"
    configuration.write_text(_APT_CONF, encoding="utf-8")
    apt_get = ["apt-get", "-qq", "-c", str(configuration)]
    apt_get += ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}"]

    update = _run([*apt_get, "update"], scratch)
    download = _run([*apt_get, "download", package], scratch)
    archives = list(scratch.glob("*.deb"))
    if download.returncode != 0 or len(archives) != 1:
        # With no network it is the update that names the cause; the download then only knows no package.
        complaints = [complaint for done in (download, update) if (complaint := _complaint(done))]
        raise SourceBroken("; ".join(complaints) or f"apt-get found no {package}")
    unpack = _run(["dpkg-deb", "-x", str(archives[0]), str(unpacked)], scratch)
    if unpack.returncode != 0:
        raise SourceBroken(_complaint(unpack) or f"dpkg-deb cannot unpack {archives[0].name}")
    return unpacked


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_APT_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceBroken(f"{command[0]} took more than {_APT_TIMEOUT} s") from error


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The first line in which apt or dpkg says what went wrong."""
    prefixes = ("E: ", "W: ", "Err:", "dpkg-deb: error: ")
    lines = (line.strip() for line in done.stderr.splitlines())
    return next((line for line in lines if line.startswith(prefixes)), "")

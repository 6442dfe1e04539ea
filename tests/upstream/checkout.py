"""Where distributed's own tests come from: neither its wheel nor its source package for pip has them.

From a checkout that ``MOORAGE_DISTRIBUTED_CHECKOUT`` names; else Debian's source package, which is older, from the
archive that apt is set to on this machine. What was fetched is kept in pytest's cache. Nothing is installed, and none
of it needs root.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tarfile
from pathlib import Path

VARIABLE = "MOORAGE_DISTRIBUTED_CHECKOUT"
_SOURCES = """\
Types: deb-src
URIs: {archive}
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
_PACKAGE = "dask.distributed"
_SECONDS = 90


class UnavailableError(Exception):
    """The tests cannot be had here; says why."""


def checkout(cache: Path) -> Path:
    """Return a folder with the sources of distributed, tests included.

    Parameters
    ----------
    cache : Path
        Folder for what is fetched.

    Raises
    ------
    UnavailableError
    """
    if named := os.environ.get(VARIABLE):
        found = Path(named).expanduser()
        assert _is_checkout(found), f"{VARIABLE}: {found} is no checkout of dask/distributed"
        return found
    try:
        return _from_debian(cache)
    except (OSError, subprocess.SubprocessError, tarfile.TarError, StopIteration) as error:
        told = getattr(error, "stderr", None) or repr(error)
        reason = f"{VARIABLE} names no checkout, and Debian's source package cannot be had"
        raise UnavailableError(f"{reason}: {told.strip().splitlines()[-1]}") from error


def _is_checkout(folder: Path) -> bool:
    return (folder / "distributed" / "tests" / "test_client.py").exists()


def _from_debian(cache: Path) -> Path:
    folder = cache / "debian"
    if not (tars := list(folder.glob("*.orig.tar.*"))):
        for name in ("sources", "state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "sources" / "debian.sources").write_text(_SOURCES.format(archive=_archive()))
        options = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": folder / "sources",
            "Dir::State": folder / "state",
            "Dir::Cache": folder / "cache",
            "APT::Sandbox::User": "root",  # of those that it may become; has no meaning for others
        }
        apt = ["apt-get", "--quiet", *(f"--option={name}={value}" for name, value in options.items())]
        _run(*apt, "update", folder=folder)
        _run(*apt, "source", "--download-only", "--tar-only", _PACKAGE, folder=folder)
        tars = list(folder.glob("*.orig.tar.*"))
    with tarfile.open(next(iter(tars))) as tar:
        tar.extractall(folder / "source", filter="data")
    return next(path for path in (folder / "source").iterdir() if _is_checkout(path))


def _archive() -> str:
    """Return where this machine has Debian's packages from."""
    if platform.freedesktop_os_release()["ID"] != "debian":
        raise OSError("this machine is not Debian")
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    targets = _run("apt-get", "indextargets", "--no-release-info", "--format=$(RELEASE) $(COMPONENT) $(REPO_URI)")
    return next(
        archive
        for suite, component, archive in map(str.split, targets.splitlines())
        if (suite, component) == (release, "main")
    )


def _run(*command: str, folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_SECONDS)
    return done.stdout

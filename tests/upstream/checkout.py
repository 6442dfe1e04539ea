"""Where distributed's own tests come from: neither its wheel nor its source package on PyPI has them.

In this order: a checkout that ``MOORAGE_DISTRIBUTED_CHECKOUT`` names; the tag of the installed version from GitHub; the
source package of Debian, which is older. What was fetched is kept in pytest's cache. Nothing is installed, and none of
it needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import distributed

VARIABLE = "MOORAGE_DISTRIBUTED_CHECKOUT"
_REPOSITORY = "https://github.com/dask/distributed"
_DEBIAN = """\
Types: deb-src
URIs: http://deb.debian.org/debian
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
    reasons = []
    for fetch in (_from_github, _from_debian):
        try:
            return fetch(cache)
        except (OSError, subprocess.SubprocessError, tarfile.TarError, StopIteration) as error:
            told = getattr(error, "stderr", None) or repr(error)
            reasons.append(f"{fetch.__name__[6:]}: {told.strip().splitlines()[-1]}")
    raise UnavailableError(
        f"distributed's tests cannot be fetched ({'; '.join(reasons)}); {VARIABLE} names no checkout"
    )


def _is_checkout(folder: Path) -> bool:
    return (folder / "distributed" / "tests" / "test_client.py").exists()


def _from_github(cache: Path) -> Path:
    folder = cache / f"github-{distributed.__version__}"
    if not _is_checkout(folder):
        shutil.rmtree(folder, ignore_errors=True)
        _run("git", "clone", "--quiet", "--depth=1", f"--branch={distributed.__version__}", _REPOSITORY, str(folder))
    return folder


def _from_debian(cache: Path) -> Path:
    folder = cache / "debian"
    if not (tars := list(folder.glob("*.orig.tar.*"))):
        for name in ("sources", "state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "sources" / "debian.sources").write_text(_DEBIAN)
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


def _run(*command: str, folder: Path | None = None) -> None:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=_SECONDS)

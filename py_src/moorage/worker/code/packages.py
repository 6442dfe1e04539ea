"""What a process has of installed packages, and pip there. Run on workers and in the notebook; shipped by value, alone.

Two processes can share an environment: on one host, or over a disk. Which do is found out by marks, files that one
leaves in the folder of its packages for a moment and others see.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import platform
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from typing import TypedDict


class Installed(TypedDict):
    """What one process tells."""

    versions: dict[str, str | None]  # by package; None where it is missing
    conda: list[str]  # those of them that conda has installed
    prefix: str  # of the environment
    where: str  # differs between folders of packages, but one that hosts share has several


def look(packages: Iterable[str]) -> Installed:
    """Tell which versions of `packages` this process would import now, ``python`` for Python itself."""
    importlib.invalidate_caches()  # it may be asked after an installation
    versions: dict[str, str | None] = {}
    conda = []
    for name in packages:
        if name == "python":
            versions[name] = ".".join(platform.python_version_tuple()[:2])
            continue
        try:
            found = distribution(name)
        except PackageNotFoundError:
            versions[name] = None
            continue
        versions[name] = found.version
        if (found.read_text("INSTALLER") or "").strip() == "conda":
            conda.append(name)
    folder = os.stat(_folder())
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            host = file.read().strip()
    except OSError:
        host = platform.node()
    where = f"{host}:{folder.st_dev}:{folder.st_ino}"
    return {"versions": versions, "conda": conda, "prefix": sys.prefix, "where": where}


def is_folder(path: str) -> bool:
    """Whether a folder is there."""
    return os.path.isdir(path)


def leave_mark(name: str) -> bool:
    """Leave a mark in the folder of packages; return False if this process may not write there."""
    try:
        with open(os.path.join(_folder(), name), "x"):
            return True
    except OSError:
        return False


def see_marks(names: Iterable[str]) -> list[str]:
    """Return those of some marks that are to be seen from here."""
    return sorted(name for name in names if os.path.exists(os.path.join(_folder(), name)))


def wipe_marks(names: Iterable[str]) -> None:
    """Delete marks."""
    for name in names:
        with suppress(OSError):
            os.unlink(os.path.join(_folder(), name))


async def pip_install(requirements: list[str], seconds: float) -> tuple[int, str]:
    """Install packages into the environment of this process; return pip's exit status and what it has said."""
    command = [sys.executable, "-m", "pip", "install", "--no-user", "--no-input", "--disable-pip-version-check"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *requirements,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        return 1, f"pip was still at it after {seconds:.0f} s, and was stopped."
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode(errors="replace")


def _folder() -> str:
    return sysconfig.get_path("purelib")

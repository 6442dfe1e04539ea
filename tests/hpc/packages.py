"""What the queues of these tests need of the machine: Debian's packages, commands with a time limit, waiting."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest


def require(packages: Sequence[str], programs: Sequence[str]) -> None:
    """Install `packages` if one of `programs` is missing; skip the test, saying why, where that is not possible."""
    if os.getuid() != 0:
        pytest.skip(f"{packages[0]} needs root, and this runs as another user")
    if all(Path(program).exists() for program in programs):
        return
    if shutil.which("apt-get") is None:
        pytest.skip(f"{', '.join(packages)} cannot be installed: there is no apt-get")
    # Daemons that come with the packages are not to start: where nothing stops them, this run level does.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        try:
            done = subprocess.run(
                ["apt-get", "-qq", *arguments], env=environment, capture_output=True, text=True, timeout=100
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"{', '.join(packages)} cannot be installed: apt-get {arguments[0]} takes more than 100 s")
        if done.returncode != 0:
            pytest.skip(f"{', '.join(packages)} cannot be installed: {done.stderr.strip()[-300:]}")


def run(command: Sequence[object], environment: dict[str, str], check: bool = True) -> str:
    """Run a command and return what it prints."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
    )
    assert not check or done.returncode == 0, f"{' '.join(words)}: {done.stdout}"
    return done.stdout


def wait_for(check: Callable[[], Any], timeout: float, why: str, strict: bool = True) -> Any:
    """Return the first true value of `check`; after `timeout` seconds fail with `why`, or go on if not `strict`."""
    deadline = time.monotonic() + timeout
    while not (value := check()):
        if time.monotonic() > deadline:
            assert not strict, f"{why} within {timeout} s"
            return value
        time.sleep(0.1)
    return value

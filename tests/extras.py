"""Packages that moorage works with and that are not in its environment: a test has them in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def installed(folder: Path, *packages: str) -> Path:
    """Install packages into a folder, and return where they are; skip the test, saying why, if that is not possible."""
    target = folder / "site-packages"  # by another name it would be code of the user, which follows to the workers
    command = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, "--target", target, *packages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{', '.join(packages)} cannot be installed: it takes more than 200 s")
    if done.returncode != 0:
        pytest.skip(f"{', '.join(packages)} cannot be installed: {done.stderr.strip()[-300:]}")
    return target

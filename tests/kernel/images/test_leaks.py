"""Nothing is left of values that were placed and released, in no process; see `benchmarks/leaks.py`."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

LEAKS = Path(__file__).parents[3] / "benchmarks/leaks.py"


def test_nothing_is_left_of_large_values():
    command = [sys.executable, str(LEAKS), "--rounds", "100", "--mb", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

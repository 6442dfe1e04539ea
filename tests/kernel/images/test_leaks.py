"""Nothing is left of values that were placed and released, in no process; see `benchmarks/leaks.py`."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

LEAKS = Path(__file__).parents[3] / "benchmarks/leaks.py"


@pytest.mark.parametrize(("rounds", "mb"), [("100", "10"), ("300", "0.01")], ids=["large", "small"])
def test_nothing_is_left_of_values(rounds, mb):
    command = [sys.executable, str(LEAKS), "--rounds", rounds, "--mb", mb]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

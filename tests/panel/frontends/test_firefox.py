"""The main path in Firefox: the panel of a notebook, a drag to a worker, a broadcast by keys."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.panel.conftest import SCREENSHOTS
from tests.panel.lab import TOKEN

SCRIPT = Path(__file__).with_name("firefox.mjs")
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")


@pytest.mark.skipif(FIREFOX is None, reason="needs a Firefox: apt-get install firefox-esr")
def test_a_variable_is_dragged_to_a_worker_and_placed_by_keys(kernel, lab, tmp_path):
    kernel.run("grid = np.zeros((1000, 500))")
    url = f"{lab.url}lab/workspaces/firefox/tree/shared.ipynb?token={TOKEN}"
    command = ["node", SCRIPT, FIREFOX, url, "grid", "bob", SCREENSHOTS / "firefox.png"]
    run = subprocess.run(command, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert seen["version"].startswith("firefox/")
    assert seen["magic"] == "%broadcast grid"
    assert [error for error in seen["errors"] if "labextensions/moorage" in error] == []
    assert kernel.run("print(len(cluster.placement()['grid'].holders))") == "4\n"

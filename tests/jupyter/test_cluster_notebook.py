"""The notebook about clusters, executed as a user would, and what it shows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from moorage.deploy.state_file import kept_clusters

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(200)
def test_the_notebook_about_clusters_shows_what_it_says(tmp_path):
    done = subprocess.run(
        [sys.executable, "notebooks/run.py", "notebooks/cluster.ipynb"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=190,
        env={**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert "every part is what it was: True" in done.stdout
    assert "outlives this kernel" in done.stdout
    assert "['model', 'parts', 'table'] on 3 workers" in done.stdout
    assert "the table is what it was: True" in done.stdout
    assert kept_clusters(tmp_path / "moorage") == []

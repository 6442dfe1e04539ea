"""The notebook about clusters, executed as a user would, and what it shows."""

import pytest

from moorage.deploy.kept import kept_clusters
from tests.helpers import shown_by


@pytest.mark.timeout(600)
def test_the_notebook_about_clusters_shows_what_it_says(tmp_path):
    shown = shown_by("cluster", JUPYTER_RUNTIME_DIR=str(tmp_path))
    assert "every part is what it was: True" in shown
    assert "outlives this kernel" in shown
    assert "['model', 'parts', 'table'] on 3 workers" in shown
    assert "the table is what it was: True" in shown
    assert kept_clusters(tmp_path / "moorage") == []

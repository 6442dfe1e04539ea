"""The notebook about modules of one's own, executed as a user would, and what it shows."""

import pytest

from tests.helpers import shown_by


@pytest.mark.timeout(600)
def test_the_notebook_about_modules_shows_what_it_says(tmp_path):
    shown = shown_by("code", JUPYTER_RUNTIME_DIR=str(tmp_path))
    assert "[0, 3281, 6562, 9843]" in shown
    assert "heights.py was saved since the notebook imported it" in shown
    assert "{'3,281 ft'}" in shown
    assert shown.count("'29,032 ft'") == 3
    assert "heights: same on all 3 workers\n" in shown
    assert "this: not sent, it has the name of a module of Python itself\n" in shown
    assert "Give yours another name." in shown

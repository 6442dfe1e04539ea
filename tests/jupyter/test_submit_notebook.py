"""The notebook about `%%submit`, run as its readers run it."""

import re

import pytest

from tests.helpers import shown_by


@pytest.mark.timeout(600)
def test_the_notebook_runs_to_its_end_and_shows_what_it_says():
    shown = shown_by("submit")
    assert shown.count("Placed flights") == 1
    assert "EV    6803" in shown
    assert re.search(r"later: +<Results: 1000 of 1000 done>", shown)
    assert "as in the notebook: True" in shown
    assert re.search(r"^2 +0\.8\d+", shown, re.MULTILINE)
    assert sorted(re.findall(r"^\[(\w+)\] scikit-learn \S+ is loaded$", shown, re.MULTILINE)) == ["alice", "bob"]
    assert "[117127, 109079, 101140]" in shown
    assert "13 of 13 done, 1 failed" in shown
    assert re.search(r"line 3, in <module>\n +1 / len\(chosen\)\nZeroDivisionError", shown)
    assert "500000.0" in shown
    assert "250000.0" in shown
    assert "10,000 items in" in shown

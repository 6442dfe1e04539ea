"""The notebook about Dask collections, run as its readers run it."""

import re

import pytest

from tests.helpers import shown_by


@pytest.mark.timeout(600)
def test_the_notebook_runs_to_its_end_and_shows_what_it_says():
    shown = shown_by("collections")
    assert re.search(r"flights \(DataFrame 12 partitions × 4 columns, .*spread over alice, bob, held", shown)
    assert len(re.findall(r"^flights: 12 parts, .*alice: [567] parts, .*bob: [567] parts", shown, re.MULTILINE)) == 2
    assert len(re.findall(r"^[\d.]+ \w+ moved in \d+ transfers", shown, re.MULTILINE)) == 2
    assert re.search(r"^%scatter (weather --like flights|flights --like weather) before this", shown, re.MULTILINE)
    assert "with the flights of that month: True" in shown
    assert "True     29.716298" in shown
    assert "UA    19792" in shown
    assert "OO    67.0" in shown
    assert re.search(r"^x: 20 parts, .*carol: 10 parts, .*dave: 10 parts", shown, re.MULTILINE)
    assert "269 minutes" in shown
    assert re.search(r"^bob: [567] months before, [567] now$", shown, re.MULTILINE)
    assert "336776 flights" in shown

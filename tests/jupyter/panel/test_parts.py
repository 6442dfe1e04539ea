"""The pages in which the panel asks for the parts of a collection."""

import re

import pytest

from moorage.errors import InputError
from moorage.jupyter.panel import questions as pages
from moorage.jupyter.panel.questions import page_of
from moorage.jupyter.panel.shapes import check
from moorage.kernel.parts.parts import Parts
from moorage.wire.panel_requests import PanelParts

KEYS = [("x", i, j) for i in range(2) for j in range(3)]
TABLE = {
    "workers": ["bob", "alice"],
    "nbytes": [10, 10, 20, 20, -1, 5],
    "on": [[0], [0], [1], [1, 0], [], [1]],
    "states": ["memory"] * 4 + ["processing", "memory"],
    "errors": {},
}


@pytest.fixture
def parts():
    return Parts("x", KEYS, TABLE)


def test_a_page_has_some_of_the_parts_and_the_sums_of_all(parts):
    page = page_of(parts, 2, 3)
    check(page, PanelParts, "the page")
    assert (page["total"], page["nowhere"], page["shape"], page["columns"]) == (6, 1, [2, 3], 3)
    assert (page["workers"], page["counts"], page["sizes"]) == (["alice", "bob"], [3, 3], [45, 40])
    assert (page["start"], page["cells"], page["on"]) == (2, [2, 3, 4], [[0], [0, 1], []])
    assert (page["nbytes"], page["states"]) == ([20, 20, -1], ["memory", "memory", "processing"])


def test_pages_together_are_all_parts(parts):
    together = [cell for start in (0, 4, 8) for cell in page_of(parts, start, 4)["cells"]]
    assert together == list(range(6))
    assert page_of(parts, -5, -1)["cells"] == []


def test_the_panel_draws_what_plot_draws(parts):
    page, svg = page_of(parts, 0, 100), parts.plot().svg()
    drawn = re.findall(r"<g><title>[^<]*</title>(.*?)</g>", svg)
    side = 24.0
    for index, square in enumerate(drawn):
        row, column = divmod(page["cells"][index], page["columns"])
        assert f'x="{column * side:g}" y="{row * side:g}"' in square
        fills = re.findall(r'fill="([^"]+)"', square)
        assert fills == ([page["colors"][number] for number in page["on"][index]] or ["none"])
    assert len(drawn) == page["total"]


def test_more_parts_than_can_be_shown_are_refused(parts, monkeypatch):
    monkeypatch.setattr(pages, "MOST", 5)
    with pytest.raises(InputError, match="6 parts; the panel shows up to 5"):
        page_of(parts, 0, 100)

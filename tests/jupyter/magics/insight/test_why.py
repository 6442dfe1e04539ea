"""`%why` as a user sees it."""

from __future__ import annotations

from moorage.errors import UnknownVariableError
from moorage.jupyter import display
from moorage.jupyter.panel.ledger import with_results
from moorage.jupyter.panel.questions import page_of_items
from moorage.jupyter.panel.shapes import check
from moorage.kernel.why.answer import Why
from moorage.wire.panel_requests import PanelParts


def test_what_is_well_is_said_in_one_line(notebook):
    notebook.run("x = b'x' * 40_000\n%pin x --workers bob")
    assert notebook.run("%why x").strip() == "x is held: on bob, as asked."


def test_what_is_not_well_has_its_remedy_in_a_second_line(notebook):
    notebook.run("bad = cluster.client.submit(lambda: 1 / 0, pure=False); bad.exception()")
    first, second = notebook.run("%why bad").strip().splitlines()
    assert first.startswith("bad is failed: lambda raised ZeroDivisionError")
    assert "cluster.client.retry(bad)" in second


def test_items_and_workers_can_be_asked_about(notebook):
    notebook.run("results = cluster.map(abs, [1, 2]); results.gather()")
    assert "results[1] is in memory" in notebook.run("%why results[1]")
    assert "alice is running" in notebook.run("%why alice")


def test_what_there_is_not_says_what_there_is(notebook):
    error, _ = notebook.fail("%why nothing")
    assert isinstance(error, UnknownVariableError)
    assert "alice" in error.remedy


def test_the_object_is_shown_as_the_magic_shows_it(notebook):
    assert "bob is running" in notebook.run("cluster.why('bob')")


def test_what_others_have_written_cannot_break_out_of_the_page():
    shown = display.why(Why("<script>", "failed", "f raised <b>\x1b[31m", "Put <i> right."))
    assert "<script>" not in shown["text/html"]
    assert "<b>" not in shown["text/html"]
    assert "\x1b" not in shown["text/plain"]


def test_the_panel_is_told_of_items_what_why_says_of_them(notebook):
    """Page by page, as they are now."""
    notebook.run(
        "results = cluster.map(lambda n: 1 / (n - 2), range(5), batch_size=1, workers=['alice'])\nresults.wait()"
    )
    results = notebook.names["results"]
    page = page_of_items("results", results, 1, 3)
    check(page, PanelParts, "the page")
    assert (page["total"], page["nowhere"], page["workers"], page["counts"]) == (5, 0, ["alice"], [5])
    assert (page["cells"], page["on"]) == ([1, 2, 3], [[0], [0], [0]])
    assert page["states"] == ["done", "failed", "done"]
    assert "ZeroDivisionError" in page["errors"][1]
    assert page["errors"][1] in str(notebook.value("cluster.why('results[2]')"))
    together = [cell for start in (0, 4, 8) for cell in page_of_items("results", results, start, 4)["cells"]]
    assert together == list(range(5))
    items = with_results({}, {"results": results}, {results: "7"})["result  results"]["items"]
    assert items == {"total": 5, "done": 5, "failed": 1, "cancelled": 0, "computation": "7"}
    assert with_results({}, {"_": results, "x": 1}, {}) == {}

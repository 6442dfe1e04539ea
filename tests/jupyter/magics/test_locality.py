"""`%%locality` as a user sees it: what a cell has moved, whatever becomes of the cell."""

from __future__ import annotations

import asyncio
import signal

import pytest

from moorage.jupyter.transfers_view import report
from moorage.kernel.transfers.moved import Moment, Saving, Transfer, Transfers

MB = 1_000_000
MAKE = "x = cluster.client.submit(bytes, 3_000_000, workers=['alice'], pure=False); _ = wait([x])"
USE = "cluster.client.submit(len, x, workers=['bob'], pure=False)"


@pytest.fixture
def measured(notebook):
    notebook.run(f"from distributed import wait\n{MAKE}")
    return notebook


def line_of(shown, name):
    return next(line for line in shown.splitlines() if line.startswith(name))


# In a notebook


def test_what_a_cell_has_moved_is_told_by_name_and_worker_with_what_would_save_it(measured):
    shown = measured.run(f"%%locality\nresult = {USE}.result()")
    assert measured.names["result"] == 3_000_000
    assert {"fetched", "2.86", "alice", "bob"} <= set(line_of(shown, "x ").split())
    assert {"2.86", "MiB"} <= set(line_of(shown, "bob ").split())
    assert "%pin x --workers bob before this would have saved 2.86 MiB" in shown


def test_the_cell_is_worth_its_last_expression(measured):
    assert measured.value(f"%%locality\n{USE}.result()") == 3_000_000
    assert measured.value(f"%%locality\n{USE}.result();") is None
    assert measured.value("%%locality\nn = 1") is None


def test_what_the_cell_has_started_is_waited_for(measured):
    shown = measured.run(f"%%locality\nlater = {USE}")
    assert measured.names["later"].status == "finished"
    assert "2.86 MiB" in line_of(shown, "x ")


def test_a_cell_that_moves_nothing_says_so(measured):
    assert "Nothing has moved between workers." in measured.run("%%locality\nn = 1")


def test_a_cell_that_fails_shows_what_it_has_moved_and_then_its_error(measured):
    error, shown = measured.fail(f"%%locality\n{USE}.result()\n1 / 0")
    assert isinstance(error, ZeroDivisionError)
    assert "2.86 MiB" in line_of(shown, "x ")
    assert shown.index("fetched") < shown.index("ZeroDivisionError")
    assert "moorage" not in shown[shown.index("Traceback") :]


def test_a_cell_of_the_cluster_is_measured_too(measured):
    shown = measured.run("%%locality\n%%submit -o found --workers bob\nlen(x)")
    assert measured.names["found"].result() == 3_000_000
    assert "2.86 MiB" in line_of(shown, "x ")


def test_a_loop_on_the_cluster_is_waited_for_to_its_last_item(measured):
    shown = measured.run("%%locality\n%%submit -o found --workers bob for i in range(200)\nlen(x) + i")
    assert measured.names["found"].done()
    assert "2.86 MiB" in line_of(shown, "x ")


def test_an_interrupt_shows_what_has_moved_until_then(measured):
    measured.names["signal"] = signal
    error, shown = measured.fail(f"%%locality\n{USE}.result()\nsignal.raise_signal(signal.SIGINT)")
    assert isinstance(error, KeyboardInterrupt)
    assert "2.86 MiB" in line_of(shown, "x ")


def test_a_cell_that_awaits_is_awaited(measured):
    measured.names["asyncio"] = asyncio
    assert measured.value("%%locality\nawait asyncio.sleep(0.01)\n'done'") == "done"


def test_what_transfers_returns_is_shown_as_a_table(measured):
    measured.run(f"{USE}.result()")
    assert "received" in measured.run("cluster.transfers()")


def test_a_line_without_a_cell_says_how_to_write_it(notebook):
    error, _ = notebook.fail("%locality")
    assert "with two %" in str(error)


# What is shown


def some(*rows, **more):
    return Transfers(rows, ("alice", "bob"), Moment("", 0.0, {}), **more)


def test_names_of_others_cannot_break_out_of_the_page():
    row = Transfer("<script>\x1b", "variable", "<b>", False, "fetched", "<i>", "bob", MB, 0, 0.1, 1)
    bundle = report(some(row, savings=(Saving("<script>", "%pin <script>", MB, "<script>"),), warnings=("<script>",)))
    assert "<script>" not in bundle["text/html"]
    assert "\x1b" not in bundle["text/plain"]


def test_what_is_small_is_put_together_unless_all_is_asked_for():
    rows = [Transfer(f"v{n}", "variable", "", True, "fetched", "alice", "bob", MB - n, 0, 0.1, 1) for n in range(15)]
    assert "5 more" in report(some(*rows))["text/plain"]
    assert "v14" not in report(some(*rows))["text/plain"]
    assert "v14" in report(some(*rows), everything=True)["text/plain"]

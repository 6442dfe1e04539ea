"""`%memory` as a user sees it, and what is said of workers that are short of memory."""

from __future__ import annotations

import pytest

from moorage.jupyter.memory_view import by_name, by_worker
from moorage.kernel.ledger.advice import remedy, warnings
from moorage.kernel.ledger.memory import Bytes, Memory, NamedMemory, WorkerMemory

MB = 1_000_000
FRACTIONS = {"spill": 0.7, "pause": 0.8, "terminate": 0.95}


def worker(name="alice", process=100 * MB, limit=1000 * MB, status="running", spilled=0, unmanaged=50 * MB):
    return WorkerMemory(name, "host", status, limit, process, process - unmanaged, spilled, 0, unmanaged)


def named(name, memory, kind="variable", mine=True, disk=0, on="alice", owner="me"):
    return NamedMemory(name, kind, owner, mine, 1, {on: Bytes(memory, disk, 0)})


# In a notebook


def test_each_worker_has_its_names(notebook):
    notebook.run("futures = cluster.client.map(bytes, [3_000_000] * 6, pure=False); _ = cluster.client.gather(futures)")
    notebook.run("value = b'x' * 40_000\n%pin value --workers bob")
    shown = notebook.run("%memory")
    alice, bob = shown.split("\nbob ")
    assert "alice" in alice
    assert {"futures", "unmanaged"} <= set(alice.split())
    assert {"value", "placed"} <= set(bob.split())
    assert "placed" not in alice


def test_each_name_has_its_workers(notebook):
    notebook.run("futures = cluster.client.map(bytes, [3_000_000] * 6, pure=False); _ = cluster.client.gather(futures)")
    line = next(line for line in notebook.run("%memory --by name").splitlines() if line.startswith("futures"))
    assert "17.17 MiB" in line
    assert "alice" in line
    assert "bob" in line


def test_what_a_cell_has_shown_is_named(notebook):
    notebook.value("cluster.client.submit(bytes, 7_000_000)")
    notebook.run("from distributed import wait; _ = wait(cluster.client.futures_of(list(Out.values())))")
    assert "Out[" in notebook.run("%memory --by name")
    notebook.run("Out.clear(); _ = __ = ___ = None")


def test_a_variable_that_a_cell_has_shown_is_called_by_its_name_first(notebook):
    notebook.run("data = cluster.client.submit(bytes, 8_000_000)\nfrom distributed import wait; _ = wait(data)")
    notebook.value("data")
    assert "data, Out[" in notebook.run("%memory --by name")
    notebook.run("del data; Out.clear(); _ = __ = ___ = None")


def test_what_memory_returns_is_shown_as_a_table(notebook):
    assert "unmanaged" in notebook.run("cluster.memory()")


# What is shown


def test_what_is_small_is_put_together_unless_all_is_asked_for():
    memory = Memory((worker(),), tuple(named(f"v{n}", (10 - n) * MB) for n in range(8)))
    assert "3 more" in by_worker(memory)["text/plain"]
    assert "v7" not in by_worker(memory)["text/plain"]
    assert "v7" in by_worker(memory, everything=True)["text/plain"]
    many = Memory((worker(),), tuple(named(f"v{n}", MB) for n in range(30)))
    assert "10 more" in by_name(many)["text/plain"]
    assert "v29" in by_name(many, everything=True)["text/plain"]


def test_names_of_others_cannot_break_out_of_the_page():
    memory = Memory((worker("<b>"),), (named("<script>\x1b", MB, on="<b>"),))
    for bundle in (by_worker(memory), by_name(memory)):
        assert "<script>" not in bundle["text/html"]
        assert "\x1b" not in bundle["text/plain"]


def test_a_cluster_without_workers_says_so():
    assert "no workers" in by_worker(Memory((), ()))["text/plain"]


# Warnings


@pytest.mark.parametrize(
    ("process", "says"),
    [(600, ""), (640, "about to write data to its disk"), (730, "about to pause"), (870, "about to be killed")],
)
def test_a_worker_that_is_short_of_memory_is_named_with_what_fills_it(process, says):
    memory = Memory((worker(process=process * MB),), (named("big", 500 * MB),))
    found = warnings(memory, FRACTIONS)
    assert len(found) == bool(says)
    for line in found:
        assert says in line
        assert line.startswith("alice ")
        assert "big takes 476.84 MiB. `del big` frees" in line


def test_a_worker_that_is_paused_or_has_spilled_says_so():
    full = Memory((worker(status="paused"), worker("bob", spilled=5 * MB)), (named("x", 80 * MB), named("x", 1)))
    assert [line.split(",")[0] for line in warnings(full, FRACTIONS)] == [
        "alice is paused",
        "bob has written data to its disk",
    ]


def test_data_alone_may_be_too_much_and_what_a_worker_takes_at_rest_is_not_to_blame():
    memory = Memory((worker(process=600 * MB, unmanaged=40 * MB),), (named("big", 500 * MB),))
    assert warnings(memory, FRACTIONS) == []
    (line,) = warnings(memory, {**FRACTIONS, "target": 0.6})
    assert line.startswith("alice is about to write data to its disk")
    small = worker(process=240 * MB, limit=300 * MB, unmanaged=150 * MB)
    (line,) = warnings(Memory((small,), (named("big", 90 * MB),)), FRACTIONS)
    assert "`del big` frees" in line


def test_a_worker_that_is_filled_by_nothing_of_dask_says_how_to_begin_anew():
    memory = Memory((worker(process=900 * MB, unmanaged=890 * MB),), (named("x", 10 * MB),))
    (line,) = warnings(memory, FRACTIONS)
    assert "restart_workers" in line


def test_without_a_limit_or_with_spilling_switched_off_nothing_is_about_to_happen():
    assert warnings(Memory((worker(process=900 * MB, limit=0),), ()), FRACTIONS) == []
    off = {"spill": False, "pause": False, "terminate": False}
    assert warnings(Memory((worker(process=900 * MB),), ()), off) == []


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (named("x", 1, "placed"), "%release x"),
        (named("x", 1), "`del x`"),
        (named("Out[3]", 1), "%reset -f out frees"),
        (named("x, y and 2 more", 1), "`del x, y` frees"),
        (named("x, Out[3], Out[4]", 1), "`del x` and %reset -f out free that"),
        (named("d", 1, "dataset", mine=False), "unpublish_dataset('d')"),
        (named("x@her", 1, "placed", mine=False, owner="her"), "of her"),
        (named("f()", 1, "running", mine=False, owner=""), ""),
    ],
)
def test_each_kind_has_what_would_free_it(what, says):
    assert says in remedy(what)

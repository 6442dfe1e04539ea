"""What workers answer is put together to each transfer once, and to what a placement would have saved. No cluster."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from moorage.kernel.transfers.advice import Fetched, savings
from moorage.kernel.transfers.moved import Moment
from moorage.kernel.transfers.sums import rows_of, transfers_of
from moorage.worker.images.transfers import union

WORKERS = {"a": "alice", "b": "bob", "c": "carol"}
MB = 1_000_000


def log(name, *rows, lacking=0, overflown=False, known=True, busy=()):
    """Return the answer of a worker; `rows` are of way, other, key, bytes."""
    columns = {"way": [], "other": [], "key": [], "nbytes": []}
    for row in rows:
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    numbers = {"seconds": [0.5] * len(rows), "count": [1] * len(rows)}
    return {
        "name": name, "process": name, "known": known, "now": 0.0, "overflown": overflown, "lacking": lacking,
        "rows": {**columns, **numbers}, "busy": list(busy),
    }  # fmt: skip


def named(*names, of, met=()):
    return {"names": [name(*one) for one in names], "of": of, "met": list(met)}


def name(label, kind="variable", mine=True, parts=False):
    return {"kind": kind, "labels": [("me", label)], "mine": mine, "parts": parts}


def together(logs, names, since=None, silent=()):
    rows = rows_of(logs)
    keys = {key: at for at, key in enumerate(dict.fromkeys(row.key for row in rows))}
    now = Moment("now", 10.0, {address: (WORKERS[address], WORKERS[address]) for address in logs})
    return transfers_of(rows, logs, names, keys, "me", now, since, silent)


# Each transfer once


def test_a_transfer_that_both_sides_have_logged_counts_once():
    logs = {"a": log("alice", ("sent", "b", "x", MB)), "b": log("bob", ("received", "a", "x", MB))}
    (row,) = together(logs, named(("x",), of=[0])).rows
    assert (row.sender, row.receiver, row.nbytes, row.number) == ("alice", "bob", MB, 1)


def test_what_a_worker_that_is_gone_has_sent_is_told_by_who_received_it():
    since = Moment("then", 4.0, {address: (label, label) for address, label in WORKERS.items()})
    logs = {"b": log("bob", ("received", "a", ["x", 0], MB)), "c": log("carol")}
    moved = together(logs, named(("x",), of=[0]), since)
    assert [(row.sender, row.receiver, row.nbytes) for row in moved.rows] == [("alice", "bob", MB)]
    assert moved.elapsed == 6.0
    assert [line.split(",")[0] for line in moved.warnings] == ["alice is gone"]


def test_what_was_mapped_is_taken_off_what_was_sent():
    logs = {"a": log("alice", ("sent", "b", "x", MB), ("mapped", "b", "x", MB - 10), ("sent", "c", "x", MB))}
    moved = together(logs, named(("x",), of=[0]))
    assert (moved.nbytes, moved.mapped) == (MB + 10, MB - 10)


def test_time_in_which_two_were_under_way_counts_once():
    logs = {"a": log("alice", busy=[(1.0, 2.0), (3.0, 4.0)]), "b": log("bob", busy=[(1.5, 2.5)])}
    assert together(logs, named(of=[])).wall_seconds == 2.5


def test_who_did_not_answer_or_has_forgotten_is_named():
    since = Moment("then", 0.0, {"a": ("alice", "alice"), "b": ("bob", "an earlier one")})
    logs = {"a": log("alice", lacking=5 * MB, overflown=True), "b": log("bob", known=False)}
    moved = together(logs, named(of=[]), since, silent=["c"])
    assert moved.lacking == 5 * MB
    told = "\n".join(moved.warnings)
    for words in ("alice no longer tells of 4.77 MiB", "bob was restarted", "c does not answer"):
        assert words in told


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)).map(lambda one: (one[0], one[0] + one[1]))))
def test_the_union_of_spans_has_every_point_and_no_overlap(spans):
    merged = union(spans)
    assert merged == sorted(merged)
    assert all(before[1] < after[0] for before, after in pairwise(merged))
    points = {point for start, stop in spans for point in range(start, stop)}
    assert points == {point for start, stop in merged for point in range(start, stop)}


# What would have saved it


def saved(fetched, names):
    return [(one.magic, one.nbytes) for one in savings(fetched, names, _shown(names), WORKERS, {})]


def _shown(names):
    return [one["labels"][0][1] for one in names["names"]]


def test_one_worker_that_used_it_is_to_have_it():
    names = named(("x",), of=[0], met=[("b", 0, -1, -1)])
    assert saved([Fetched(0, "a", "b", MB)], names) == [("%pin x --workers bob", MB)]


def test_several_workers_that_used_it_are_to_have_it():
    names = named(("x",), of=[0], met=[("b", 0, -1, -1), ("c", 0, -1, -1)])
    assert saved([Fetched(0, "a", "b", MB), Fetched(0, "a", "c", MB)], names) == [("%broadcast x", 2 * MB)]


def test_parts_go_to_the_parts_that_they_met():
    names = named(
        ("x", "variable", True, True), ("y", "placed", True, True),
        of=[0, 0], met=[("b", 0, -1, -1), ("b", 0, 1, -1), ("c", 1, -1, -1), ("c", 1, 1, -1)],
    )  # fmt: skip
    fetched = [Fetched(0, "a", "b", MB), Fetched(1, "a", "c", MB)]
    assert saved(fetched, names) == [("%scatter x --like y", 2 * MB)]


def test_a_part_that_met_others_on_two_workers_is_saved_for_one_of_them():
    names = named(
        ("x", "variable", True, True), ("y", "variable", True, True),
        of=[0], met=[("b", 0, -1, -1), ("b", 0, 1, -1), ("c", 0, -1, -1), ("c", 0, 1, -1)],
    )  # fmt: skip
    assert saved([Fetched(0, "a", "b", MB), Fetched(0, "a", "c", MB)], names) == [("%scatter x --like y", MB)]


def test_nothing_is_advised_for_what_no_task_has_used_or_is_of_others_or_has_no_name():
    assert saved([Fetched(0, "a", "b", MB)], named(("x",), of=[0])) == []
    used = [("b", 0, -1, -1)]
    assert saved([Fetched(0, "a", "b", MB)], named(("x", "variable", False), of=[0], met=used)) == []
    assert saved([Fetched(0, "a", "b", MB)], named(("f", "intermediate"), of=[0], met=used)) == []
    assert saved([Fetched(0, "a", "b", MB)], named(("Out[3]",), of=[0], met=used)) == []


def test_the_best_of_each_variable_is_told_first():
    names = named(("x",), ("y",), of=[0, 1], met=[("b", 0, -1, -1), ("b", 1, -1, -1)])
    fetched = [Fetched(0, "a", "b", MB), Fetched(1, "a", "b", 3 * MB)]
    assert [magic for magic, _ in saved(fetched, names)] == ["%pin y --workers bob", "%pin x --workers bob"]

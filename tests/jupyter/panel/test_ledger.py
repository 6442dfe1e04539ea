"""What fills the workers' memory without being placed, in the panel's form."""

import threading
import time

import dask.array as da

from moorage.jupyter.panel.ledger import PanelLedger, pause_after, rows_of
from moorage.kernel.ledger.memory import Bytes, Memory, NamedMemory


def memory(*names):
    return Memory((), names)


def test_each_name_is_a_row_and_each_worker_two_sums():
    ddf = NamedMemory("ddf", "variable", "me", True, 3, {"alice": Bytes(10, 5), "bob": Bytes(30), "carol": Bytes(20)})
    r = NamedMemory("r", "variable", "me", True, 1, {"bob": Bytes(7)})
    rows, named = rows_of(memory(ddf, r), {"ddf": da.ones(3), "r": object()})
    assert rows["collection me ddf"] == {
        "name": "ddf",
        "kind": "collection",
        "owner": "",
        "nkeys": 3,
        "nbytes": 60,
        "spilled": 5,
        "nworkers": 3,
        "most_on": ["bob", "carol"],
    }
    assert rows["result me r"]["kind"] == "result"
    assert named == {"alice": (10, 0), "bob": (30, 7), "carol": (20, 0)}


def test_what_has_elements_says_how_many():
    def elements(value):
        named = NamedMemory("d", "variable", "me", True, 1, {"alice": Bytes(10)})
        return rows_of(memory(named), {"d": value})[0]["result me d"].get("elements")

    assert elements({"a": object(), "b": 5}) == 2
    assert elements(object()) is None


def test_what_is_placed_has_a_row_already():
    placed = NamedMemory("x", "placed", "me", True, 1, {"alice": Bytes(10)})
    assert rows_of(memory(placed), {}) == ({}, {})


def test_others_data_tasks_and_small_names_are_other_data():
    on = {"alice": Bytes(10)}
    rows, named = rows_of(
        memory(
            NamedMemory("keys of them", "client", "them", False, 2, on),
            NamedMemory("df@them", "variable", "them", False, 2, on),
            NamedMemory("inc()", "running", "", False, 2, on),
            NamedMemory("smaller names", "rest", "", False, 9, on),
        ),
        {"df@them": da.ones(3)},
    )
    assert [(row["kind"], row["owner"]) for row in rows.values()] == [
        ("other", "them"),
        ("other", "them"),
        ("task", ""),
        ("rest", ""),
    ]
    assert named == {}


def test_after_a_long_answer_it_rests_until_the_next_would_be_short_or_it_is_told_to_begin_anew():
    costs, asked = [3.0], []
    answered = threading.Semaphore(0)

    def answer():
        asked.append(time.monotonic())
        answered.release()
        return Memory((), (), seconds=3.0)

    ledger = PanelLedger(answer, lambda: costs[-1], lambda: False, dict, lambda: None)
    try:
        ledger.ask()
        assert answered.acquire(timeout=60)
        assert not answered.acquire(timeout=1.5)  # nothing has asked
        ledger.ask()
        assert not answered.acquire(timeout=1.5)
        costs.append(0.001)  # most was deleted
        assert answered.acquire(timeout=60)
    finally:
        ledger.close()


def test_several_names_of_the_same_keys_are_one_row():
    both = NamedMemory("x, y", "variable", "me", True, 2, {"alice": Bytes(10)})
    assert list(rows_of(memory(both), {"x": da.ones(3)})[0]) == ["collection me x, y"]


def test_a_published_dataset_counts_as_a_collection():
    shared = NamedMemory("flights", "dataset", "", False, 2, {"alice": Bytes(10)})
    rows, named = rows_of(memory(shared), {})
    assert rows["dataset  flights"]["kind"] == "dataset"
    assert named == {"alice": (10, 0)}


def test_a_scheduler_for_which_an_answer_is_work_is_asked_less_often():
    assert pause_after(None) == pause_after(Memory((), (), 0.001)) == 1
    assert pause_after(Memory((), (), 0.01)) == 2
    assert pause_after(Memory((), (), 1.0)) == 200


def test_what_comes_after_an_answer_is_asked_for_once_more():
    answered, left = threading.Semaphore(0), [True, False]

    def answer():
        answered.release()
        return Memory((), ())

    ledger = PanelLedger(answer, float, lambda: left.pop(0) if left else False, dict, lambda: None)
    ledger.ask()
    try:
        assert answered.acquire(timeout=60)
        assert answered.acquire(timeout=60)
        assert left == []
    finally:
        ledger.close()

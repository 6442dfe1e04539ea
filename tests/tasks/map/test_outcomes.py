"""Each item's outcome is its own: also one that cannot be pickled, cannot be loaded here, or ends the worker."""

import os
import sys
import threading

import pytest
from distributed import KilledWorker, wait

from moorage.errors import UnpicklableError, UnreachableError
from moorage.tasks.map.ledger import Progress
from moorage.tasks.map.outcomes import Outcomes
from tests.tasks.tools import notebook


@pytest.mark.parametrize("batch_size", [1, 4, None])
def test_a_result_that_cannot_be_pickled_is_the_error_of_its_item(cluster, batch_size):
    def function(i):
        return {1: (k for k in range(i)), 3: threading.Lock()}.get(i, i)

    results = cluster.map(function, range(5), batch_size=batch_size)
    assert results.gather(errors="skip") == [0, 2, 4]
    assert [error.index for error in results.errors] == [1, 3]
    assert results.progress == Progress(5, 5, 2, 0, 0, True)
    with pytest.raises(UnpicklableError, match="result of item 1, a generator, cannot be sent"):
        results[1]
    assert "lock" in results.errors[1].in_words
    assert results.retry().wait(30)
    assert results.progress == Progress(5, 5, 2, 0, 0, True)


@pytest.mark.parametrize("size", [1, 2_000_000])
@pytest.mark.parametrize("kind", [ValueError, SystemExit])
def test_a_result_that_cannot_be_loaded_here_is_the_error_of_its_item(cluster, size, kind):
    here = str(os.getpid())

    def function(i):
        class Odd:
            def __reduce__(self):
                return refuse, (here, kind)

        def refuse(pid, kind):
            import os

            if str(os.getpid()) == pid:
                raise kind("not here")
            return Odd()

        return (Odd() if i == 1 else i), b"x" * size

    results = cluster.map(function, range(3), batch_size=3)
    assert [value for value, _ in results.gather(errors="skip")] == [0, 2]
    with pytest.raises(UnpicklableError, match=r"item 1 cannot be loaded here: \w+: not here"):
        results[1]
    assert results.progress == Progress(3, 3, 1, 0, 0, True)
    assert [(error.index, error.item) for error in results.errors] == [(1, 1)]
    assert results.retry().wait(30)
    assert results.gather(errors="return")[2][0] == 2


def test_results_that_contain_themselves_and_whose_size_is_no_number_come_home(cluster):
    def function(i):
        class Sized:
            def __sizeof__(self):
                raise ValueError("no size")

        loop = [i]
        loop.append(loop)
        return loop, Sized()

    for i, (loop, _) in enumerate(cluster.map(function, range(4), batch_size=4)):
        assert loop[0] == i
        assert loop[1] is loop


def test_an_item_that_ends_the_worker_spoils_no_other(cluster):
    def function(i):
        class Ends:
            def __reduce__(self):
                os._exit(1)

        return Ends() if i == 2 else i

    results = cluster.map(function, range(6), batch_size=3)
    assert results.wait(90)
    assert results.gather(errors="skip") == [0, 1, 3, 4, 5]
    assert [error.index for error in results.errors] == [2]


def test_large_results_stay_as_they_were_when_their_items_ended(cluster):
    def function(i):
        import threading

        import numpy as np

        a = vars(threading).setdefault("kept_by_a_test", np.zeros(300_000))  # outlives the item, in the process
        a[:] = i
        return a

    results = cluster.map(function, range(3), batch_size=3)
    assert [float(array.sum()) for array in results] == [0, 300_000, 600_000]
    assert all(array.flags.writeable for array in results)
    assert [float(f.result().sum()) for f in results.futures] == [0, 300_000, 600_000]
    cluster.client.run(lambda: vars(threading).pop("kept_by_a_test", None))
    assert results.nbytes == pytest.approx(3 * 2_400_000, rel=0.01)


def test_errors_of_all_kinds_are_told(cluster):
    def function(i):
        import dataclasses

        class NoText(Exception):
            def __str__(self):
                raise ValueError("no text")

        class NoAttributes(Exception):
            def __getattribute__(self, name):
                raise RuntimeError(name)

        class NoLoad(Exception):
            def __init__(self, a, b):
                super().__init__(f"{a} and {b}")

        @dataclasses.dataclass(frozen=True)
        class Frozen(Exception):
            a: int = 1

        def deep(n):
            return deep(n + 1)

        if i == 0:
            raise NoText
        if i == 1:
            raise NoLoad(1, threading.Lock())
        if i == 2:
            raise Frozen
        if i == 3:
            deep(0)
        if i == 4:
            raise OSError(2, "No such file", os.fsdecode(b"caf\xe9"))
        if i == 5:
            raise ValueError("x" * 10_000_000)
        if i == 6:
            raise KeyboardInterrupt
        if i == 7:
            sys.exit(3)
        if i == 8:
            raise GeneratorExit
        if i == 9:
            raise NoAttributes("none")
        if i == 10:
            error, cause = ValueError("a circle"), KeyError("of causes")
            error.__cause__, cause.__cause__ = cause, error
            raise error
        raise ExceptionGroup("several", [ValueError(1), TypeError(2)])

    words = ["NoText", "NoLoad", "Frozen", "RecursionError", "caf", "ValueError", "KeyboardInterrupt", "SystemExit: 3"]
    results = cluster.map(function, range(12), batch_size=5)
    assert results.wait(30)
    assert [error.index for error in results.errors] == list(range(12))
    assert all(word in e.in_words for word, e in zip(words, results.errors, strict=False))
    assert all(len(e.traceback) < 100_000 for e in results.errors)
    for i in range(12):
        with pytest.raises(Exception, match=r"(?s).*"):
            cluster.submit(function, i, pure=False).result(30)
    assert {info.name for info in cluster.workers() if info.status == "running"} == {"alice", "bob"}


@pytest.mark.parametrize("act", ["raise SystemExit(4)", "os._exit(4)"])
def test_a_result_whose_pickling_ends_the_worker_is_an_error_and_not_made_without_end(cluster, act):
    namespace = notebook(f"import os\nclass Ends:\n    def __reduce__(self):\n        {act}\ndef made(): return Ends()")
    with pytest.raises((RuntimeError, KilledWorker), match=r"SystemExit: 4|made"):
        cluster.submit(namespace["made"], pure=False).result(60)


def test_a_result_that_refuses_to_be_pickled_may_stay_where_it_is(cluster):
    source = "class Stays:\n    n = 7\n    def __getstate__(self): raise TypeError('stays')\ndef made(): return Stays()"
    stays = cluster.submit(notebook(source)["made"], pure=False)
    wait(stays, 30)
    [holder] = cluster.client.who_has(stays)[stays.key]
    assert cluster.submit(lambda it: it.n, stays, workers=holder, pure=False).result(30) == 7


def test_results_that_are_there_and_cannot_be_fetched_are_the_errors_of_their_items(cluster, monkeypatch):
    fetch = Outcomes._fetch

    def refuse(self, futures):
        (outcome,) = found = fetch(self, futures[:1])
        if len(futures) > 1 or len(outcome["values"][0]) > 80_000:
            raise MemoryError("no room here")
        return found

    monkeypatch.setattr(Outcomes, "_fetch", refuse)
    results = cluster.map(lambda i: b"x" * (90_000 if i == 1 else 80_000), range(3), batch_size=1)
    assert results.wait(30)
    assert [error.index for error in results.errors] == [1]
    with pytest.raises(MemoryError, match="no room here"):
        results[1]
    assert results[0] == results[2] == b"x" * 80_000


def test_a_map_whose_results_cannot_be_fetched_since_the_scheduler_is_silent_ends(cluster, monkeypatch):
    def silent(self, futures):
        raise UnreachableError("The scheduler does not answer.")

    monkeypatch.setattr(Outcomes, "_fetch", silent)
    results = cluster.map(lambda i: b"x" * 80_000, range(3), batch_size=1)
    with pytest.raises(UnreachableError):
        results.wait(30)

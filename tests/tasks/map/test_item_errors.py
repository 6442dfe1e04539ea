"""Items that raise: they do not stop the others, and say where and why."""

import json
import os
import subprocess
import threading
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from moorage.errors import InputError, UnpicklableError
from moorage.tasks.map.ledger import Progress
from tests.tasks.tools import double


def odd_ones_fail(i):
    if i % 2:
        raise ValueError(f"{i} is odd")
    return i


def test_an_items_error_does_not_stop_the_others(cluster):
    results = cluster.map(odd_ones_fail, range(100))
    results.wait()
    assert results.progress == Progress(100, 100, 50, 0, 0, True)
    assert results.gather(errors="skip") == list(range(0, 100, 2))
    returned = results.gather(errors="return")
    assert returned[2] == 2
    assert isinstance(returned[3], ValueError)


def test_errors_name_item_worker_and_the_users_own_line(cluster):
    results = cluster.map(odd_ones_fail, range(10))
    results.wait()
    errors = results.errors
    assert [e.index for e in errors] == [1, 3, 5, 7, 9]
    assert [e.item for e in errors] == [1, 3, 5, 7, 9]
    assert {e.worker for e in errors} <= {"alice", "bob"}
    assert str(errors[0].exception) == "1 is odd"
    assert 'raise ValueError(f"{i} is odd")' in errors[0].traceback
    assert "moorage/worker" not in errors[0].traceback
    with pytest.raises(ValueError, match="1 is odd") as caught:
        results.gather()
    assert any("4 more failed" in note for note in caught.value.__notes__)
    with pytest.raises(ValueError, match="3 is odd"):
        results[3]


def test_failed_items_run_again_on_request(cluster, tmp_path):
    def first_time_fails(i, folder):
        path = os.path.join(folder, str(i))
        if i % 3 == 0 and not os.path.exists(path):
            open(path, "w").close()
            raise OSError("first time")
        return i

    results = cluster.map(first_time_fails, range(20), folder=str(tmp_path))
    results.wait()
    assert results.progress.failed == 7
    assert results.retry() is results
    assert results.gather() == list(range(20))
    assert results.progress == Progress(20, 20, 0, 0, 0, True)
    assert results.errors == []


def test_retries_are_per_item(cluster, tmp_path):
    def flaky(i, folder):
        with open(os.path.join(folder, str(i)), "a") as f:
            f.write("x")
        if os.path.getsize(os.path.join(folder, str(i))) < 3:
            raise OSError("not yet")
        return i

    assert cluster.map(flaky, range(10), folder=str(tmp_path), retries=2).gather() == list(range(10))
    assert all(os.path.getsize(tmp_path / str(i)) == 3 for i in range(10))


def test_errors_that_cannot_be_pickled_and_exits_are_errors_of_their_item(cluster):
    def strange(i):
        if i == 1:

            class Odd(Exception):
                def __init__(self, a, b):
                    super().__init__(f"{a} {b}")
                    self.b = b

            raise Odd(1, threading.Lock())
        if i == 2:
            raise SystemExit(3)
        return i

    results = cluster.map(strange, range(4))
    assert results.gather(errors="skip") == [0, 3]
    assert "Odd: 1" in str(results.errors[0].exception)
    assert "SystemExit" in repr(results.errors[1])


def test_errors_with_a_constructor_of_their_own_keep_their_class(cluster):
    class Refused(Exception):
        def __init__(self, *, status, why):
            super().__init__(f"{status}: {why}")
            self.status = status

    def ask(i):
        raise Refused(status=400 + i, why="no")

    results = cluster.map(ask, [4])
    assert results.wait(30)
    for raised in (cluster.submit(ask, 4).exception(), results.errors[0].exception):
        assert (type(raised).__name__, raised.status, str(raised)) == ("Refused", 404, "404: no")


class Placed(Exception):
    """Made by ``__new__``, with something in a slot."""

    __slots__ = ("where",)

    def __new__(cls, what, where):
        return super().__new__(cls, what)

    def __init__(self, what, where):
        self.where = where


class Several(ExceptionGroup):
    def __new__(cls, message, errors, code):
        self = super().__new__(cls, message, errors)
        self.code = code
        return self


def endless():
    return endless()


def after_another(i):
    try:
        {}[i]
    except KeyError as error:
        if i:
            raise RuntimeError("from") from error
        raise RuntimeError("during")  # noqa: B904


def noted():
    error = ValueError("v")
    error.add_note("a note")
    error.extra = 1
    raise error


def raise_(error):
    raise error


RAISING = [
    lambda: b"\xff".decode(),
    lambda: "\u20ac".encode("ascii"),
    lambda: compile("a b", "file.py", "exec"),
    lambda: not_there,  # noqa: F821
    lambda: os.stat("/not/there"),
    lambda: os.rename("/not/there", "/nor/there"),
    lambda: raise_(BlockingIOError(11, "later", 5)),
    lambda: next(iter([])),
    lambda: raise_(StopIteration(5)),
    lambda: np.zeros(3).sum(axis=4),
    lambda: ET.fromstring("<a>"),
    lambda: json.loads("{"),
    lambda: subprocess.run(["false"], check=True),
    lambda: raise_(Placed("x", "there")),
    lambda: raise_(Several("two", [ValueError(1), Placed("y", "here")], 7)),
    lambda: raise_(ValueError("name: caf\udce9")),
    lambda: after_another(0),
    lambda: after_another(1),
    noted,
    endless,
]


def all_of(error):
    """Return what an error says, and what it came from says."""
    if error is None:
        return None
    slots = getattr(error, "where", None), getattr(error, "start", None), getattr(error, "filename2", None)
    notes = [note for note in getattr(error, "__notes__", []) if "on worker" not in note]
    own = {name: value for name, value in vars(error).items() if name != "__notes__"}
    chain = error.__suppress_context__, all_of(error.__cause__), all_of(error.__context__)
    return type(error).__name__, str(error), repr(error), repr(error.args), repr(own), slots, notes, chain


def test_errors_come_back_as_they_were_raised(cluster):
    here = []
    for function in RAISING:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            function()
        here.append(all_of(caught.value))
    results = cluster.map(lambda function: function(), RAISING)
    assert [all_of(error) for error in results.gather(errors="return")] == here
    for submit in cluster.submit, cluster.client.submit:
        futures = [submit(function, pure=False) for function in RAISING]
        assert [all_of(future.exception(30)) for future in futures] == here


def test_an_item_that_cannot_be_sent_fails_alone_with_its_reason(cluster):
    items = [1, threading.Lock(), 3]
    results = cluster.map(lambda x: x, items)
    assert results.gather(errors="skip") == [1, 3]
    (error,) = results.errors
    assert error.index == 1
    assert isinstance(error.exception, UnpicklableError)


def test_a_function_that_cannot_be_loaded_on_workers_fails_every_item(cluster):
    class Cannot:
        def __reduce__(self):
            return (int, ("not a number",))

    cannot = Cannot()
    results = cluster.map(lambda i: (cannot, i), range(3))
    results.wait()
    assert results.progress.failed == 3
    assert "invalid literal for int" in str(results.errors[0].exception)


def test_an_iterable_that_raises_half_way_keeps_what_came_before(cluster):
    def items():
        yield from range(5)
        raise RuntimeError("no more")

    results = cluster.map(double, items())
    with pytest.raises(RuntimeError, match="no more") as caught:
        results.wait()
    assert caught.value.__notes__ == ["(raised by the iterable, after 5 items)"]
    assert results[:] == [0, 2, 4, 6, 8]
    assert results.progress == Progress(5, 5, 0, 0, 0, True)
    with pytest.raises(RuntimeError, match="no more"):
        results.gather()


def test_what_cannot_be_looped_over_is_refused(cluster):
    with pytest.raises(InputError, match="A int cannot be looped over"):
        cluster.map(double, 5)
    with pytest.raises(InputError, match="No iterable was given"):
        cluster.map(double)
    with pytest.raises(InputError, match="batch_size=0"):
        cluster.map(double, [1], batch_size=0)

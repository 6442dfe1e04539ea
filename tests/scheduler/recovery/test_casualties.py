"""A value that ends the workers which take it is given up after two tries, with the reason."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from moorage.errors import LostError
from moorage.model import Anywhere, Everywhere
from tests.helpers import eventually
from tests.scheduler.notebook import Notebook
from tests.workers import Workers

cloudpickle.register_pickle_by_value(sys.modules[__name__])

MUCH = 900_000_000  # bytes, of the 1 GB that workers have


class Burden:
    """Too much for every worker but some: their processes end when they read it, as a nanny ends them."""

    def __init__(self, *strong: str) -> None:
        self.strong = strong

    def __reduce__(self) -> tuple[Any, ...]:
        return _read, self.strong


class Lingering:
    """As `Burden`, but the connection that has brought it breaks some time before the others of the worker."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _break_off, ()


class Needy:
    """Can be made while a file is there; otherwise that fails with an error of a class."""

    def __init__(self, path: str, error: type[Exception]) -> None:
        self.path = path
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (self.path, self.error)


class Doubtful:
    """Cannot be made, which shows once there is a file; another one tells that it is being tried."""

    def __init__(self, begun: Path, decided: Path) -> None:
        self.begun = str(begun)
        self.decided = str(decided)

    def __reduce__(self) -> tuple[Any, ...]:
        return _doubt, (self.begun, self.decided)


def _doubt(begun: str, decided: str) -> None:
    Path(begun).touch()
    while not os.path.exists(decided):
        time.sleep(0.01)
    raise ValueError("it cannot be made")


def _make(path: str, error: type[Exception]) -> Needy:
    if not os.path.exists(path):
        raise error("it needs something")
    return Needy(path, error)


def _break_off() -> None:
    threading.Timer(0.3, os._exit, (1,)).start()
    raise ConnectionError("no more memory")


def _read(*strong: str) -> Burden:
    from distributed.worker import Worker

    if not {str(worker.name) for worker in Worker._instances} & set(strong):
        os._exit(1)
    return Burden(*strong)


def _deaths(workers: Workers, before: set[str]) -> int:
    return len(before - set(workers.addresses().values()))


def test_a_value_that_nobody_survives_is_lost_after_two_tries(workers: Workers, notebook: Notebook) -> None:
    before = set(workers.addresses().values())
    notebook.place("x", Anywhere(), Burden(), scatter=False, nbytes=MUCH)
    x = notebook.future(notebook.key("x"))
    notebook.until("x", "lost", timeout=60)
    assert "died when they took it: it needs workers with more memory" in notebook.variable("x")["reason"]
    with pytest.raises(LostError, match="died when they took it"):
        x.result(30)
    workers.wait_running("alice", "bob", "carol")
    assert notebook.restored == [notebook.key("x")] * 2
    assert _deaths(workers, before) == 2
    notebook.place(
        "x", Anywhere(), values={notebook.key("x"): np.arange(10)}, scatter=False
    )  # placed again, it is sent
    notebook.until("x")


def test_a_death_counts_that_shows_only_after_the_connection_has_broken(workers: Workers, notebook: Notebook) -> None:
    before = set(workers.addresses().values())
    notebook.place("x", Anywhere(), Lingering(), scatter=False, nbytes=MUCH)
    notebook.until("x", "lost", timeout=60)
    assert notebook.restored == [notebook.key("x")] * 2
    workers.wait_running("alice", "bob", "carol")
    assert _deaths(workers, before) == 2


def test_a_value_goes_to_no_more_workers_after_two_have_died_of_it(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", Burden("alice"), "alice", scatter=False, nbytes=MUCH)
    notebook.move("x", Everywhere())
    notebook.until("x", "waiting", on=["alice"], timeout=60)
    assert "died when they took it" in notebook.variable("x")["reason"]
    before = set(workers.addresses().values())
    workers.wait_running("alice", "bob", "carol")
    workers.look(lambda s: s.extensions["moorage"]._sweep())
    eventually(lambda: not workers.look(lambda s: s.extensions["moorage"].reconciler.marked))
    assert notebook.holders("x") == ["alice"]
    assert before <= set(workers.addresses().values())


def test_deaths_of_workers_that_take_small_values_say_nothing(workers: Workers, notebook: Notebook) -> None:
    notebook.place("x", Anywhere(), Burden(), scatter=False, nbytes=1000)
    eventually(lambda: len(notebook.restored) > 2)
    key = notebook.key("x")
    assert notebook.state("x") != "lost"
    notebook.values[key] = np.arange(10)
    notebook.until("x", timeout=60)


@pytest.mark.parametrize(
    ("error", "said"), [(ImportError, "ImportError('it needs something')"), (FileNotFoundError, "the connection broke")]
)
def test_a_value_that_no_worker_can_make_any_more_is_lost_after_some_tries(
    workers: Workers, notebook: Notebook, tmp_path: Path, error: type[Exception], said: str
) -> None:
    path = tmp_path / "needed"
    path.touch()
    notebook.pin("x", Needy(str(path), error), "alice")
    notebook.pin("y", np.arange(10), "alice")
    x = notebook.future(notebook.key("x"))
    path.unlink()
    workers.kill("alice")
    notebook.until("x", "lost", timeout=60)
    assert f"cannot make it of what is sent: {said}" in notebook.variable("x")["reason"]
    assert notebook.restored.count(notebook.key("x")) in (3, 4)  # 4: also to the worker that has died
    with pytest.raises(LostError, match="cannot make it of what is sent"):
        x.result(30)
    notebook.until("y", on=["alice"], timeout=60)
    path.touch()
    notebook.place("x", Anywhere(), Needy(str(path), error), scatter=False)  # placed again, it is sent again
    notebook.until("x")


def test_nothing_is_kept_of_what_is_released_before_a_worker_refuses_it(
    workers: Workers, notebook: Notebook, tmp_path: Path
) -> None:
    begun, decided = tmp_path / "begun", tmp_path / "decided"
    notebook.place("x", Anywhere(), Doubtful(begun, decided), scatter=False)
    key = notebook.key("x")
    eventually(begun.exists)
    notebook.release("x")
    decided.touch()
    plugin: Any = workers.look(lambda s: s.extensions["moorage"])
    eventually(lambda: not plugin.origins.delivering)
    assert workers.look(lambda s: key not in plugin.origins.avoid)
    assert workers.look(lambda s: key not in plugin.casualties._refused)

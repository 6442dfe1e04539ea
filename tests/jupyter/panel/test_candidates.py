"""Finding the notebook's large variables: what is listed, what is left alone, and what of the user's is not touched."""

import gc
import random
import sys
import weakref

import numpy as np
import pandas as pd
import pytest
from dask.sizeof import sizeof
from distributed import Client, Future

from moorage.jupyter.panel.candidates import Candidates
from moorage.jupyter.panel.sizes import measure

MB = 10**6


def of_the_notebook(cls):
    """Make a class look like one that was defined in a cell."""
    cls.__module__ = "__main__"
    return cls


@of_the_notebook
class Touchy:
    """Minds being looked at."""

    def __init__(self, load=None):
        self.load = load

    def _refuse(self, *_):
        raise AssertionError("the user's code was run")

    __repr__ = __str__ = __len__ = __sizeof__ = __eq__ = __hash__ = __bool__ = __iter__ = _refuse
    nbytes = property(_refuse)
    shape = property(_refuse)
    dtype = property(_refuse)
    memory_usage = _refuse


def look(namespace, threshold=MB, seconds=10, **more):
    candidates = Candidates()
    assert candidates.look(namespace, threshold, seconds, **more)
    return candidates.found


def test_large_variables_are_listed_with_type_shape_and_size():
    found = look({"big": np.zeros((1000, 200)), "small": np.zeros(3), "text": "x" * MB, "items": [np.zeros(MB)] * 3})
    assert found["big"] == {"name": "big", "typename": "ndarray", "detail": "(1000, 200) float64", "nbytes": 1_600_000}
    assert set(found) == {"big", "text", "items"}
    assert found["items"]["nbytes"] == pytest.approx(24 * MB, rel=0.01)


def test_code_tools_and_hidden_names_are_not_listed():
    def function():
        pass

    function.load = np.zeros(MB)
    names = {"np": np, "function": function, "Touchy": Touchy, "_": np.zeros(MB), "In": ["x" * MB] * 3}
    assert look(names, hidden={"In"}) == {}


def test_no_code_of_the_notebook_is_run():
    @of_the_notebook
    class Rows(list):
        __repr__ = __len__ = __iter__ = __getitem__ = __sizeof__ = Touchy._refuse

    @of_the_notebook
    class Table(dict):
        __repr__ = __len__ = __iter__ = items = values = __getitem__ = Touchy._refuse

    found = look({"touchy": Touchy(np.zeros(MB)), "rows": Rows([np.zeros(MB)]), "table": Table(a=np.zeros(MB))})
    assert set(found) == {"touchy", "rows", "table"}
    assert all(entry["nbytes"] == pytest.approx(8 * MB, rel=0.01) for entry in found.values())


def test_no_value_is_kept_alive():
    array = np.zeros(MB)
    gone = weakref.ref(array)
    namespace = {"array": array}
    candidates = Candidates()
    candidates.look(namespace, MB, 10)
    assert set(candidates.found) == {"array"}
    del array, namespace["array"]
    gc.collect()
    assert gone() is None


def test_the_users_random_numbers_are_not_disturbed():
    frame = pd.DataFrame({"a": pd.Series(["text"] * 1000, dtype=object), "b": range(1000)})
    names = {"frame": frame, "items": list(range(1000)), "objects": np.array(["a"] * 1000, dtype=object)}
    before = random.getstate(), np.random.get_state()[1].tolist(), np.random.get_state()[2]
    look(names, threshold=1)
    assert (random.getstate(), np.random.get_state()[1].tolist(), np.random.get_state()[2]) == before


def test_a_value_that_has_grown_or_was_replaced_is_measured_again():
    candidates = Candidates()
    namespace = {"items": [0] * 10, "frame": pd.DataFrame({"a": np.zeros(10)})}
    candidates.look(namespace, MB, 10)
    assert candidates.found == {}
    namespace["items"].extend([0] * MB)
    namespace["frame"]["b"] = 1
    namespace["frame"] = pd.DataFrame({"a": np.zeros(MB)})
    candidates.look(namespace, MB, 10)
    assert set(candidates.found) == {"items", "frame"}


def test_a_lower_threshold_lists_more_in_full():
    candidates = Candidates()
    namespace = {"x": np.zeros(1000)}
    candidates.look(namespace, MB, 10)
    assert candidates.found == {}
    candidates.look(namespace, 1000, 10)
    assert candidates.found["x"]["detail"] == "(1000,) float64"


def test_what_is_not_reached_in_time_comes_later():
    candidates = Candidates()
    namespace = {f"x{i}": np.zeros(MB) for i in range(3)}
    assert not candidates.look(namespace, MB, 0)
    assert candidates.found == {}
    namespace["y"] = np.zeros(MB)
    del namespace["x1"]
    assert not candidates.go_on(0)
    assert candidates.go_on(10)
    assert set(candidates.found) == {"x0", "x2"}
    assert candidates.look(namespace, MB, 10)
    assert set(candidates.found) == {"x0", "x2", "y"}


def test_new_names_come_first_and_none_is_left_out(monkeypatch):
    candidates = Candidates()
    namespace = {f"x{i}": np.zeros(MB) for i in range(5)}
    assert candidates.look(namespace, MB, 10)
    clock = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    namespace |= {f"x{i}": np.zeros(2 * MB) for i in range(5)}
    namespace["new"] = np.zeros(MB)
    sizes = []
    for _ in range(6):
        assert not candidates.look(namespace, MB, 2)  # a new cell each time, with time for one value
        sizes.append([entry["nbytes"] // MB for entry in candidates.found.values()])
    assert "new" in candidates.found
    assert sizes[0] == [8, 8, 8, 8, 8, 8]
    assert sizes[-1] == [16, 16, 16, 16, 16, 8]


def test_what_has_not_changed_is_the_same_object():
    candidates = Candidates()
    namespace = {"x": np.zeros(MB)}
    candidates.look(namespace, MB, 10)
    found = candidates.found
    candidates.look(namespace, MB, 10)
    assert candidates.found is found


def test_a_value_that_cannot_be_measured_is_left_out():
    class Odd:
        nbytes = 10 * MB

        @property
        def shape(self):
            raise RuntimeError("no")

        def __getattribute__(self, name):
            if name == "nbytes":
                raise KeyError(name)
            return object.__getattribute__(self, name)

    assert look({"odd": Odd()}) == {}


@pytest.mark.parametrize(
    "value",
    [
        list(range(100_000)),
        tuple("abc" for _ in range(1000)),
        {i: float(i) for i in range(10_000)},
        [[[float(i) for i in range(30)] for _ in range(30)] for _ in range(30)],
        np.zeros((300, 300)),
        pd.DataFrame({f"c{i}": np.zeros(1000) for i in range(100)}),
        pd.DataFrame({"a": pd.Series([f"text {i}" for i in range(10_000)], dtype=object)}),
        pd.Series(np.arange(10_000)),
        b"x" * 5000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_sizes_are_near_those_of_dask(value):
    assert measure(value) == pytest.approx(sizeof(value), rel=0.3)


def test_futures_do_not_count_for_what_their_client_holds():
    with Client(n_workers=0, processes=False, dashboard_address=None, set_as_default=False) as client:
        assert measure([Future(f"key-{n}", client) for n in range(2000)]) < MB


def test_a_value_without_end_is_measured_all_the_same():
    endless = []
    endless.append(endless)
    deep = []
    for _ in range(sys.getrecursionlimit() * 2):
        deep = [deep]
    assert measure(endless) < MB
    assert measure(deep) < MB

import functools
import pickle
import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.errors import UnpicklableError
from moorage.images.carrier import Table
from moorage.kernel.values.fingerprint import image_of
from moorage.kernel.values.value_registry import ValueRegistry
from moorage.pickling.code_pickler import Notebook
from moorage.tasks.references import dumps
from moorage.worker.unpickling.cell import Cell
from moorage.worker.unpickling.code import ours
from moorage.worker.unpickling.references import loads

SMALL = 2500  # bytes; nothing that is placed is copied into a payload of this size


def placed(**values):
    origins = ValueRegistry()
    for key, value in values.items():
        origins.remember(key, value, image_of(value))
    return origins


def arrive(value, table):
    """What a worker has of a value that was placed."""
    image = image_of(value)
    return table.loads(image.stream, buffers=image.buffers)


def send(obj, origins, **options):
    """Pickle here and unpickle as a worker does, on copies of what is placed."""
    payload = dumps(obj, origins, **options)
    table = Table("")
    copies = [arrive(origins.value(key), table) for key in payload.keys]
    return loads(payload.data, copies, ours(), table), payload


@pytest.fixture
def data():
    return np.random.default_rng(0).random(20_000)


def cases(data):
    def closure(i):
        return float(data[i])

    def default(i, x=data):
        return float(x[i])

    def nested(i):
        return closure(i)

    class Model:
        def __init__(self):
            self.weights = data

        def predict(self, i):
            return float(self.weights[i])

    view = data[100:]
    return {
        "closure": closure,
        "default": default,
        "function that calls a function": nested,
        "bound method": Model().predict,
        "lambda": lambda i: float(data[i]),
        "partial": functools.partial(default, x=data),
        "keyword default": functools.partial(lambda i, *, x: float(x[i]), x=data),
        "slice in a closure": lambda i: float(view[i]),
        "container in a closure": (lambda box: lambda i: float(box["deep"][0][1][i]))({"deep": [(0, data)]}),
        "generator function": (lambda f: lambda i: next(iter(f(i))))(lambda i: (v for v in [float(data[i])])),
    }


@pytest.mark.parametrize("shape", cases(np.zeros(1)))
def test_a_placed_array_is_a_reference_wherever_code_captures_it(shape, data):
    function = cases(data)[shape]
    copy, payload = send(function, placed(data=data))
    assert copy(5) == function(5)
    assert payload.keys == ("data",)
    assert payload.nbytes < SMALL


VALUES = {
    "itself": lambda d, f, c: d,
    "in a dict": lambda d, f, c: {"d": d},
    "in a list in a tuple": lambda d, f, c: (1, [d]),
    "twice": lambda d, f, c: [d, d],
    "a slice": lambda d, f, c: d[1000:9000],
    "reversed": lambda d, f, c: d[::-1],
    "strided": lambda d, f, c: d[::3],
    "transposed": lambda d, f, c: d.reshape(100, 200).T,
    "reinterpreted": lambda d, f, c: d.view("i8"),
    "column of a frame": lambda d, f, c: f["b"],
    "rows of a frame": lambda d, f, c: f.iloc[100:15000],
    "a frame": lambda d, f, c: f,
    "values of a column": lambda d, f, c: f["a"].to_numpy(),
    "dates": lambda d, f, c: f["t"],
    "a container": lambda d, f, c: c,
    "array in a placed container": lambda d, f, c: c["deep"][1],
    "several at once": lambda d, f, c: {"x": d[5000:], "y": f["a"], "z": c["deep"][1][::2]},
}


def equal(a, b):
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b) and a.dtype == b.dtype
    if isinstance(a, pd.DataFrame | pd.Series):
        return a.equals(b)
    if isinstance(a, dict):
        return all(equal(a[k], b[k]) for k in a) and a.keys() == b.keys()
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


@pytest.mark.parametrize("shape", VALUES)
def test_placed_values_and_their_parts_are_references(shape, data):
    frame = pd.DataFrame({"a": np.arange(20_000), "b": data * 2, "t": pd.date_range("2020", periods=20_000)})
    container = {"deep": [1, np.arange(30_000)], "text": "x"}
    value = VALUES[shape](data, frame, container)
    copy, payload = send(value, placed(data=data, frame=frame, container=container))
    assert equal(copy, value)
    assert payload.keys
    assert payload.nbytes < SMALL


def test_a_part_is_a_view_of_the_workers_copy_not_a_copy(data):
    payload = dumps([data[:5000], data[::-1]], placed(data=data))
    table = Table("")
    theirs = arrive(data, table)
    left, right = loads(payload.data, [theirs], {}, table)
    assert np.shares_memory(left, theirs)
    assert np.shares_memory(right, theirs)
    assert not left.flags.writeable


def test_one_object_stays_one_object(data):
    (first, second), _ = send([data, data], placed(data=data))
    assert first is second


def test_what_is_not_placed_travels_by_value(data):
    other = data.copy()
    (a, b), payload = send([other, data[:10]], placed(data=data))
    assert np.array_equal(a, other)
    assert np.array_equal(b, data[:10])
    assert payload.keys == ()
    assert payload.nbytes > other.nbytes


@given(
    st.recursive(
        st.sampled_from(["d", "f", 1, "text", None]), lambda s: st.lists(s) | st.dictionaries(st.text(max_size=3), s)
    )
)
@settings(max_examples=80)
def test_any_container_of_placed_values_comes_back_equal(shape):
    data, frame = np.arange(5000), pd.DataFrame({"a": np.arange(5000)})
    origins = placed(data=data, frame=frame)

    def fill(part):
        if isinstance(part, list):
            return [fill(p) for p in part]
        if isinstance(part, dict):
            return {k: fill(p) for k, p in part.items()}
        return {"d": data[10:], "f": frame}.get(part, part) if isinstance(part, str) else part

    value = fill(shape)
    copy, payload = send(value, origins)
    assert equal(value, copy)
    assert set(payload.keys) <= {"data", "frame"}


def test_functions_of_the_notebook_see_the_namespace_of_the_cell():
    namespace = {"__name__": "__main__", "limit": 1, "data": np.arange(5000)}
    exec("def over(): return int((data > limit).sum())\ndef twice(): return over() * 2", namespace)
    code = compile("limit = 4990\n__moorage_value__ = twice()", "cell", "exec")
    cell = Cell(code, {"twice": namespace["twice"]})
    copy, payload = send(cell, placed(data=namespace["data"]), notebook=Notebook(namespace))
    assert [copy(), copy()] == [18, 18]
    assert payload.keys == ("data",)


def test_parts_are_right_in_whatever_has_the_same_content_and_nowhere_else():
    box = {"a": np.zeros(5000), "b": np.ones(5000)}
    payload = dumps(box["b"], placed(box=box))
    for same in ({"a": np.zeros(5000), "b": np.ones(5000)}, {"b": np.ones(5000), "a": np.zeros(5000)}, np.ones(5000)):
        assert loads(payload.data, [same], {}).sum() == 5000
    for other in ({"a": np.zeros(10), "b": np.ones(10)}, {"a": np.zeros(5000), "b": np.full(5000, 2.0)}, None):
        with pytest.raises(pickle.UnpicklingError, match="cannot be found"):
            loads(payload.data, [other], {})


def test_code_that_fills_caches_of_a_placed_value_does_not_move_its_parts():
    box = {"a": np.zeros(5000), "b": np.ones(5000)}
    payload = dumps(box["b"], placed(box=box))
    table = Table("")
    theirs = arrive(box, table)
    theirs["0"] = theirs.pop("a")
    theirs["cache"] = np.full(5000, 7.0)
    assert loads(payload.data, [theirs], {}, table).sum() == 5000


def test_an_array_that_is_in_a_container_twice_is_not_taken_for_another():
    one, two = np.full(2000, 1.0), np.full(2000, 2.0)
    for box in ({"a": one, "again": one, "b": two}, [one, one, two, two], (one, [one, two], {"x": two})):
        assert [part.sum() for part in send([one, two, two[5:]], placed(box=box))[0]] == [2000, 4000, 3990]


@pytest.mark.parametrize("value", ["text" * 5000, b"text" * 5000, 3**60_000], ids=type)
def test_a_large_immutable_value_is_a_reference(value):
    copy, payload = send((len, [value, 1, "text"], {}), placed(value=value))
    assert copy == (len, [value, 1, "text"], {})
    assert payload.keys == ("value",)
    assert payload.nbytes < SMALL


def test_the_path_to_what_cannot_be_pickled_is_named():
    class Model:
        pass

    model = Model()
    model.callback = Model()
    model.callback.lock = threading.Lock()

    def use(n):
        return model, n

    with pytest.raises(UnpicklableError, match=r"model\.callback\.lock"):
        dumps(use, ValueRegistry())
    with pytest.raises(UnpicklableError, match=r"^m\.callback\.lock"):
        dumps((lambda m: m, (model,), {}), ValueRegistry())
    with pytest.raises(UnpicklableError, match=r"^k\['x'\]\.callback\.lock"):
        dumps((lambda k: k, (), {"k": {"x": model}}), ValueRegistry())
    with pytest.raises(UnpicklableError, match=r"^model\.callback\.lock"):
        dumps(Cell(compile("1", "", "exec"), {"fine": 1, "model": model}), ValueRegistry())


def test_long_buffers_can_be_left_out_and_count_all_the_same(data):
    whole = dumps({"a": data, "b": data[:10]}, ValueRegistry())
    short = dumps({"a": data, "b": data[:10]}, ValueRegistry(), longest=1000)
    assert (whole.left_out, short.left_out) == (0, data.nbytes)
    assert len(short.data) < 1000
    assert abs(short.nbytes - whole.nbytes) < 100
    assert dumps(data, ValueRegistry(), longest=data.nbytes).left_out == 0

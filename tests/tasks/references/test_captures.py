"""What a task takes along: references to what is placed, never an old value, large things placed first."""

import asyncio
import dataclasses
import functools
import statistics
import threading

import dask.array
import numpy as np
import pandas as pd
import pytest

from moorage.errors import InputError, StaleError, UnpicklableError
from moorage.tasks.options import Options
from tests.tasks.tools import notebook, run_cell, sent, text

# ---- what plain Dask does not do, and this does


def test_a_closure_over_futures_gets_their_values(client, submitter):
    parts = client.scatter([1, 2, 3])
    assert submitter.submit(lambda: sum(parts)).result(30) == 6


@pytest.mark.parametrize(
    "shape",
    [
        lambda f: f,
        lambda f: [f, [f]],
        lambda f: {"a": (f, {"b": f})},
        lambda f: functools.partial(dict, x=f),
        lambda f: iter([f]),
    ],
    ids=["itself", "lists", "dict and tuple", "partial", "iterator"],
)
def test_a_future_anywhere_in_an_argument_gets_the_value(client, submitter, shape):
    future = client.submit(lambda: 41)

    def values(x):
        if callable(x):
            x = x()
        if isinstance(x, int):
            return [x]
        return [v for part in (x.values() if isinstance(x, dict) else x) for v in values(part)]

    assert set(submitter.submit(values, (shape(future),)).result(30)) == {41}


def test_a_future_in_an_attribute_gets_the_value(client, submitter):
    class Holder:
        pass

    holder = Holder()
    holder.inner = {"future": client.submit(lambda: 41)}
    assert submitter.submit(lambda h: h.inner["future"] + 1, (holder,)).result(30) == 42


def test_a_text_that_equals_a_key_stays_a_text(client, submitter):
    named = client.scatter({"a": 1})
    assert submitter.submit(lambda s: s, ("a",)).result(30) == "a"
    assert submitter.submit(lambda s: s, (named,)).result(30) == {"a": 1}


def shapes(data):
    namespace = notebook("def first(i): return float(data[i])\ndef calls(i): return first(i)")
    namespace["data"] = data

    def recursive(i, depth=3):
        return recursive(i, depth - 1) if depth else float(data[i])

    async def coroutine(i):
        return float(data[i])

    @dataclasses.dataclass
    class Frozen:
        x: object

        def __call__(self, i):
            return float(self.x[i])

        @staticmethod
        def static(i):
            return float(data[i])

        @property
        def first(self):
            return float(data[0])

    def default(i, x=data):
        return float(x[i])

    class Model:
        def __init__(self):
            self.weights = data

        def predict(self, i):
            return float(self.weights[i])

    view, column = data[5:], data.reshape(-1, 2)[:, 1]
    return {
        "global": namespace["first"],
        "global of a function that it calls": namespace["calls"],
        "nested function": (lambda: lambda i: default(i))(),
        "recursive function": recursive,
        "coroutine": lambda i: asyncio.run(coroutine(i)),
        "generator": lambda i: next(float(data[k]) for k in [i]),
        "comprehension": lambda i: [float(data[k]) for k in range(i + 1)][-1],
        "keyword default": functools.partial(lambda i, *, x=data: float(x[i])),
        "callable object": Frozen(data),
        "static method": Frozen(None).static,
        "property": lambda i: Frozen(None).first,
        "class": lambda i: Frozen(data)(i),
        "bound method of a partial": functools.partial(Model().predict),
        "reversed": (lambda x: lambda i: float(x[i]))(data[::-1]),
        "strided": (lambda x: lambda i: float(x[i]))(data[::3]),
        "transposed": (lambda x: lambda i: float(x[0, i]))(data.reshape(-1, 2).T),
        "column": lambda i: float(column[i]),
        "closure": lambda i: float(data[i]),
        "default": default,
        "bound method": Model().predict,
        "partial": functools.partial(default, x=data),
        "view": lambda i: float(view[i]),
        "container": (lambda box: lambda i: float(box["x"][0][i]))({"x": [data]}),
    }


@pytest.mark.parametrize("shape", shapes(np.zeros(10)))
def test_no_copy_of_a_placed_array_leaves_the_notebook(shape, client, backend, submitter, data):
    backend.place(data, "data")
    function = shapes(data)[shape]
    total = sent(client)
    assert submitter.submit(function, (7,)).result(30) == function(7)
    assert total[0] < 8000


def test_columns_and_rows_of_a_placed_frame_are_not_sent(client, backend, submitter):
    frame = pd.DataFrame({"a": np.arange(300_000), "b": np.arange(300_000) / 7})
    backend.place(frame, "frame")
    column, rows = frame["b"], frame.iloc[1000:200_000]
    total = sent(client)
    assert submitter.submit(lambda: float(column.sum())).result(30) == column.sum()
    assert submitter.submit(lambda: int(rows["a"].sum())).result(30) == rows["a"].sum()
    assert total[0] < 12_000


def test_parts_of_a_placed_container_are_not_sent(client, backend, submitter, data):
    box = {"deep": [data, {"frame": pd.DataFrame({"a": data})}], "text": "x"}
    backend.place(box, "box")
    array, column = box["deep"][0], box["deep"][1]["frame"]["a"]
    total = sent(client)
    assert submitter.submit(lambda: float(array[1:5].sum() + column.iloc[9])).result(30) == data[1:5].sum() + data[9]
    assert total[0] < 8000


def test_a_function_of_an_importable_module_goes_by_name(client, backend, submitter, data):
    backend.place(data, "data")
    total = sent(client)
    assert submitter.submit(statistics.fmean, (data[:100],)).result(30) == statistics.fmean(data[:100])
    assert total[0] < 5000


def test_a_variable_and_a_persisted_collection_are_their_values(cluster, data):
    cluster.broadcast(data, "data")
    variable = cluster["data"]
    assert cluster.submit(lambda: float(variable[3])).result(30) == data[3]
    assert cluster.submit(lambda box: float(box["x"][4]), {"x": variable}).result(30) == data[4]
    with dask.config.set(scheduler=cluster.client):
        collection = dask.array.from_array(data, chunks=100_000).persist()
    cluster.scatter(collection, "collection")
    assert cluster.submit(lambda: collection.sum().compute(scheduler="sync")).result(30) == pytest.approx(data.sum())


# ---- large captures


def test_a_large_captured_value_is_placed_once_and_said_so(client, submitter, data):
    total = sent(client)
    reports = []
    for i in range(3):
        options = Options(on_report=reports.append)
        assert run_cell(submitter, f"float(data[{i}])", {"data": data}, options=options) == data[i]
    assert total[0] < 10_000
    assert text(reports).count("Placed data (2.29 MiB)") == 1


def test_a_large_argument_and_a_large_attribute_are_placed(client, submitter, data, capsys):
    class Model:
        pass

    model = Model()
    model.weights = data
    total = sent(client)
    assert submitter.submit(lambda x, i: float(x[i]), (data.copy(), 4)).result(30) == data[4]
    assert submitter.submit(lambda i: float(model.weights[i]), (4,)).result(30) == data[4]
    assert total[0] < 8000
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["x", "model"]


def test_a_tuple_beside_a_large_value_is_taken_along_as_it_is(submitter, data):
    none, one = (), (lambda: 0,)
    future = submitter.submit(lambda i: (float(data[i]), none, len(one)), (4,))
    assert future.result(30) == (data[4], (), 1)


def test_a_large_captured_value_is_refused_if_so_asked(submitter, data):
    with pytest.raises(InputError, match=r"data \(2\.29 MiB\) would be copied"):
        run_cell(submitter, "len(data)", {"data": data}, options=Options(auto=False))


def test_what_cannot_be_pickled_is_named_by_its_path(submitter):
    namespace = notebook("class Model: pass\nmodel = Model()\nmodel.callback = Model()")
    namespace["model"].callback.lock = threading.Lock()
    with pytest.raises(UnpicklableError, match=r"^model\.callback\.lock \(of type lock\)"):
        run_cell(submitter, "model", namespace)


# ---- stale values


def test_a_value_changed_in_place_is_placed_anew_and_never_used_old(backend, submitter, data):
    old = backend.place(data, "data")
    assert run_cell(submitter, "float(data[0])", {"data": data}) == data[0]
    data[0] = -1
    assert run_cell(submitter, "float(data[0])", {"data": data}) == -1
    assert backend.origins.lookup(data) != old
    data[0] = -2
    view = data[:1000]
    assert submitter.submit(lambda: float(view[0])).result(30) == -2


def test_a_rebound_variable_is_placed_anew(backend, submitter, data):
    backend.place(data, "data")
    other = data + 1
    assert run_cell(submitter, "float(data[0])", {"data": other}) == other[0]
    assert backend.origins.lookup(other) is not None


def test_a_stale_value_is_refused_if_so_asked(backend, submitter, data):
    backend.place(data, "data")
    with pytest.raises(StaleError, match="data has changed"):
        run_cell(submitter, "len(data)", {"data": data + 1}, options=Options(stale="error"))
    data[0] = 9
    with pytest.raises(StaleError, match="data has changed"):
        run_cell(submitter, "len(data)", {"data": data}, options=Options(stale="error"))

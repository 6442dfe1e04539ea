"""Tasks on real workers, beside data that was scattered by plain Dask: the engine needs no more."""

import functools
import os
import threading
import time
import traceback

import numpy as np
import pandas as pd
import pytest

import moorage
from moorage.errors import InputError, StaleError, UnknownVariableError, UnknownWorkerError, UnpicklableError
from moorage.kernel.compute.submit import Options, Submitter
from tests.kernel.compute.plain_backend import PlainBackend

N = 300_000  # elements of the large array, 2.4 MB


@pytest.fixture(scope="module")
def client():
    with moorage.start(names=["0", "1"], threads_per_worker=1, memory_limit="1GB") as cluster:
        yield cluster.client


@pytest.fixture
def backend(client):
    return PlainBackend(client)


@pytest.fixture
def submitter(backend):
    return Submitter(backend)


@pytest.fixture
def data():
    return np.random.default_rng(0).random(N)


def until(condition, timeout=20):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def sent(client):
    """Count the bytes that the client sends to the scheduler from now on."""
    total = [0]
    original = client._send_to_scheduler

    def counting(message):
        if message.get("op") == "update-graph":
            total[0] += sum(len(frame) for frame in message["expr_ser"].frames)
        original(message)

    client._send_to_scheduler = counting
    return total


# ---- what plain Dask does not do, and this does


def test_a_closure_over_futures_gets_their_values(client, submitter):
    parts = client.scatter([1, 2, 3])
    assert submitter.submit(lambda: sum(parts)).result(30) == 6


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
    def default(i, x=data):
        return float(x[i])

    class Model:
        def __init__(self):
            self.weights = data

        def predict(self, i):
            return float(self.weights[i])

    view = data[5:]
    return {
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
    assert total[0] < 4000


def test_columns_and_rows_of_a_placed_frame_are_not_sent(client, backend, submitter):
    frame = pd.DataFrame({"a": np.arange(N), "b": np.arange(N) / 7})
    backend.place(frame, "frame")
    column, rows = frame["b"], frame.iloc[1000:200_000]
    total = sent(client)
    assert submitter.submit(lambda: float(column.sum())).result(30) == column.sum()
    assert submitter.submit(lambda: int(rows["a"].sum())).result(30) == rows["a"].sum()
    assert total[0] < 12_000


# ---- cells


def run(submitter, source, namespace, **options):
    return submitter.cell(source, namespace, **options).result(30)


def notebook(source=""):
    namespace = {"__name__": "__main__", "np": np}
    exec(source, namespace)
    return namespace


def test_a_cell_uses_variables_and_functions_of_the_notebook(backend, submitter, data):
    namespace = notebook("factor = 2\ndef scaled(i): return float(data[i]) * factor")
    namespace["data"] = data
    backend.place(data, "data")
    assert run(submitter, "i = 3\nscaled(i)", namespace) == data[3] * 2
    assert "i" not in namespace


def test_a_cell_may_rebind_what_its_functions_read_as_in_the_notebook(submitter):
    namespace = notebook("factor = 2\ndef scaled(i): return i * factor")
    assert run(submitter, "factor = 5\nscaled(1)", namespace) == 5
    assert namespace["factor"] == 2


def test_a_variable_that_only_the_cluster_has_is_found_by_name(backend, submitter, data):
    backend.place(data, "data")
    namespace = notebook("def first(): return float(data[0])")
    assert run(submitter, "float(data[0])", namespace) == data[0]
    assert run(submitter, "first()", namespace) == data[0]
    assert submitter.submit(namespace["first"]).result(30) == data[0]
    assert submitter.submit(lambda n: n, (submitter.evaluate("data", namespace),)).result(30)[0] == data[0]


def test_a_variable_placed_by_element_is_its_list_again(backend, submitter):
    parts = [np.full(2000, i) for i in range(4)]
    backend.place_elements(parts, "parts")
    assert run(submitter, "[int(p[0]) for p in parts]", {"parts": parts}) == [0, 1, 2, 3]
    assert run(submitter, "[int(p[0]) for p in parts]", {}) == [0, 1, 2, 3]


def test_an_unknown_name_is_a_name_error_at_its_line(submitter):
    with pytest.raises(NameError, match="nowhere") as caught:
        run(submitter, "x = 1\nnowhere + x", {}, filename="cell 7", first_line=2)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert ("cell 7", 3) in [(f.filename, f.lineno) for f in frames]


def test_a_traceback_has_the_users_frames_only(submitter):
    namespace = notebook()
    exec(compile("def inner(n):\n    return 1 / n", "cell 5", "exec"), namespace)
    with pytest.raises(ZeroDivisionError) as caught:
        run(submitter, "inner(0)", namespace, filename="cell 6", first_line=2)
    files = [f.filename for f in traceback.extract_tb(caught.value.__traceback__)]
    assert files[-2:] == ["cell 6", "cell 5"]
    assert not [f for f in files if "moorage/worker" in f or "dask/" in f]
    assert any("worker" in note for note in caught.value.__notes__)


def test_several_named_results_are_a_tuple(submitter):
    assert run(submitter, "a = 1\nb = a + 1", {}, names=("a", "b")) == (1, 2)


def test_code_that_awaits_runs(submitter):
    assert run(submitter, "import asyncio\nawait asyncio.sleep(0.01, 'slept')", {}) == "slept"


# ---- large captures


def test_a_large_captured_value_is_placed_once_and_said_so(client, submitter, data):
    total = sent(client)
    reports = []
    for i in range(3):
        options = Options(on_report=reports.append)
        assert run(submitter, f"float(data[{i}])", {"data": data}, options=options) == data[i]
    assert total[0] < 6000
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


def test_a_large_captured_value_is_refused_if_so_asked(submitter, data):
    with pytest.raises(InputError, match=r"data \(2\.29 MiB\) would be copied"):
        run(submitter, "len(data)", {"data": data}, options=Options(auto=False))


def test_what_cannot_be_pickled_is_named_by_its_path(submitter):
    namespace = notebook("class Model: pass\nmodel = Model()\nmodel.callback = Model()")
    namespace["model"].callback.lock = threading.Lock()
    with pytest.raises(UnpicklableError, match=r"^model\.callback\.lock \(of type lock\)"):
        run(submitter, "model", namespace)


# ---- stale values


def test_a_value_changed_in_place_is_placed_anew_and_never_used_old(backend, submitter, data):
    old = backend.place(data, "data")
    assert run(submitter, "float(data[0])", {"data": data}) == data[0]
    data[0] = -1
    assert run(submitter, "float(data[0])", {"data": data}) == -1
    assert backend.origins.lookup(data) != old
    data[0] = -2
    view = data[:1000]
    assert submitter.submit(lambda: float(view[0])).result(30) == -2


def test_a_rebound_variable_is_placed_anew(backend, submitter, data):
    backend.place(data, "data")
    other = data + 1
    assert run(submitter, "float(data[0])", {"data": other}) == other[0]
    assert backend.origins.lookup(other) is not None


def test_a_stale_value_is_refused_if_so_asked(backend, submitter, data):
    backend.place(data, "data")
    with pytest.raises(StaleError, match="data has changed"):
        run(submitter, "len(data)", {"data": data + 1}, options=Options(stale="error"))
    data[0] = 9
    with pytest.raises(StaleError, match="data has changed"):
        run(submitter, "len(data)", {"data": data}, options=Options(stale="error"))


# ---- where


WHERE = "from distributed import get_worker\nget_worker().name"


def test_a_task_runs_on_the_workers_asked_for(backend, submitter):
    for worker in backend.workers():
        for asked in (worker.name, worker.address, worker.address.split("://")[1]):
            assert str(run(submitter, WHERE, {}, options=Options(workers=(asked,)))) == worker.name


def test_a_task_runs_near_a_variable_and_where_a_strict_pin_demands(backend, submitter, data):
    backend.place(data, "data", workers=["1"], strict=True)
    assert str(run(submitter, WHERE, {}, options=Options(near="data"))) == "1"
    assert str(run(submitter, WHERE + " if len(data) else 0", {"data": data})) == "1"


def test_unknown_workers_and_variables_are_named(submitter):
    with pytest.raises(UnknownWorkerError, match=r"(?s)no worker 'bob'.*0, 1"):
        run(submitter, "1", {}, options=Options(workers=("bob",)))
    with pytest.raises(UnknownVariableError, match="no variable 'fligths'"):
        run(submitter, "1", {}, options=Options(near="fligths"))


# ---- output


def collect(submitter, source, namespace=None, **options):
    reports = []
    value = run(submitter, source, namespace or {}, options=Options(on_report=reports.append, **options))
    return value, reports


def text(reports, stream="stdout"):
    parts = [part for r in reports if r["kind"] == "output" for part in r["parts"]]
    return "".join(p[2] for p in parts if p[0] == stream)


def test_printed_text_and_warnings_arrive(submitter):
    source = "import sys, warnings\nprint('hello', 1)\nprint('to stderr', file=sys.stderr)\nwarnings.warn('careful')\n7"
    value, reports = collect(submitter, source)
    assert value == 7
    until(lambda: "careful" in text(reports, "stderr"))
    assert text(reports) == "hello 1\n"
    assert "to stderr" in text(reports, "stderr")
    assert {r["on"] for r in reports} <= {"0", "1"}


def test_printed_text_arrives_while_the_task_runs(client, submitter):
    from distributed import Event

    reports = []
    source = "from distributed import Event\nprint('begun')\nassert Event('go-on').wait(30)\nprint('ended')"
    future = submitter.cell(source, {}, Options(on_report=reports.append))
    until(lambda: text(reports) == "begun\n")
    assert not future.done()
    Event("go-on", client=client).set()
    future.result(30)
    until(lambda: text(reports) == "begun\nended\n")


def test_a_flood_of_text_is_cut_and_said_so(submitter):
    _, reports = collect(submitter, "for i in range(30_000): print('x' * 100)")
    until(lambda: "the rest is not shown" in text(reports, "stderr"))
    assert 900_000 < len(text(reports)) < 1_100_000


def test_displayed_objects_and_figures_arrive(submitter):
    source = "\n".join(
        [
            "import pandas as pd, matplotlib.pyplot as plt",
            "print('before')",
            "display(pd.DataFrame({'a': [1]}))",
            "plt.plot([1, 2])",
            "'done'",
        ]
    )
    value, reports = collect(submitter, source)
    assert value == "done"
    until(lambda: sum(r["kind"] == "display" for r in reports) == 2)
    kinds = [r["kind"] for r in reports]
    assert kinds == ["output", "display", "display"]
    assert "<table" in reports[1]["data"]["text/html"]
    assert reports[2]["data"]["image/png"].startswith("iVBOR")


def test_a_task_that_exits_is_an_error_not_the_end(submitter):
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        run(submitter, "raise SystemExit(3)", {})
    assert run(submitter, "1 + 1", {}) == 2


# ---- calls as Dask has them


def test_the_same_call_is_the_same_task_unless_it_is_impure(submitter):
    function = functools.partial(os.getpid)
    first = submitter.submit(function)
    assert submitter.submit(function).key == first.key
    assert submitter.submit(function, pure=False).key != first.key
    assert submitter.submit(function, key="mine").key == "mine"


def test_a_task_that_raises_is_tried_again_as_often_as_asked(submitter, tmp_path):
    def flaky(path):
        with open(path, "a") as f:
            f.write("x")
        if os.path.getsize(path) < 3:
            raise OSError("not yet")
        return os.path.getsize(path)

    path = str(tmp_path / "count")
    assert submitter.submit(flaky, (path,), options=Options(retries=5)).result(30) == 3


def test_a_limit_lets_so_many_run_at_once(client, submitter, tmp_path):
    def alone(path):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        time.sleep(0.05)
        os.unlink(path)
        return True

    path = str(tmp_path / "lock")
    futures = [submitter.submit(alone, (path,), options=Options(limits={"db": 1}), pure=False) for _ in range(6)]
    assert all(client.gather(futures))


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="limit of 0 for db"):
        Options(limits={"db": 0})
    with pytest.raises(InputError, match="negative"):
        Options(retries=-1)


def test_the_cluster_is_as_before_once_the_worker_side_is_taken_off(client):
    submitter = Submitter(PlainBackend(client))
    assert submitter.submit(lambda: 1).result(30) == 1
    submitter.close()

    def state():
        import builtins
        import sys

        return type(sys.stdout).__name__, hasattr(builtins, "display")

    assert {name for name, _ in client.run(state).values()} == {"TextIOWrapper"}
    assert not any(there for _, there in client.run(state).values())
    assert not [k for k in client.run(lambda dask_worker: list(dask_worker.plugins)).values() if "moorage" in str(k)]
    again = Submitter(PlainBackend(client))
    assert again.submit(lambda: 2).result(30) == 2

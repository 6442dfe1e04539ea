"""Placed values on real workers: what they have is what the notebook placed, however it came to them."""

import contextlib
import dataclasses
import os

import dask.config
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

import moorage
from moorage.errors import DoesNotFitError
from moorage.kernel.images.sending import MODULE
from tests.helpers import eventually
from tests.kernel.images import agents
from tests.workers import Workers


@pytest.fixture(scope="module")
def cluster():
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="1GB") as controller:
        yield controller


@pytest.fixture(autouse=True)
def _release(cluster):
    yield
    cluster.release(*cluster.placement())


@dataclasses.dataclass
class Pair:
    one: object
    other: object


def make():
    grid = np.arange(40_000.0).reshape(200, 200)
    value = {
        "grid": grid,
        "again": grid,
        "rows": grid[20:90],
        "matrix": grid.view(np.matrix),
        "masked": np.ma.masked_greater(grid, 100),
        "records": np.zeros(900, [("a", "i4"), ("b", "f8")]).view(np.recarray),
        "pair": Pair(grid, [grid]),
        "frame": pd.DataFrame({"t": pd.date_range("2020", periods=2000, tz="Europe/Berlin"), "x": np.ones(2000)}),
        "table": pa.table({"a": range(2000), "s": ["x"] * 2000}),
        "sparse": sparse.random(200, 200, 0.3, "csr", random_state=0),
        "texts": ["a", "b"] * 3000,
    }
    value["itself"] = value
    return value


def check(value):
    """Raise unless `value` is what `make` makes."""
    grid = np.arange(40_000.0).reshape(200, 200)
    assert list(value)[:4] == ["grid", "again", "rows", "matrix"]
    assert value["grid"] is value["again"] is value["pair"].one is value["pair"].other[0]
    assert value["itself"] is value
    assert (value["grid"] == grid).all()
    assert (value["rows"] == grid[20:90]).all()
    assert type(value["matrix"]) is np.matrix
    assert type(value["records"]) is np.recarray
    assert type(value["masked"]) is np.ma.MaskedArray
    assert value["masked"].count() == 101
    assert str(value["frame"]["t"].dt.tz) == "Europe/Berlin"
    assert value["table"]["a"].to_pylist() == list(range(2000))
    assert value["sparse"].nnz == 12_000
    return True


def test_a_value_is_the_same_on_each_worker_and_when_it_comes_back(cluster):
    value = make()
    cluster.broadcast(value, name="value")  # one gets it from the notebook, and the other from that one
    future = cluster["value"].future
    assert list(cluster.client.run(lambda dask_worker: check(dask_worker.data[future.key])).values()) == [True, True]
    assert check(cluster.gather("value"))
    assert check(future.result())
    assert cluster.client.submit(check, future).result()
    assert cluster.submit(check, value).result()


def test_what_is_gathered_is_the_notebooks_own_and_what_a_worker_has_is_nobodys(cluster):
    data = np.arange(50_000)
    cluster.broadcast(data, name="data")
    back = cluster.gather("data")
    back[0] = -1
    assert cluster["data"].future.result()[0] == 0

    def write(_=0):
        data[0] = -1

    with pytest.raises(ValueError, match="read-only") as raised:
        cluster.submit(write).result()
    assert any("Copy it first" in note and "--writable" in note for note in raised.value.__notes__)
    with pytest.raises(ValueError, match="read-only") as raised:
        cluster.map(write, [1]).gather()
    assert any("Copy it first" in note and "--writable" in note for note in raised.value.__notes__)


def test_who_writes_to_what_is_read_only_of_its_own_is_told_nothing_of_placed_data(cluster):
    data = np.arange(50_000)
    cluster.broadcast(data, name="data")

    def write_to_own(_=0):
        own = np.arange(10)
        own.flags.writeable = False
        own[0] = 1

    for start in (lambda: cluster.submit(write_to_own).result(), lambda: cluster.map(write_to_own, [1]).gather()):
        with pytest.raises(ValueError, match="read-only") as raised:
            start()
        assert not any("--writable" in note for note in raised.value.__notes__)


class Notes:
    def __init__(self):
        self.data = np.arange(50_000)


def noted(value):
    """Change what was given, and return it, as is usual with frames."""
    if isinstance(value, Notes):
        value.new = 1
    elif isinstance(value, list):
        value.append("new")
    else:
        value["new"] = 1
    return value


@pytest.mark.parametrize("make", [lambda: pd.DataFrame({"x": np.ones(50_000)}), lambda: [np.ones(50_000), 1], Notes])
def test_a_task_that_changes_what_it_is_given_and_returns_it_returns_it_changed(cluster, make):
    value = make()

    def is_noted(value):
        if isinstance(value, list):
            return value[-1:] == ["new"]
        return "new" in (vars(value) if isinstance(value, Notes) else value)

    cluster.broadcast(value, name="value")
    for alone in (False, True):
        task = (cluster if alone else cluster.client).submit(noted, cluster["value"].future, pure=False)
        assert is_noted(task.result())
        for worker in cluster.workers():
            assert cluster.client.submit(is_noted, task, workers=[worker.name], pure=False).result()
    assert not is_noted(value)


PARTS = {
    "a row": lambda v: v["grid"][7],
    "a view": lambda v: v["rows"][::-2, 10:50],
    "an array in an object": lambda v: v["pair"].one[:, 3:],
    "masked": lambda v: v["masked"][:50],
    "a matrix": lambda v: v["matrix"][3:90],
    "a column": lambda v: v["frame"]["x"],
    "times": lambda v: v["frame"]["t"].iloc[100:],
    "a sparse matrix": lambda v: v["sparse"][20:],
    "data of a sparse matrix": lambda v: v["sparse"].data[100:],
    "a column of a table": lambda v: v["table"]["a"],
}


def test_parts_of_a_placed_value_are_those_of_the_notebook(cluster):
    value = make()
    cluster.broadcast(value, name="value")
    for what, part in PARTS.items():
        here = part(value)
        there = cluster.submit(lambda: here, pure=False).result()  # noqa: B023
        mapped = cluster.map(lambda _: here, range(2)).gather()[1]  # noqa: B023
        assert type(there) is type(here), what
        for copy in (there, mapped):
            assert str(copy) == str(here), what


def test_parts_are_right_on_a_worker_whose_disk_the_value_was_on(cluster):
    value = make()
    cluster.broadcast(value, name="value")
    key, grid = cluster["value"].future.key, value["grid"]

    def spill(dask_worker):
        if hasattr(dask_worker.data, "unshare"):  # what is shared is never spilled
            dask_worker.data.unshare()
        while dask_worker.data.fast:
            dask_worker.data.evict()
        return key in dask_worker.data.disk and key not in dask_worker.data.memory

    assert all(cluster.client.run(spill).values())
    assert cluster.submit(lambda: float(grid[7].sum()), pure=False).result() == grid[7].sum()
    assert cluster.submit(check, value, pure=False).result()
    assert all(cluster.client.run(spill).values())
    assert check(cluster.gather("value"))


def test_parts_are_right_when_the_value_had_to_be_sent_again(cluster):
    value = make()
    cluster.broadcast(value, name="value")
    cluster.pin("value", workers=["alice"])
    eventually(lambda: cluster.placement()["value"].holders == ["alice"])
    before = {worker.name: worker.address for worker in cluster.workers()}["alice"]
    with contextlib.suppress(OSError):
        cluster.client.run(os._exit, 1, workers=[before], on_error="ignore")
    eventually(lambda: before not in {worker.address for worker in cluster.workers()})
    grid = value["grid"]
    assert cluster.submit(lambda: float(grid[7].sum())).result() == grid[7].sum()
    assert cluster.submit(check, value).result()


def test_workers_keep_no_image_of_what_is_released(cluster):
    cluster.broadcast(make(), name="value")
    cluster.broadcast(np.arange(10_000), name="array")

    def known(much_later):
        import sys

        table = sys.modules[MODULE].table
        if much_later:  # what is on its way is let go of, too
            table._clock = lambda: 1e12
        return len(table)

    eventually(lambda: set(cluster.client.run(known, False).values()) == {2})
    cluster.release("value", "array")
    eventually(lambda: set(cluster.client.run(known, True).values()) == {0})


def test_sizes_count_what_lies_inside_objects(cluster):
    cluster.broadcast(Pair(np.ones(1_000_000), None), name="pair")
    assert cluster.placement()["pair"].nbytes == pytest.approx(8e6, rel=0.01)
    with dask.config.set({"moorage.images.share": False}), pytest.raises(DoesNotFitError):
        cluster.broadcast(Pair(np.empty(150_000_000), None), name="large")


@st.composite
def boxes(draw):
    """A container of views of a few arrays, some of which share memory."""
    bases = [np.full((50, 60), float(n)) + np.arange(60) for n in range(draw(st.integers(1, 3)))]
    cuts = [lambda a: a, lambda a: a[5:], lambda a: a[:, ::2], lambda a: a.T, lambda a: a[::-1], lambda a: a.ravel()]
    views = [draw(st.sampled_from(cuts))(draw(st.sampled_from(bases))) for _ in range(draw(st.integers(1, 4)))]
    leaf = st.sampled_from([*views, *bases, "text"])
    box = draw(st.lists(leaf, min_size=1, max_size=4) | st.dictionaries(st.sampled_from("abcd"), leaf, min_size=1))
    return box, [*views, *bases]


@given(boxes())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_a_task_computes_of_any_part_is_what_the_notebook_computes(cluster, drawn):
    box, arrays = drawn
    wanted = [a[1:].sum() for a in arrays]
    cluster.broadcast(box, name="box")
    first, holder = arrays[0], Pair(arrays[-1], box)
    assert cluster.submit(lambda: [a[1:].sum() for a in arrays], pure=False).result() == wanted
    assert cluster.submit(
        lambda args, a=first: ([x[1:].sum() for x in args], a.sum()), arrays, pure=False
    ).result() == (
        wanted,
        first.sum(),
    )
    assert cluster.submit(lambda: float(holder.one.sum()), pure=False).result() == holder.one.sum()
    assert cluster.map(lambda a: a[1:].sum(), arrays).gather() == wanted


def test_nothing_of_it_is_left_on_workers_once_moorage_is_taken_away():
    with Workers("alice", config={"distributed.worker.memory.terminate": 0.95}) as workers:

        def anatomy(dask_worker):
            import sys

            handlers = {name: handler.__code__.co_filename for name, handler in dask_worker.handlers.items()}
            dump = getattr(dask_worker.data._slow_uncached.dump, "func", None)
            ours = sorted(name for name in (*sys.modules, *dask_worker.plugins) if name.startswith("moorage_"))
            measure = dask_worker.monitor.get_process_memory.__qualname__
            kinds = type(dask_worker.data).__name__, measure
            return handlers, sorted(dask_worker.periodic_callbacks), getattr(dump, "__name__", ""), ours, kinds

        def nanny_anatomy(dask_worker):
            return type(dask_worker.periodic_callbacks["memory_monitor"].callback).__name__, list(dask_worker.plugins)

        run = workers.client.run
        (before,) = run(anatomy).values()
        (nanny_before,) = run(nanny_anatomy, nanny=True).values()
        with moorage.attach(workers.address) as controller:
            controller.broadcast(np.arange(5000), "data")
            assert controller.submit(sum, [1, 2]).result() == 3
            assert list(run(anatomy).values()) != [before]
            assert list(run(nanny_anatomy, nanny=True).values()) != [nanny_before]
            controller.client.sync(controller._link.uninstall)
            eventually(lambda: list(run(anatomy).values()) == [before])
            assert list(run(nanny_anatomy, nanny=True).values()) == [nanny_before]


def test_a_piece_that_comes_again_is_acknowledged_again(cluster):
    """Whoever spreads sends a few at a time: it would wait for ever for those that an agent had from elsewhere."""
    cluster.broadcast(np.ones(10), name="small")
    assert agents.send_twice(cluster, cluster.workers()[0].address) == [(0,), (0,)]

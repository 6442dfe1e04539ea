"""Values of many types on the workers of a host: equal to the last bit, of their class, and there once."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier

import moorage
from moorage.images.format import encode
from tests.helpers import eventually
from tests.two_workers import release_all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

N = 1_600_000
MIB = 1 << 20
NOISE = 3 * MIB
"""Bytes by which the memory of a worker comes and goes by itself."""

X = np.random.default_rng(0).random(N)
GRID = X.reshape(1000, 1600)
RECORDS = np.zeros(N, [("id", "i4"), ("pos", "f8")])
RECORDS["pos"] = X
TIMES = np.arange(N).astype("M8[s]")


def frame():
    return pd.DataFrame(
        {
            "f": X,
            "i": np.arange(N),
            "nullable": pd.array(np.arange(N) % 100, "Int64"),
            "category": pd.Categorical.from_codes(np.arange(N) % 3, ["a", "b", "c"]),
            "arrow": pd.array(pa.array(["some text"] * N), dtype="string[pyarrow]"),
            "time": TIMES,
            "zone": pd.DatetimeIndex(TIMES, tz="Europe/Berlin"),
            "took": pd.to_timedelta(np.arange(N), unit="s"),
        },
        index=pd.Index(np.arange(N)[::-1], name="row"),
    )


def dataset():
    times = TIMES.astype("M8[ns]")  # an xarray of 2024 takes no others without a warning
    array = xr.DataArray(GRID, dims=("y", "x"), coords={"y": times[:1000]}, attrs={"unit": "m"})
    return xr.Dataset({"height": array, "when": (("t",), times)})


def fitted():
    return KNeighborsClassifier(algorithm="kd_tree").fit(GRID[:, :8].repeat(100, 0), np.arange(100_000) % 3)


def nested():
    x = X.copy()
    return {"b": [x, (x[::2], {"again": x})], "a": frame()[["f", "zone"]], 3: TIMES, "text": "short", None: GRID.T}


def linear():
    return LinearRegression().fit(GRID[:40, :800], GRID[:40])


MAPPED = {
    "array": lambda: GRID,
    "memoryview": lambda: memoryview(GRID),
    "Fortran": lambda: np.asfortranarray(GRID),
    "stepped": lambda: X.repeat(2)[::-2],
    "records": lambda: RECORDS,
    "texts": lambda: np.array(["some", "é" * 8] * (N // 8)),
    "times": lambda: TIMES,
    "durations": lambda: np.arange(N).astype("m8[us]"),
    "masked": lambda: np.ma.masked_greater(GRID, 0.5),
    "matrix": lambda: GRID.view(np.matrix),
    "recarray": lambda: RECORDS.view(np.recarray),
    "frame": frame,
    "series with a zone": lambda: frame()["zone"],
    "index of times": lambda: pd.DatetimeIndex(TIMES, tz="Asia/Tokyo"),
    "multi-index": lambda: pd.Series(X, pd.MultiIndex.from_product([range(1000), range(1600)], names=["y", "x"])),
    "CSR": lambda: sparse.random(2000, 2000, 0.2, "csr", random_state=0),
    "COO": lambda: sparse.random(2000, 2000, 0.2, "coo", random_state=0),
    "Arrow table": lambda: pa.table({"x": X, "text": ["some text", None] * (N // 2), "when": TIMES}),
    "xarray": dataset,
    "k-d tree": fitted,
    "linear model": linear,
    "nested": nested,
}
COPIED = {
    "str": lambda: "some text" * N,
    "wide str": lambda: "grün🐟" * N,
    "bytes": lambda: X.tobytes(),
    "bytearray": lambda: bytearray(X.tobytes()),
    "texts in a list": lambda: ["a" * (4 * N), b"b" * (4 * N)],
}


@pytest.fixture(scope="module")
def shared():
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="1GB") as controller:
        # what loading them imports and sets up takes memory, too
        controller.broadcast([make() for make in MAPPED.values()], name="before", whole=True)
        controller.client.run(digest_of, controller["before"].keys[0])
        controller.release("before")
        yield controller


@pytest.fixture
def cluster(shared):
    yield shared
    eventually(lambda: not release_all(shared))


def digest_of(key, dask_worker):
    """Return the digests of what a worker has, all of which is read for it, and its class.

    Of the buffers: which equal texts of its stream are one object, such as the names of attributes, differs by process.
    """
    value = dask_worker.data[key]
    return encode(value).digests, type(value).__name__


def memory(pid):
    """Return the bytes that a process has for itself, and its share of all it uses."""
    files = [Path("/proc", str(pid), name).read_text().splitlines() for name in ("status", "smaps_rollup")]
    own, share = (
        next(line for line in lines if line.startswith(name))
        for lines, name in zip(files, ("RssAnon:", "Pss:"), strict=True)
    )
    return int(own.split()[1]) * 1024, int(share.split()[1]) * 1024


def placed(cluster, value):
    """Broadcast `value`; return what the workers' memory has grown by: the most of one's own, and the sum of all."""
    pids = cluster.client.run(os.getpid).values()
    before = [memory(pid) for pid in pids]
    cluster.broadcast(value, name="value", whole=True)
    (key,) = cluster["value"].keys
    image = encode(value)
    assert list(cluster.client.run(digest_of, key).values()) == [(image.digests, type(value).__name__)] * 2
    own, share = np.subtract([memory(pid) for pid in pids], before).T
    return own.max(), share.sum(), image.nbytes


def assert_equal(a, b):
    assert type(a) is type(b)
    match a:
        case pd.DataFrame():
            assert list(a.dtypes.items()) == list(b.dtypes.items())
            assert a.equals(b)
            assert_equal(a.index, b.index)
        case pd.Series():
            assert (a.dtype, a.name) == (b.dtype, b.name)
            assert a.equals(b)
            assert_equal(a.index, b.index)
        case pd.Index():
            pd.testing.assert_index_equal(a, b)
        case np.ma.MaskedArray():
            assert_equal(np.asarray(a.data), np.asarray(b.data))
            assert_equal(np.asarray(a.mask), np.asarray(b.mask))
        case np.ndarray():
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert [n for n in a.strides if n > 0] == [n for n in b.strides if n > 0] or not b.flags.forc
            assert np.array_equal(np.asarray(a), np.asarray(b))
        case dict():
            assert list(a) == list(b)
            for key in a:
                assert_equal(a[key], b[key])
        case list() | tuple():
            for one, other in zip(a, b, strict=True):
                assert_equal(one, other)
        case pa.Table() | str() | bytes() | bytearray() | memoryview() | None:
            assert a == b
        case xr.Dataset():
            xr.testing.assert_identical(a, b)
        case _ if sparse.issparse(a):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            assert (a != b).nnz == 0
        case _:
            assert np.array_equal(a.predict(GRID[:100, : a.n_features_in_]), b.predict(GRID[:100, : a.n_features_in_]))


@pytest.mark.parametrize("kind", MAPPED)
def test_it_is_there_once_and_as_it_was(cluster, kind):
    value = MAPPED[kind]()
    own, in_all, nbytes = placed(cluster, value)
    assert nbytes > 2 * NOISE
    assert own < NOISE
    assert in_all < nbytes + 2 * NOISE
    eventually(lambda: cluster.sharing("value")["value"] == "shared by alice, bob")
    assert_equal(cluster.gather("value"), value)


@pytest.mark.parametrize("kind", COPIED)
def test_what_each_worker_needs_of_its_own_is_as_it_was_and_told(cluster, kind):
    value = COPIED[kind]()
    own, _, nbytes = placed(cluster, value)
    assert own < 4 * nbytes + NOISE  # as wide as its widest character
    assert cluster.sharing("value")["value"].startswith("a copy on alice, bob (")
    assert_equal(cluster.gather("value"), value)


def test_of_python_objects_in_an_array_each_worker_has_its_own(cluster):
    value = np.array([{"n": n} for n in range(50_000)], dtype=object)
    cluster.broadcast(value, name="value")
    assert_equal(cluster.gather("value"), value)
    assert cluster.sharing("value")["value"].startswith("a copy on alice, bob (")

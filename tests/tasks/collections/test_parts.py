"""What a task computes of a part of a placed value is what the notebook computes, whatever the part and its use."""

import copy
import types

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.neighbors import KNeighborsClassifier

from moorage.images.carrier import Table
from moorage.kernel.values.fingerprint import image_of
from moorage.kernel.values.value_registry import ValueRegistry
from moorage.tasks.references import dumps
from moorage.worker.unpickling.code import ours
from moorage.worker.unpickling.references import loads

N = 3000


class Thing:
    """An object that keeps what it computes."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def total(self):
        if not hasattr(self, "_total"):
            self._total = np.full(N, float(self.data.sum()))
        return self._total[0]


def make():
    base = np.arange(4.0 * N).reshape(-1, 4)
    table = pa.table({"a": range(N), "b": [None, 2] * (N // 2), "s": ["x"] * N})
    frame = pd.DataFrame(
        {
            "f": base[:, 1],
            "t": pd.date_range("2020", periods=N, tz="Europe/Berlin"),
            "c": pd.Categorical(["u", "v"] * (N // 2)),
            "k": pd.array([1, None] * (N // 2), "Int64"),
            "o": np.array([{1}, None] * (N // 2), dtype=object),
        }
    )
    return {
        "base": base,
        "again": base,
        "rows": base[100:2000],
        "every third": base[::3],
        "backwards": base[::-1],
        "read-only": np.broadcast_to(base[0], (50, 4)),
        "masked": np.ma.masked_greater(base, 50),
        "records": np.zeros(N, [("a", "i4"), ("b", "f8")]).view(np.recarray),
        "times": np.arange(N).astype("M8[s]"),
        "objects": np.array([[1], "two"] * 50, dtype=object),
        "frame": frame,
        "half": frame.iloc[: N // 2],
        "table": table,
        "sparse": sparse.random(100, 100, 0.5, "csr", random_state=0),
        "thing": Thing(data=base[:, 2].copy(), deep=[Thing(data=base)]),
        "model": KNeighborsClassifier(3).fit(base[:50], np.arange(50) % 3),
    }


PARTS = {
    "an array": lambda v: v["base"],
    "a column": lambda v: v["base"][:, 1],
    "a view": lambda v: v["rows"][7::5, ::-2],
    "overlapping": lambda v: (v["rows"][5:], v["base"][103:]),
    "twice": lambda v: [v["base"], v["again"]],
    "of what is strided": lambda v: v["every third"][10:],
    "of what is reversed": lambda v: v["backwards"][3:900],
    "of what is read-only": lambda v: v["read-only"][::2],
    "of what is masked": lambda v: v["masked"][20:],
    "records": lambda v: v["records"][5:].b,
    "times": lambda v: v["times"][::7],
    "objects": lambda v: v["objects"][3:],
    "a series": lambda v: v["frame"]["f"],
    "times of a frame": lambda v: v["frame"]["t"].iloc[9:],
    "columns": lambda v: v["frame"][["c", "k", "f"]].iloc[:99],
    "objects of a frame": lambda v: v["frame"]["o"].head(9),
    "of a view of a frame": lambda v: v["half"]["f"].to_numpy()[5:],
    "a column of a table": lambda v: v["table"]["b"],
    "a slice of a table": lambda v: v["table"].slice(7, 50),
    "of a sparse matrix": lambda v: v["sparse"].data[9:],
    "rows of a sparse matrix": lambda v: v["sparse"][20:40],
    "of an object": lambda v: v["thing"].data[1:],
    "an object": lambda v: v["thing"].deep[0],
    "of a model": lambda v: v["model"]._fit_X[3:],
}


def text(part):
    """All of the content of a part, as something that can be compared."""
    match part:
        case list() | tuple():
            return [text(each) for each in part]
        case Thing():
            return text(part.data)
        case np.ma.MaskedArray():
            return "masked", text(part.filled(-1)), part.mask.tolist()
        case np.ndarray() if part.dtype.hasobject:
            return part.tolist()
        case np.ndarray():
            return type(part).__name__, str(part.dtype), part.shape, part.tobytes()
        case pd.DataFrame() | pd.Series():
            return type(part).__name__, part.reset_index().astype(str).to_numpy().tolist(), str(part.dtypes)
        case pa.Table() | pa.ChunkedArray():
            return str(part.type if isinstance(part, pa.ChunkedArray) else part.schema), part.to_pylist()
        case _ if sparse.issparse(part):
            return part.shape, part.toarray().tobytes()
    return part


def arrived(value, table, how):
    """What a worker has of a value: as it was placed, or as it came another way; used by other tasks before."""
    image = image_of(value)
    if how == "another way":
        return copy.deepcopy(value)
    there = table.loads(image.stream, buffers=image.buffers)
    if how == "used before":
        if "thing" in there:
            there["thing"].total()
            there["model"].predict(np.zeros((3, 4)))
            str(there["frame"])
        there["0"] = there.pop(next(iter(there)))
        there["cache"] = np.zeros((N, 4))
    return there


def used(how, part):
    """The part as an argument, or in code that uses it, and what a worker makes of that to have the part again."""
    match how:
        case "argument":
            return part, lambda it: it
        case "closure":
            return (lambda: part), lambda it: it()
        case "default":

            def function(x=part):
                return x

            return function, lambda it: it()
        case "global":
            namespace = {"__name__": "__main__", "part": part}
            exec("def function(): return part", namespace)
            return namespace["function"], lambda it: it()
        case "attribute":
            return types.SimpleNamespace(x=[part]), lambda it: it.x[0]
        case _:
            return [1, {"x": (part, "text")}], lambda it: it[1]["x"][0]


USES = ["argument", "closure", "default", "global", "attribute", "item"]


def computed(value, parts, use, way):
    """What a worker has of parts, and what the notebook has, as `text`."""
    origins = ValueRegistry()
    origins.remember("key", value, image_of(value))
    table = Table("")
    results = []
    for part in parts:
        sent, get = used(use, part)
        payload = dumps(sent, origins)
        values = [arrived(value, table, way)] if payload.keys else []
        results.append(text(get(loads(payload.data, values, ours(), table))))
    return results, [text(part) for part in parts]


@pytest.mark.parametrize("way", ["as it was placed", "used before", "another way"])
@pytest.mark.parametrize("use", USES)
def test_a_worker_has_the_notebooks_part_of_a_value_of_many_kinds(use, way):
    value = make()
    there, here = computed(value, [part(value) for part in PARTS.values()], use, way)
    for what, a, b in zip(PARTS, there, here, strict=True):
        assert a == b, what


@given(
    st.lists(st.sampled_from(sorted(make())), min_size=1, max_size=6),
    st.sampled_from(sorted(PARTS)),
    st.sampled_from(USES),
    st.sampled_from(["as it was placed", "used before", "another way"]),
)
@settings(max_examples=60)
def test_also_if_only_some_of_it_is_placed_in_any_order(names, what, use, way):
    value = make()
    placed = {str(number): value[name] for number, name in enumerate(names)}
    there, here = computed(placed, [PARTS[what](value)], use, way)
    assert there == here


def test_parts_of_a_large_value_are_not_sent():
    value = make()
    origins = ValueRegistry()
    origins.remember("key", value, image_of(value))
    for what in ("a view", "twice", "times", "times of a frame", "of a sparse matrix", "of an object", "of a model"):
        payload = dumps(PARTS[what](value), origins)
        assert payload.keys == ("key",), what
        assert payload.nbytes < 3000, what

"""Reading a value is not changing it, whatever it caches; changing it is."""

import dataclasses
import functools
import sys
import types

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier

from moorage.kernel.values.changes import change, written
from moorage.kernel.values.fingerprint import image_of

X = np.random.default_rng(0).random((200, 3))
Y = (X[:, 0] > 0.5).astype(int)

graphs = types.ModuleType("graphs_of_this_test")
sys.modules[graphs.__name__] = graphs


class Graph:
    """As networkx has it: views that are made when they are first asked for, and kept."""

    def __init__(self):
        self.edges = [(1, 2), (2, 3)]

    @functools.cached_property
    def nodes(self):
        return sorted({node for edge in self.edges for node in edge})


Graph.__module__ = graphs.__name__
graphs.Graph = Graph


@dataclasses.dataclass
class Box:
    one: object = None
    other: object = None


def used(graph):
    assert graph.nodes
    return graph


def times():
    return pd.Series(pd.date_range("2020", periods=500, tz="UTC"))


def frame():
    return pd.DataFrame(
        {
            "t": pd.date_range("2020", periods=2000, freq="min", tz="Europe/Berlin"),
            "s": ["x", None] * 1000,
            "c": pd.Categorical(["a", "b"] * 1000),
            "f": np.linspace(0, 1, 2000),
        },
        index=pd.MultiIndex.from_product([range(20), range(100)], names=["p", "q"]),
    )


READ = {
    "a frame": (frame, lambda d: (str(d), d.describe(), d.loc[(3, 4)], d["c"].value_counts(), d["t"].dt.hour.sum())),
    "times": (
        lambda: pd.Series(pd.date_range("2020", periods=500, tz="UTC")),
        lambda s: (str(s), s.dt.tz, s.is_unique),
    ),
    "a graph": (Graph, lambda g: g.nodes),
    "neighbours": (lambda: KNeighborsClassifier(algorithm="kd_tree").fit(X, Y), lambda m: m.predict(X)),
    "balls": (lambda: KNeighborsClassifier(algorithm="ball_tree").fit(X, Y), lambda m: m.predict(X)),
    "a table": (lambda: pa.table({"a": range(3000), "s": ["x"] * 3000}), lambda t: (str(t), t.to_pandas())),
    "a sparse matrix": (lambda: sparse.random(90, 90, 0.3, "csr", random_state=0), lambda m: (m.T @ m, m[3], str(m))),
}


@pytest.mark.parametrize("what", READ)
def test_reading_changes_nothing(what):
    make, read = READ[what]
    value = make()
    before = written(image_of(value))
    read(value)
    assert change(before, image_of(value)) is None


CHANGED = {
    "a cell": (frame, lambda d: d.iloc.__setitem__((0, 3), 9.0)),
    "a column": (frame, lambda d: d.insert(0, "new", 1)),
    "a name": (frame, lambda d: setattr(d, "columns", [*"tsc", "g"])),
    "attributes of a frame": (frame, lambda d: d.attrs.update(unit="m")),
    "a zone": (frame, lambda d: d.__setitem__("t", d["t"].dt.tz_convert("UTC"))),
    "a graph": (Graph, lambda g: g.edges.append((3, 4))),
    "an attribute": (Graph, lambda g: setattr(g, "colour", "red")),
    "a cached property that is replaced": (
        lambda: (lambda g: (g.nodes, g)[1])(Graph()),
        lambda g: setattr(g, "nodes", 1),
    ),
    "a fitted model": (LinearRegression, lambda m: m.fit(X, Y)),
    "a model fitted anew": (lambda: KNeighborsClassifier().fit(X, Y), lambda m: m.fit(X + 1, Y)),
    "a _cache of one's own": (lambda: Box({}), lambda b: setattr(b, "_cache", {1: 2})),
    "a list": (lambda: Box([1, [2, 3]]), lambda b: b.one[1].append(4)),
    "sharing": (lambda: Box([1], [1]), lambda b: setattr(b, "other", b.one)),
    "a type": (lambda: Box(1), lambda b: setattr(b, "one", True)),
    "order": (lambda: {"a": 1, "b": 2}, lambda d: d.update(a=d.pop("a"))),
    "a large array": (lambda: [np.zeros(5000)], lambda v: v[0].__setitem__(7, 1.0)),
    "a function": (lambda: Box(lambda: 1), lambda b: setattr(b, "one", lambda: 2)),
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_changes_a_value_is_a_change(what):
    make, act = CHANGED[what]
    value = make()
    before = written(image_of(value))
    act(value)
    assert change(before, image_of(value)) is not None


def test_it_is_told_where():
    value = {"a": [1, {"b": np.zeros(3000)}], "c": 2}
    before = written(image_of(value))
    value["a"][1]["b"][5] = 1
    assert change(before, image_of(value)) == "['a'][1]['b']"
    value["d"] = 1
    assert change(before, image_of(value)) == "['d']"


def test_equal_strings_that_are_other_objects_are_no_change():
    one, other = "text" * 3, "".join(["text"] * 3)
    assert one is not other
    assert image_of([one, other]).digest != image_of([one, one]).digest
    assert change(written(image_of([one, other])), image_of([one, one])) is None


def test_what_cannot_be_compared_counts_as_changed():
    assert change(None, image_of([1])) == ""
    large = ["x" * 100] * 2 + [str(n) for n in range(200_000)]
    assert written(image_of(large)) is None


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3) | st.floats(allow_nan=False) | st.just(np.arange(2000)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
        max_leaves=12,
    ),
    st.integers(0, 3),
)
@settings(max_examples=150)
def test_any_replaced_element_of_any_container_is_a_change(value, which):
    box = [value]
    before = written(image_of(box))
    assert change(before, image_of(box)) is None
    places = []

    def visit(container):
        for key, item in container.items() if isinstance(container, dict) else enumerate(container):
            places.append((container, key))
            if isinstance(item, list | dict):
                visit(item)

    visit(box)
    container, key = places[which % len(places)]
    container[key] = "something else"
    assert change(before, image_of(box)) is not None

"""Values are taken apart and put together again in the same shape, also by a notebook that has only the wire form."""

import io
from collections import OrderedDict, namedtuple
from typing import NamedTuple

import pytest
from distributed.protocol import dumps, loads
from hypothesis import given
from hypothesis import strategies as st

from moorage.errors import InputError, NotPlaceableError
from moorage.kernel.placement.structure import Structure, futures_in, take_apart


class Pair(NamedTuple):
    left: object
    right: object


class Odd(namedtuple("Odd", "a b")):
    """A namedtuple whose constructor takes something else."""

    def __new__(cls, both):
        return super().__new__(cls, both, both)


class List(list):
    pass


keys = st.recursive(
    st.text(max_size=4) | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)
elements = st.integers() | st.text(max_size=5) | st.none()
collections = (
    st.lists(elements, min_size=1)
    | st.lists(elements, min_size=1).map(tuple)
    | st.sets(elements, min_size=1)
    | st.frozensets(elements, min_size=1)
    | st.dictionaries(keys, elements, min_size=1)
    | st.builds(Pair, elements, elements)
)


def over_the_wire(wire):
    return loads(dumps(wire))


@given(collections)
def test_what_is_taken_apart_is_put_together_again(value):
    structure, parts = take_apart(value)
    assert structure.kind == ("namedtuple" if isinstance(value, Pair) else type(value).__name__)
    assert len(parts) == len(value)
    again = structure.put_together(parts)
    assert again == value
    assert type(again) is type(value)


@given(collections)
def test_the_shape_survives_the_wire(value):
    structure, parts = take_apart(value)
    received = Structure.from_dict(over_the_wire(structure.to_dict()))
    assert received == structure
    again = received.put_together(parts)
    assert again == value
    if not isinstance(value, Pair):
        assert type(again) is type(value)
    else:
        assert (type(again).__name__, again.left, again.right) == ("Pair", *value)


@given(collections | elements)
def test_whole_is_one_value(value):
    structure, parts = take_apart(value, whole=True)
    assert (structure, parts) == (Structure(), [value])
    assert Structure.from_dict(over_the_wire(structure.to_dict())).put_together(parts) is parts[0]


@pytest.mark.parametrize("value", [List([1]), OrderedDict(a=1), "text", b"bytes", bytearray(b"x"), None, 5, List])
def test_all_else_is_one_value(value):
    assert take_apart(value) == (Structure(), [value])


def test_a_namedtuple_is_put_together_without_its_constructor():
    structure, parts = take_apart(Odd("x"))
    assert structure.put_together(parts) == ("x", "x")
    assert type(structure.put_together(parts)) is Odd


def test_a_range_becomes_a_list():
    structure, parts = take_apart(range(3))
    assert structure.put_together(parts) == [0, 1, 2]


@pytest.mark.parametrize(
    "value", [iter(()), (i for i in ()), map(str, ()), io.StringIO()], ids=lambda v: type(v).__name__
)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"a": v}], ids=["it", "list", "dict"])
def test_iterators_are_refused_also_inside(value, wrap):
    with pytest.raises(NotPlaceableError, match="iterator"):
        take_apart(wrap(value))


@pytest.mark.parametrize("key", [None, frozenset(), b"bytes", object()])
def test_dicts_with_keys_that_dask_does_not_have_are_refused_unless_whole(key):
    with pytest.raises(InputError):
        take_apart({key: 1})
    assert take_apart({key: 1}, whole=True)[0].kind == "value"


@pytest.mark.parametrize("value", [1, [], [1], {}, (), "x", {"a": 1}, object])
def test_what_holds_no_futures_has_none(value):
    assert futures_in(value) is None


def test_an_unknown_shape_of_a_later_version_is_a_list():
    assert Structure.from_dict({"kind": "hypercube"}).put_together([1, 2]) == [1, 2]
    assert Structure.from_dict({}).put_together([1]) == 1


@pytest.mark.parametrize("key", [2**70, "\ud800", (1, 2**70), (1, object()), None, b"x"], ids=range(6))
def test_a_dict_with_a_key_that_cannot_travel_is_refused_in_words(key):
    with pytest.raises(InputError, match=r"cannot be scattered by element\.") as caught:
        take_apart({key: 1})
    assert "whole=True" in caught.value.remedy
    assert take_apart({key: 1}, whole=True)[0].kind == "value"


def test_what_could_hold_dask_arrays_and_holds_none_is_a_value():
    class Dataset:
        """As an object of xarray: a Dask collection only if there is a graph."""

        def __dask_graph__(self):
            return None

    assert futures_in(Dataset()) is None

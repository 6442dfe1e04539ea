"""What goes over the wire comes back as it was."""

from __future__ import annotations

import json

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers, Placement, describe
from moorage.naming import short_name
from moorage.wire.scheduler import placement_from_dict, placement_to_dict, travels

names = st.text(min_size=1)
placements = st.one_of(
    st.builds(Anywhere, copies=st.integers(1, 10_000)),
    st.just(Everywhere()),
    st.just(OnePerHost()),
    st.builds(
        OnWorkers,
        workers=st.lists(names, min_size=1, unique=True).map(tuple),
        each=st.booleans(),
        allow_other_workers=st.booleans(),
    ),
)


@given(placements)
def test_a_placement_comes_back_as_it_was(placement: Placement) -> None:
    assert placement_from_dict(placement_to_dict(placement)) == placement


@given(placements)
def test_it_does_so_through_the_panels_json_and_through_dasks_msgpack(placement: Placement) -> None:
    wire = placement_to_dict(placement)
    assert placement_from_dict(json.loads(json.dumps(wire))) == placement
    # Dask's messages turn lists into tuples
    assert placement_from_dict(msgpack.unpackb(msgpack.packb(wire), use_list=False)) == placement


@given(placements, placements)
def test_different_placements_differ_on_the_wire(one: Placement, other: Placement) -> None:
    assert (placement_to_dict(one) == placement_to_dict(other)) == (one == other)


def test_fields_left_out_have_their_defaults() -> None:
    assert placement_from_dict({"kind": "anywhere"}) == Anywhere(1)
    assert placement_from_dict({"kind": "workers", "workers": ["alice"]}) == OnWorkers(("alice",), each=True)


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown kind of placement: 'nowhere'"):
        placement_from_dict({"kind": "nowhere"})  # type: ignore[typeddict-item]


@given(placements)
def test_every_placement_has_words(placement: Placement) -> None:
    words = describe(placement)
    assert words
    if isinstance(placement, OnWorkers):
        assert all(short_name(worker) in words for worker in placement.workers)


keys = st.recursive(
    st.one_of(
        st.text(st.characters()), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.none(), st.booleans()
    ),
    lambda parts: st.lists(parts, max_size=3).map(tuple),
)


@given(keys)
def test_a_key_travels_if_it_comes_back_as_it_was(key: object) -> None:
    try:
        carried = msgpack.unpackb(msgpack.packb(key), use_list=False) == key
    except (OverflowError, UnicodeEncodeError):
        carried = False
    assert travels(key) == carried


def test_what_is_compared_by_identity_does_not_travel() -> None:
    assert travels((1, complex(2)))
    assert not travels((1, object()))

"""Packing a value: one key for each element, the same for the same content; and who would get how much. Pure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.capacity import Needs
from moorage.errors import InputError
from moorage.kernel.placement.elements import needs, pack
from moorage.kernel.placement.targets import ResolvedPlacement, worker_list
from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers, WorkerInfo

INFOS = [
    WorkerInfo(name, f"tcp://{host}:{port}", host, nthreads=2, memory_limit=10**9, status=status)
    for name, host, port, status in [
        ("alice", "h1", 1, "running"),
        ("bob", "h1", 2, "running"),
        ("carol", "h2", 3, "running"),
        ("dave", "h2", 4, "paused"),
        ("erin", "h3", 5, "closing"),
    ]
]
ADDRESS = {info.name: info.address for info in INFOS}
elements = st.integers() | st.text(max_size=5) | st.none() | st.lists(st.integers(), max_size=3)
values = st.lists(elements, min_size=1) | st.dictionaries(st.text(max_size=3), elements, min_size=1) | elements
placements = st.sampled_from(
    [
        Anywhere(), Anywhere(copies=2), Everywhere(), OnePerHost(), OnWorkers(("bob",)), OnWorkers(("h1", "carol")),
        OnWorkers(("h1",), each=False), OnWorkers(("nobody",)), OnWorkers(("dave",)), OnWorkers(("erin", "alice")),
    ]
)  # fmt: skip


@given(values, st.none() | st.just("name"), st.booleans(), st.booleans())
def test_each_element_has_a_key_of_its_own(value, name, whole, hash):
    if not whole and value == []:
        return
    elements = pack(value, name, whole, hash)
    assert len(elements.keys) == len(set(elements.keys)) == len(elements.items)
    assert len(elements.nbytes) == len(elements.images) == len(elements.items)
    assert all(size >= 0 for size in elements.nbytes)
    assert elements.structure.put_together(elements.items) == value
    again = pack(value, name, whole, hash)
    if hash:
        assert again.keys == elements.keys
    elif name is not None or not isinstance(value, dict) or whole:
        assert not set(again.keys) & set(elements.keys)
    if name is not None:
        assert all(key.startswith("name-") for key in elements.keys)


@given(values, values)
def test_different_contents_have_different_keys(one, two):
    first, second = (pack(value, "v", True, True).keys for value in (one, two))
    if repr(one) != repr(two):
        assert first != second


def test_a_changed_value_has_another_key():
    value = np.zeros(10)
    before = pack(value, "v", True, True).keys
    value[3] = 1
    assert pack(value, "v", True, True).keys != before


def test_names_keep_equal_contents_apart():
    assert pack("same", "one", True, True).keys != pack("same", "two", True, True).keys
    assert pack("same", None, True, True).keys == pack("same", None, True, True).keys


def test_keys_of_an_unnamed_dict_are_its_labels():
    assert pack({"x": 1, ("y", 0): 2}, None, False, True).keys == ["x", ("y", 0)]


@pytest.mark.parametrize("empty", [[], {}, (), set(), range(0)])
def test_nothing_to_spread_is_refused(empty):
    with pytest.raises(InputError, match="empty"):
        pack(empty, "v", False, True)


@given(values, placements, st.sampled_from(["cores", "workers", "memory"]))
def test_what_is_sent_first_goes_to_a_running_worker_that_shall_have_it(value, placement, by):
    if value == []:
        return
    elements = pack(value, "v", False, True)
    firsts = ResolvedPlacement(placement, INFOS).firsts(elements.nbytes, by, whole=elements.structure.kind == "value")
    assert len(firsts) == len(elements.keys)
    allowed = {"alice", "bob", "carol"}
    if isinstance(placement, OnWorkers):
        hosts = {info.name: info.host for info in INFOS}
        allowed = {name for name in allowed if name in placement.workers or hosts[name] in placement.workers}
    assert set(firsts) <= (allowed or {None})


def test_on_no_worker_nothing_is_sent():
    elements = pack([1, 2], "v", False, True)
    to = ResolvedPlacement(Everywhere(), [])
    assert to.firsts(elements.nbytes, "cores", whole=False) == [None, None]
    assert needs(elements, to, [None, None], {}) == Needs()


@given(values, placements)
def test_needs_count_what_workers_lack(value, placement):
    if value == []:
        return
    elements = pack(value, "v", False, True)
    to = ResolvedPlacement(placement, INFOS)
    firsts = to.firsts(elements.nbytes, "cores", whole=elements.structure.kind == "value")
    needed = needs(elements, to, firsts, {}).private
    total = sum(elements.nbytes)
    match placement:
        case Everywhere():
            assert needed == dict.fromkeys(["alice", "bob", "carol"], total)  # dave is paused: he waits
        case OnePerHost():
            assert sum(needed.values()) == 2 * total
            assert len(needed.keys() & {"alice", "bob"}) == len(needed.keys() & {"carol", "dave"}) == 1
        case OnWorkers(workers=("bob",)):
            assert needed == {"bob": total}
        case OnWorkers(workers=("nobody",)):
            assert needed == {}
        case Anywhere() | OnWorkers(each=False):
            assert sum(needed.values()) == total
    everyone = {key: set(ADDRESS.values()) for key in elements.keys}
    assert not any(needs(elements, to, firsts, everyone).private.values())


def test_what_is_in_a_container_more_than_once_is_counted_about_once():
    array = np.ones(10_000)
    value = [array] * 12
    value.append(value)
    assert array.nbytes <= pack(value, "value", True, True).nbytes[0] < 3 * array.nbytes
    assert pack([set() for _ in range(1000)], "sets", True, True).nbytes[0] > 200_000  # not what a pickle takes


@pytest.mark.parametrize(
    ("workers", "means"),
    [
        ("alice", ["alice"]),
        (0, ["0"]),
        ((0, 1), ["0", "1"]),  # as LocalCluster calls its workers
        (("h1", 1), ["h1:1"]),
        ([("h1", 1), "bob"], ["h1:1", "bob"]),
        (("alice", "bob", "alice"), ["alice", "bob"]),
    ],
)
def test_workers_can_be_named_as_dask_names_them(workers, means):
    assert worker_list(workers) == means

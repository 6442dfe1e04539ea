"""Parts dealt out evenly, with hardly more moved than has to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from moorage.dealing import deal, keep, with_others

WORKERS = ["a", "b", "c", "d"]
sizes = st.integers(0, 1000)
parts = st.lists(st.tuples(sizes, st.sets(st.sampled_from([*WORKERS, "elsewhere"]), max_size=2)), max_size=60)


def loads(nbytes: Sequence[int], dealt: Sequence[str]) -> Counter[str]:
    found = Counter[str]()
    for size, worker in zip(nbytes, dealt, strict=True):
        found[worker] += size
    return found


def moved(nbytes: Sequence[int], holders: Sequence[Collection[str]], dealt: Sequence[str]) -> int:
    return sum(size for size, has, worker in zip(nbytes, holders, dealt, strict=True) if worker not in has)


@given(parts, st.integers(1, 4))
def test_each_part_goes_to_one_of_the_workers_and_none_gets_a_part_too_much(
    given_parts: list[tuple[int, set[str]]], n: int
) -> None:
    nbytes, holders = [size for size, _ in given_parts], [has for _, has in given_parts]
    dealt = deal(nbytes, holders, WORKERS[:n])
    assert len(dealt) == len(nbytes)
    assert set(dealt) <= set(WORKERS[:n])
    most = max(loads(nbytes, dealt).values(), default=0)
    assert most <= sum(nbytes) / n * 1.05 + max(nbytes, default=0)


@given(st.lists(st.tuples(st.integers(1, 50), st.sets(st.sampled_from("abz"), min_size=1)), min_size=1, max_size=7))
def test_no_deal_that_is_as_even_moves_much_less(given_parts: list[tuple[int, set[str]]]) -> None:
    nbytes, holders = [size for size, _ in given_parts], [has for _, has in given_parts]
    dealt = deal(nbytes, holders, ["a", "b"])
    most = max(loads(nbytes, dealt).values())
    least = min(
        moved(nbytes, holders, other)
        for other in product("ab", repeat=len(nbytes))
        if max(loads(nbytes, other).values()) <= most
    )
    assert moved(nbytes, holders, dealt) <= least + max(nbytes)


@given(st.data())
def test_of_many_parts_the_deal_is_even_and_moves_the_least(data: st.DataObject) -> None:
    seed = data.draw(st.randoms(use_true_random=False))
    n = data.draw(st.integers(500, 1000))
    skew = data.draw(st.sampled_from(["abcd", "a", "ccd", "aab", "cd"]))
    nbytes = [seed.randint(500, 1500) for _ in range(n)]
    holders = [{seed.choice(skew)} for _ in range(n)]
    dealt = deal(nbytes, holders, ["a", "b"])
    share = sum(nbytes) / 2
    assert max(loads(nbytes, dealt).values()) <= 1.1 * share
    there = Counter[str]()
    for size, (worker,) in zip(nbytes, holders, strict=True):
        there[worker] += size
    least = sum(there.values()) - min(there["a"], share) - min(there["b"], share)
    assert moved(nbytes, holders, dealt) <= 1.05 * least


@given(parts, st.integers(1, 4))
def test_what_was_dealt_stays(given_parts: list[tuple[int, set[str]]], n: int) -> None:
    nbytes, holders = [size for size, _ in given_parts], [has for _, has in given_parts]
    dealt = deal(nbytes, holders, WORKERS[:n])
    again = deal(nbytes, [{worker} for worker in dealt], WORKERS[:n])
    most = max(loads(nbytes, dealt).values(), default=0)
    assert moved(nbytes, [{worker} for worker in dealt], again) <= max(nbytes, default=0) * n
    assert max(loads(nbytes, again).values(), default=0) <= most + max(nbytes, default=0)


@given(st.lists(st.integers(0, 100), max_size=12), st.integers(0, 500))
def test_what_a_worker_keeps_fits_and_fills_it(own: list[int], room: int) -> None:
    kept = keep(own, room)
    total = sum(own[i] for i in kept)
    assert total <= room
    best = max(
        s
        for picks in product([0, 1], repeat=len(own))
        if (s := sum(size for size, pick in zip(own, picks, strict=True) if pick)) <= room
    )
    assert total >= 0.98 * best - 1


def test_parts_go_with_their_counterparts() -> None:
    assert with_others([{"a", "b"}, {"b"}, {"a", "b"}, set()], [{"b"}, {"a"}, {"c"}, {"a"}]) == ["b", "b", "a", None]

"""Counts in their short form say what counts of each worker would, wherever workers come and go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moorage.counts import after, changed, counts_of, difference, expand
from moorage.wire.scheduler import CountsDict

NAMES = [f"w{i}" for i in range(6)]
teams = st.sets(st.sampled_from(NAMES))


@st.composite
def situations(draw: st.DrawFn) -> tuple[set[str], list[set[str]]]:
    """Return workers, and the holders of each key."""
    workers = draw(teams)
    some = st.sets(st.sampled_from(sorted(workers))) if workers else st.just(set())
    return workers, draw(st.lists(some, max_size=4))


def plainly(keys: list[set[str]]) -> dict[str, int]:
    return {name: n for name in NAMES if (n := sum(name in holders for holders in keys))}


def short(workers: set[str], keys: list[set[str]]) -> CountsDict:
    return counts_of(keys, workers, str)


@given(situations())
def test_the_short_form_says_the_same(situation: tuple[set[str], list[set[str]]]) -> None:
    workers, keys = situation
    counts = short(workers, keys)
    assert expand(counts, workers) == plainly(keys)
    assert counts["rest"] not in counts["others"].values()
    assert counts["others"].keys() <= workers


@given(situations(), situations())
def test_a_change_leads_from_one_to_the_other(
    before: tuple[set[str], list[set[str]]], now: tuple[set[str], list[set[str]]]
) -> None:
    """Also when there are other workers, after both sides have taken note of them."""
    told = after(short(*before), now[0] - before[0], before[0] - now[0])
    assert expand(told, now[0]) == {w: n for w, n in plainly(before[1]).items() if w in now[0]}
    change = difference(told, short(*now))
    assert expand(told if change is None else changed(told, change), now[0]) == plainly(now[1])


def test_what_is_everywhere_is_told_in_a_word() -> None:
    workers = {f"w{i}" for i in range(1000)}
    assert counts_of([workers] * 3, workers, str) == {"rest": 3, "others": {}}
    assert counts_of([workers, workers - {"w7"}], workers, str) == {"rest": 2, "others": {"w7": 1}}
    assert after({"rest": 2, "others": {}}, ["new"], ["w7"]) == {"rest": 2, "others": {"new": 0}}

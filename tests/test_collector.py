"""The garbage collector looks less often meanwhile, and afterwards as before, whatever others do to it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from moorage.collector import collecting_rarely


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    gc.unfreeze()
    yield
    gc.set_threshold(*before)
    gc.enable()
    gc.freeze()


def test_it_looks_less_often_meanwhile_and_as_before_afterwards() -> None:
    gc.set_threshold(700, 10, 10)
    with collecting_rarely():
        assert gc.get_threshold()[0] >= 100_000
        with collecting_rarely():
            assert gc.get_threshold()[0] >= 100_000
        assert gc.get_threshold()[0] >= 100_000
    assert gc.get_threshold() == (700, 10, 10)


def test_it_is_as_before_after_an_error() -> None:
    gc.set_threshold(700, 10, 10)
    with pytest.raises(ZeroDivisionError), collecting_rarely():
        _ = 1 / 0
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("thresholds", [(0, 10, 10), (1_000_000, 5, 5)])
def test_it_stays_with_who_wants_it_rarer_or_not_at_all(thresholds: tuple[int, int, int]) -> None:
    gc.set_threshold(*thresholds)
    with collecting_rarely():
        assert gc.get_threshold() == thresholds
    assert gc.get_threshold() == thresholds


def test_what_somebody_else_sets_meanwhile_stays() -> None:
    gc.set_threshold(700, 10, 10)
    with collecting_rarely():
        gc.set_threshold(500, 5, 5)
        gc.disable()
    assert gc.get_threshold() == (500, 5, 5)
    assert not gc.isenabled()


def test_of_two_that_overlap_the_last_leaves_it_as_before() -> None:
    gc.set_threshold(700, 10, 10)
    first, second = collecting_rarely(), collecting_rarely()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert gc.get_threshold() == (700, 10, 10)


def test_many_objects_that_stay_are_not_looked_at_once_more_afterwards() -> None:
    gc.set_threshold(700, 10, 10)
    looks: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        looks.append(phase)

    with collecting_rarely():
        kept = [[n] for n in range(50_000)]
        gc.callbacks.append(note)
    more = [[] for _ in range(100)]
    gc.callbacks.remove(note)
    assert not looks
    assert len(kept) + len(more) == 50_100


def test_garbage_that_was_made_meanwhile_is_found() -> None:
    gc.set_threshold(700, 10, 10)
    with collecting_rarely():
        kept = [[n] for n in range(50_000)]
        cycles = [Cycle() for _ in range(100)]
        gone = weakref.ref(cycles[0])
        del cycles
    gc.collect()
    assert gone() is None
    assert kept


class Cycle:
    """Refers to itself."""

    def __init__(self) -> None:
        self.self = self

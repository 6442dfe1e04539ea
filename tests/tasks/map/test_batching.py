"""What needs no cluster: batch sizes, the source of items, the book of outcomes."""

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from moorage.errors import InputError
from moorage.tasks.map import batching
from moorage.tasks.map.batching import BatchSizer
from moorage.tasks.map.ledger import Ledger
from moorage.tasks.map.source import Source

# ---- sizes


def simulate(durations, threads, overhead=0.005):
    """Run items on threads as the map does, and return when the last one ends and how many tasks there were."""
    sizer, free, at, tasks = BatchSizer(), [0.0] * threads, 0, 0
    while at < len(durations):
        thread = min(range(threads), key=free.__getitem__)
        size = sizer.size(len(durations) - at, threads)
        budget, took, done = sizer.budget(size), 0.0, 0
        for duration in durations[at : at + size]:
            took, done = took + duration, done + 1
            if budget is not None and took > budget:
                break
        sizer.observe(done, took)
        at, tasks = at + done, tasks + 1
        free[thread] += overhead + took
    return max(free), tasks


@given(
    st.lists(st.floats(1e-5, 0.5), min_size=1, max_size=300)
    | st.builds(lambda d, n: [d] * n, st.floats(1e-6, 1), st.integers(1, 5000)),
    st.integers(1, 16),
)
@settings(max_examples=150)
def test_all_threads_are_busy_to_the_end(durations, threads):
    end, _ = simulate(durations, threads, overhead=0)
    ideal = sum(durations) / threads
    # Nobody can end before the ideal, nor wait for more than the items that one task has too many.
    slack = 2 * max(batching.AIM, threads / batching.TASKS_PER_SECOND) + 2 * max(durations)
    assert ideal - 1e-6 <= end <= ideal + slack


@pytest.mark.parametrize("duration", [1e-6, 1e-4, 1e-2])
def test_short_items_go_in_few_tasks(duration):
    _, tasks = simulate([duration] * 10_000, threads=2)
    assert tasks < 4 + 20 * max(1, 10_000 * duration / 2)


def test_long_items_are_tasks_of_their_own_after_the_first():
    sizer = BatchSizer()
    sizer.observe(1, 3.0)
    assert sizer.size(1000, 2) == 1


def test_a_short_loop_goes_out_at_once_in_equal_parts():
    sizer, left, sizes = BatchSizer(), 200, []
    for room in (4, 3, 2, 1):
        sizes.append(sizer.size(left, 2, room))
        left -= sizes[-1]
    assert sizes == [50] * 4


def test_one_slow_item_among_many_does_not_hold_up_what_was_queued_behind_it():
    _, tasks = simulate([1e-4] * 500 + [5.0] + [1e-4] * 500, threads=2)
    assert tasks < 60


def test_items_that_are_large_when_pickled_go_in_small_batches():
    sizer = BatchSizer()
    sizer.observe_payload(1, 1_000_000)
    assert sizer.size(10_000, 1) == 4
    sizer.observe_payload(1, 50_000_000)
    assert sizer.size(10_000, 1) == 1


def test_a_size_that_is_asked_for_is_kept():
    sizer = BatchSizer(7)
    sizer.observe(7, 100)
    assert sizer.size(3, 50) == 7
    assert sizer.budget(7) is None


# ---- source


@given(
    st.lists(st.integers()),
    st.lists(st.integers(1, 20), min_size=1),
    st.sampled_from([list, tuple, iter, lambda x: (i for i in x), np.array]),
)
def test_a_source_hands_out_each_item_once_in_order(items, portions, kind):
    source = Source([kind(items)])
    taken = []
    for n in itertools.cycle(portions):
        if source.exhausted:
            break
        assert list(source.peek()) == items[len(taken) : len(taken) + 1]
        portion = source.take(n)
        assert len(portion) <= n
        taken += portion
        assert source.remaining in (None, len(items) - len(taken))
    assert taken == items
    assert source.total == len(items)
    assert source.take(3) == [] or len(source.take(3)) == 0


def test_what_is_changed_later_is_handed_out_as_it_was():
    for items in ([1, 2, 3], np.array([1, 2, 3])):
        source = Source([items])
        items[1] = 9
        assert list(source.take(5)) == [1, 2, 3]


def test_what_comes_slowly_is_not_waited_for():
    def slow():
        for i in range(5):
            time.sleep(0.06)
            yield i

    source = Source([slow()])
    assert 1 <= len(source.take(5)) <= 3


def test_an_error_of_the_iterable_keeps_the_items_before_it():
    source = Source([(1 // (3 - i) for i in range(9))])
    assert list(source.take(9)) == [0, 0, 1]
    assert isinstance(source.error, ZeroDivisionError)
    assert source.exhausted


def test_a_stopped_source_can_go_on():
    source = Source([range(10)])
    source.take(4)
    source.stop()
    assert source.exhausted
    source.resume()
    assert list(source.take(10)) == [4, 5, 6, 7, 8, 9]
    with pytest.raises(InputError):
        Source([])


# ---- ledger


class LedgerMachine(RuleBasedStateMachine):
    """Batches are begun, split, ended and begun again in any order; every item is in exactly one place."""

    @initialize(total=st.integers(1, 60))
    def begin(self, total):
        self.total = total
        self.ledger = Ledger(total)
        self.expected = {}  # item -> "running" | "done" | "failed"

    def running(self):
        return [b for b in self.ledger.batches if b.status == "running" and len(b)]

    @precondition(lambda self: self.ledger.count < self.total)
    @rule(n=st.integers(1, 9))
    def open(self, n):
        first = self.ledger.count
        items = list(range(first, min(first + n, self.total)))
        self.ledger.open(items)
        self.expected.update(dict.fromkeys(items, "running"))

    @precondition(lambda self: any(len(b) > 1 for b in self.running()))
    @rule(data=st.data())
    def split(self, data):
        batch = data.draw(st.sampled_from([b for b in self.running() if len(b) > 1]))
        self.ledger.split(batch, data.draw(st.integers(1, len(batch) - 1)))

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def end(self, data):
        batch = data.draw(st.sampled_from(self.running()))
        bad = data.draw(st.sets(st.sampled_from(range(len(batch)))))
        kept = {p: batch.items[p] for p in bad}
        self.ledger.update(batch, status="done", errors={p: {} for p in bad}, items=kept)
        for position, index in enumerate(batch.indices):
            self.expected[index] = "failed" if position in bad else "done"

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def fail(self, data):
        batch = data.draw(st.sampled_from(self.running()))
        self.ledger.update(batch, status="failed", error=OSError())
        self.expected.update(dict.fromkeys(batch.indices, "failed"))

    @precondition(lambda self: "failed" in self.expected.values())
    @rule(data=st.data())
    def again(self, data):
        failed = sorted(i for i, s in self.expected.items() if s == "failed")
        chosen = data.draw(st.lists(st.sampled_from(failed), min_size=1, unique=True))
        self.ledger.open_at(chosen, [self.ledger.item(i) for i in chosen])
        self.expected.update(dict.fromkeys(chosen, "running"))

    @rule()
    def look(self):
        assert self.ledger.progress().total == self.total

    def teardown(self):
        if not hasattr(self, "ledger"):
            return
        for index, state in self.expected.items():
            batch, position = self.ledger.locate(index)
            assert batch.indices[position] == index
            assert position not in batch.superseded
            if state != "done":
                assert self.ledger.item(index) == index
            ended_badly = batch.status == "failed" or position in batch.errors
            assert state == ("running" if batch.status == "running" else "failed" if ended_badly else "done")
        counted = self.ledger.progress()
        states = list(self.expected.values())
        assert counted.failed == states.count("failed")
        assert counted.done == len(states) - states.count("running")
        assert counted.running == states.count("running")
        assert self.ledger.failed() == sorted(i for i, s in self.expected.items() if s == "failed")
        assert self.ledger.locate(self.ledger.count) is None


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=80, stateful_step_count=30)


def test_sizes_stay_finite_without_a_known_end():
    sizer = BatchSizer()
    assert sizer.size(None, 4) == batching.FIRST_OF_UNKNOWN
    sizer.observe(100, 0.0)
    assert math.isfinite(sizer.size(None, 4))


@pytest.mark.parametrize("n", [1, 2, 10])
def test_an_object_that_a_generator_changes_and_gives_again_is_copied(n):
    def rows():
        row = {"parts": []}
        for i in range(5):
            row["i"] = i
            row["parts"].append(i)
            yield row

    source = Source([rows()])
    source.peek()
    seen = []
    while items := source.take(n):
        seen += [(row["i"], list(row["parts"])) for row in items]
    assert seen == [(i, list(range(i + 1))) for i in range(5)]


def test_a_large_object_that_a_generator_gives_again_is_the_same():
    data = np.zeros(100_000)
    assert all(item is data for item in Source([(data for _ in range(4))]).take(10))

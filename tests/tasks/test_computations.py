"""What runs is known while it runs, with how far it is and how fast."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.tasks.computations import Cell, Pace, ask_for_cells
from moorage.tasks.map.ledger import Ledger


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_pace_is_that_of_the_last_seconds():
    pace = Pace()
    assert pace.per_second == 0
    for second in range(60):
        pace.observe(float(second), 5 * second)
    assert pace.per_second == pytest.approx(5)
    for second in range(60, 80):
        pace.observe(float(second), 300)
    assert pace.per_second == 0


def test_a_pace_keeps_little_however_often_it_looks():
    pace = Pace()
    for look in range(10_000):
        pace.observe(look / 100, look)
    assert pace.per_second == pytest.approx(100, rel=0.1)
    assert len(pace._samples) < 50


def test_a_pace_begins_anew_when_items_run_again():
    pace = Pace()
    pace.observe(0, 0)
    pace.observe(10, 100)
    pace.observe(11, 90)
    assert pace.per_second == 0
    pace.observe(13, 94)
    assert pace.per_second == 2


@given(st.data())
def test_the_sums_of_a_ledger_are_those_of_its_batches(data):
    ledger = Ledger(None)
    for _ in range(data.draw(st.integers(1, 12))):
        running = [batch for batch in ledger.batches if batch.status == "running"]
        match data.draw(st.sampled_from(["open", "report", "done", "fail", "cancel", "split", "again"])):
            case "open":
                ledger.open(list(range(data.draw(st.integers(1, 5)))))
            case "report" if running:
                done = data.draw(st.integers(0, len(running[0])))
                ledger.update(running[0], progress=done, progress_failed=data.draw(st.integers(0, done)))
            case "done" if running:
                errors = data.draw(st.sets(st.integers(0, len(running[0]) - 1)))
                ledger.update(running[0], status="done", errors={position: {} for position in errors})
            case "fail" if running:
                ledger.update(running[0], status="failed")
            case "cancel" if running:
                ledger.update(running[0], status="cancelled")
            case "split" if running and not running[0].progress and len(running[0]) > 1:
                ledger.split(running[0], data.draw(st.integers(1, len(running[0]) - 1)))
            case "again" if failed := ledger.failed():
                index = data.draw(st.sampled_from(failed))
                ledger.open_at([index], [index])
    now = ledger.progress()
    ended = [batch for batch in ledger.batches if batch.status in ("done", "failed")]
    going = [batch for batch in ledger.batches if batch.status == "running"]
    assert now.done == sum(len(b) - len(b.superseded) for b in ended) + sum(b.progress for b in going)
    assert now.running == sum(len(b) - b.progress for b in going)
    assert now.failed + now.cancelled - sum(b.progress_failed for b in going) == len(ledger.failed())
    assert now.done + now.running + now.cancelled == ledger.count


def test_a_loop_is_known_while_it_runs(cluster):
    changed = threading.Event()
    unsubscribe = cluster.subscribe(lambda kind: kind == "computations" and changed.set())
    ask_for_cells(lambda: Cell("a1b2", 7))
    try:
        results = cluster.map(time.sleep, [0.05] * 40)
        [one] = cluster.computations.running()
        assert (one.label, one.cell) == ("sleep", Cell("a1b2", 7))
        assert changed.wait(60)
        wait_until(lambda: one.look()[1] > 0)
        assert one.look()[0].total == 40
        assert results.wait(60)
        wait_until(lambda: not cluster.computations.running())
    finally:
        ask_for_cells(None)
        unsubscribe()


def test_a_loop_can_be_cancelled_by_whoever_sees_it_and_runs_again_when_retried(cluster):
    results = cluster.map(time.sleep, [0.1] * 400)
    [one] = cluster.computations.running()
    one.cancel()
    wait_until(lambda: not cluster.computations.running())
    assert results.progress.cancelled > 300
    results.retry()
    [again] = cluster.computations.running()
    assert again.label == "sleep"
    assert not again.cancelling
    results.cancel()
    wait_until(lambda: not cluster.computations.running())


def test_what_has_ended_at_once_is_not_kept(cluster):
    for _ in range(20):
        cluster.map(abs, []).wait(60)
    wait_until(lambda: not cluster.computations.running())

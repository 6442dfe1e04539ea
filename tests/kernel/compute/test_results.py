"""Many items on real workers: batches, results, errors, losses."""

import itertools
import os
import signal
import threading
import time

import numpy as np
import pytest
from distributed import Event

import moorage
from moorage.errors import (
    DoesNotFitError,
    InputError,
    MoorageError,
    UnpicklableError,
    UnreachableError,
    WaitTimeoutError,
)
from moorage.kernel.compute.ledger import Progress
from moorage.kernel.compute.options import Options
from tests.host.tools import eventually


@pytest.fixture(scope="module")
def shared():
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="1GB") as controller:
        yield controller


def double(i):
    return i * 2


def odd_ones_fail(i):
    if i % 2:
        raise ValueError(f"{i} is odd")
    return i


def worker_name(_):
    from distributed import get_worker

    return str(get_worker().name)


# ---- a sequence that fills up


@pytest.mark.parametrize("n", [0, 1, 2, 7, 1000, 50_000])
def test_values_are_those_of_the_items_in_their_order(cluster, n):
    results = cluster.map(double, range(n))
    assert results.gather() == [2 * i for i in range(n)]
    assert len(results) == n
    assert results.progress == Progress(n, n, 0, 0, 0, True)
    assert results.done()


@pytest.mark.parametrize(
    "items",
    [
        [3, 1, 2],
        (5, 6),
        {"a": 1, "b": 2},
        "text",
        np.arange(6).reshape(3, 2).sum(axis=1),
        (i for i in range(30)),
        itertools.islice(itertools.count(), 25),
        map(str, range(4)),
        {7},
    ],
    ids=lambda items: type(items).__name__,
)
def test_any_iterable_gives_its_items(cluster, items):
    items, expected = (items, items) if not hasattr(items, "__next__") else itertools.tee(items)
    assert cluster.map(lambda x: [x], items).gather() == [[x] for x in expected]


def test_several_iterables_go_together_and_further_arguments_to_each(cluster):
    assert cluster.map(lambda a, b, c=0: a + b + c, [1, 2, 3], itertools.count(10), c=100).gather() == [111, 113, 115]


def test_elements_slices_and_iteration_wait_for_what_they_need(cluster):
    results = cluster.map(double, range(100))
    assert results[3] == 6
    assert results[-1] == 198
    assert results[90:] == [2 * i for i in range(90, 100)]
    assert results[5:0:-2] == [10, 6, 2]
    assert list(results) == [2 * i for i in range(100)]
    assert sorted(results.as_completed()) == [(i, 2 * i) for i in range(100)]
    with pytest.raises(IndexError, match="There are 100 items"):
        results[100]
    with pytest.raises(IndexError):
        results[-101]


def test_results_come_while_others_still_run(cluster):
    gate = Event(client=cluster.client)

    def wait(i, name):
        if i:
            assert Event(name).wait(30)
        return i

    results = cluster.map(wait, range(4), name=gate.name, batch_size=1)
    assert results[0] == 0
    assert next(iter(results.as_completed())) == (0, 0)
    assert not results.done()
    assert results.wait(timeout=0.01) is False
    assert results.progress.running + results.progress.done == 4 or results.progress.total == 4
    gate.set()
    assert results.gather() == [0, 1, 2, 3]


def test_a_change_of_progress_is_told(cluster):
    seen = []
    results = cluster.map(lambda i: time.sleep(0.01) or i, range(100))
    results.subscribe(lambda: seen.append(results.progress.done))
    results.wait()
    assert seen == sorted(seen)
    assert seen[-1] == 100


def test_large_results_stay_on_the_cluster_and_small_ones_come_home(cluster):
    large = cluster.map(lambda i: np.full(300_000, i), range(4), batch_size=1)
    large.wait()
    assert all(batch.values is None for batch in large._ledger.batches)
    assert large.nbytes > 4 * 300_000 * 8 * 0.9
    assert [int(value[0]) for value in large.gather()] == [0, 1, 2, 3]
    small = cluster.map(double, range(100))
    small.wait()
    assert all(batch.future is None for batch in small._ledger.batches)


@pytest.mark.parametrize("size", [3, 300_000], ids=["small", "large"])
def test_futures_of_items_can_be_used_by_other_tasks(cluster, size):
    futures = cluster.map(lambda i: np.full(size, i), range(5)).futures
    assert cluster.client.submit(lambda x: int(x[0]), futures[3]).result(30) == 3
    assert cluster.map(lambda x: int(x[0]) * 10, futures).gather() == [0, 10, 20, 30, 40]


def test_results_are_values_in_another_task(cluster):
    results = cluster.map(double, range(10))
    assert cluster.submit(lambda: sum(results)).result(30) == 90
    large = cluster.map(lambda i: np.full(300_000, i), range(4))
    assert cluster.submit(lambda: sum(int(x[0]) for x in large)).result(30) == 6


def test_more_than_fits_is_refused_with_numbers(cluster, monkeypatch):
    import psutil

    results = cluster.map(lambda i: np.full(300_000, i), range(4))
    results.wait()

    class Memory:
        available = 1_000_000

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    with pytest.raises(DoesNotFitError, match=r"9\.16 MiB, and the notebook's machine has 0\.95 MiB|976\.56 kiB"):
        results.gather()
    assert len(results.gather(force=True)) == 4


# ---- errors of items


def test_an_items_error_does_not_stop_the_others(cluster):
    results = cluster.map(odd_ones_fail, range(100))
    results.wait()
    assert results.progress == Progress(100, 100, 50, 0, 0, True)
    assert results.gather(errors="skip") == list(range(0, 100, 2))
    returned = results.gather(errors="return")
    assert returned[2] == 2
    assert isinstance(returned[3], ValueError)


def test_errors_name_item_worker_and_the_users_own_line(cluster):
    results = cluster.map(odd_ones_fail, range(10))
    results.wait()
    errors = results.errors
    assert [e.index for e in errors] == [1, 3, 5, 7, 9]
    assert [e.item for e in errors] == [1, 3, 5, 7, 9]
    assert {e.worker for e in errors} <= {"alice", "bob"}
    assert str(errors[0].exception) == "1 is odd"
    assert 'raise ValueError(f"{i} is odd")' in errors[0].traceback
    assert "moorage/worker" not in errors[0].traceback
    with pytest.raises(ValueError, match="1 is odd") as caught:
        results.gather()
    assert any("4 more failed" in note for note in caught.value.__notes__)
    with pytest.raises(ValueError, match="3 is odd"):
        results[3]


def test_failed_items_run_again_on_request(cluster, tmp_path):
    def first_time_fails(i, folder):
        path = os.path.join(folder, str(i))
        if i % 3 == 0 and not os.path.exists(path):
            open(path, "w").close()
            raise OSError("first time")
        return i

    results = cluster.map(first_time_fails, range(20), folder=str(tmp_path))
    results.wait()
    assert results.progress.failed == 7
    assert results.retry() is results
    assert results.gather() == list(range(20))
    assert results.progress == Progress(20, 20, 0, 0, 0, True)
    assert results.errors == []


def test_retries_are_per_item(cluster, tmp_path):
    def flaky(i, folder):
        with open(os.path.join(folder, str(i)), "a") as f:
            f.write("x")
        if os.path.getsize(os.path.join(folder, str(i))) < 3:
            raise OSError("not yet")
        return i

    assert cluster.map(flaky, range(10), folder=str(tmp_path), retries=2).gather() == list(range(10))
    assert all(os.path.getsize(tmp_path / str(i)) == 3 for i in range(10))


def test_errors_that_cannot_be_pickled_and_exits_are_errors_of_their_item(cluster):
    def strange(i):
        if i == 1:

            class Odd(Exception):
                def __init__(self, a, b):
                    super().__init__(f"{a} {b}")

            raise Odd(1, threading.Lock())
        if i == 2:
            raise SystemExit(3)
        return i

    results = cluster.map(strange, range(4))
    assert results.gather(errors="skip") == [0, 3]
    assert "Odd: 1" in str(results.errors[0].exception)
    assert "SystemExit" in repr(results.errors[1])


def test_an_item_that_cannot_be_sent_fails_alone_with_its_reason(cluster):
    items = [1, threading.Lock(), 3]
    results = cluster.map(lambda x: x, items)
    assert results.gather(errors="skip") == [1, 3]
    (error,) = results.errors
    assert error.index == 1
    assert isinstance(error.exception, UnpicklableError)


def test_a_function_that_cannot_be_loaded_on_workers_fails_every_item(cluster):
    class Cannot:
        def __reduce__(self):
            return (int, ("not a number",))

    cannot = Cannot()
    results = cluster.map(lambda i: (cannot, i), range(3))
    results.wait()
    assert results.progress.failed == 3
    assert "invalid literal for int" in str(results.errors[0].exception)


def test_an_iterable_that_raises_half_way_keeps_what_came_before(cluster):
    def items():
        yield from range(5)
        raise RuntimeError("no more")

    results = cluster.map(double, items())
    with pytest.raises(RuntimeError, match="no more"):
        results.wait()
    assert results[:] == [0, 2, 4, 6, 8]
    assert results.progress == Progress(5, 5, 0, 0, 0, True)
    with pytest.raises(RuntimeError, match="no more"):
        results.gather()


def test_what_cannot_be_looped_over_is_refused(cluster):
    with pytest.raises(InputError, match="A int cannot be looped over"):
        cluster.map(double, 5)
    with pytest.raises(InputError, match="nothing to loop over"):
        cluster.map(double)
    with pytest.raises(InputError, match="batch_size=0"):
        cluster.map(double, [1], batch_size=0)


# ---- bounded and interruptible


def test_items_are_taken_as_they_are_needed(cluster):
    taken = itertools.count()
    results = cluster.map(lambda i: time.sleep(0.05) or i, (next(taken) for _ in itertools.count()))
    eventually(lambda: results.progress.done >= 4)
    results.cancel()
    assert next(taken) < 500
    assert results.progress.finished


def test_cancelling_keeps_what_has_ended_and_the_rest_can_be_run_later(cluster):
    results = cluster.map(lambda i: time.sleep(0.01) or i, range(300))
    eventually(lambda: results.progress.done >= 10)
    results.cancel()
    p = results.progress
    assert p.finished
    assert 0 < p.done < 300
    assert p.done + p.cancelled == 300
    with pytest.raises(MoorageError, match=r"Item 299 was (cancelled|never begun)"):
        results[299]
    assert results.retry().gather() == list(range(300))


def test_an_interrupt_of_a_wait_leaves_the_results_usable(cluster):
    results = cluster.map(lambda i: time.sleep(0.02) or i, range(100))
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        results.wait(60)
    assert results.gather() == list(range(100))


def test_what_has_not_ended_in_time_is_cancelled_and_told(cluster):
    results = cluster.map(lambda i: time.sleep(0.05) or i, range(1000), timeout=0.5)
    with pytest.raises(WaitTimeoutError, match=r"\d+ of 1000 items have ended within 0\.5 s"):
        results.wait()
    assert 0 < results.progress.done < 100


# ---- near the data


def test_a_few_items_run_where_their_data_is(cluster):
    data = np.arange(500_000)
    cluster.scatter(data, "data", workers=["bob"], whole=True, allow_other_workers=True)
    assert set(cluster.map(lambda i: worker_name(data[i]), range(3)).gather()) == {"bob"}


def test_many_items_have_their_data_copied_to_all_workers_first(cluster, capsys):
    data = np.arange(500_000)
    cluster.scatter(data, "data", workers=["bob"], whole=True, allow_other_workers=True)
    where = cluster.map(lambda i: time.sleep(0.02) or worker_name(data[i]), range(400)).gather()
    assert 100 < where.count("alice") < 300
    assert "Copying 3.81 MiB that the items use to all 2 workers" in capsys.readouterr().out
    eventually(lambda: cluster.placement()["data"].holders == ["bob"])
    assert list(cluster.placement()) == ["data"]


def test_a_strict_pin_is_where_all_items_run(cluster):
    data = np.arange(500_000)
    cluster.pin("data", ["bob"], value=data)
    assert set(cluster.map(lambda i: time.sleep(0.01) or worker_name(data[i]), range(100)).gather()) == {"bob"}


def test_preferred_workers_are_helped_by_others_when_they_are_busy(cluster):
    slow = cluster.map(lambda i: time.sleep(0.05) or worker_name(i), range(40), workers="bob", allow_other_workers=True)
    assert set(slow.gather()) == {"alice", "bob"}
    only = cluster.map(lambda i: time.sleep(0.01) or worker_name(i), range(20), workers="bob")
    assert set(only.gather()) == {"bob"}
    near = np.arange(5000)
    cluster.pin("near", ["alice"], value=near)
    assert set(cluster.map(worker_name, range(20), near="near").gather()) == {"alice"}


def test_items_of_a_list_that_is_placed_run_where_they_are(cluster):
    parts = [np.full(200_000, i) for i in range(8)]
    cluster.scatter(parts, "parts", by="workers")
    names = {w.address: w.name for w in cluster.workers()}
    held = [names[next(iter(cluster.client.who_has(f)[f.key]))] for f in cluster["parts"].futures]
    assert set(held) == {"alice", "bob"}
    assert cluster.map(lambda p: (int(p[0]), worker_name(p)), parts).gather() == list(enumerate(held))
    parts[2][0] = 77
    assert cluster.map(lambda p: int(p[0]), parts).gather() == [0, 1, 77, 3, 4, 5, 6, 7]


# ---- output


def test_what_items_print_is_labelled_with_their_number(cluster):
    reports = []
    options = Options(on_report=reports.append)
    cluster.submitter.map(lambda i: print("item", i), range(5), options=options).wait()
    parts = [p for r in reports if r["kind"] == "output" for p in r["parts"]]
    assert sorted((p[1], p[2]) for p in parts) == [(i, f"item {i}\n") for i in range(5)]


def test_a_cell_runs_for_each_item_with_its_target(cluster):
    namespace = {"__name__": "__main__", "pairs": [(1, "a"), (2, "b")], "base": 10}
    results = cluster.submitter.cell_map("base += n\nf'{s}{base}'", "n, s", "reversed(pairs)", namespace)
    assert results.gather() == ["b12", "a11"]
    with pytest.raises(ZeroDivisionError):
        cluster.submitter.cell_map("1", "i", "[1 / 0]", namespace)


# ---- limits and losses


def test_a_limit_lets_so_many_items_run_at_once(cluster, tmp_path):
    def alone(i, path):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        time.sleep(0.01)
        os.unlink(path)
        return i

    results = cluster.map(alone, range(20), path=str(tmp_path / "lock"), limits={"db": 1}, batch_size=2)
    assert results.gather() == list(range(20))


def test_a_worker_that_dies_costs_only_what_it_was_running(cluster, tmp_path):
    def item(i, folder):
        with open(os.path.join(folder, str(i)), "a") as f:
            f.write("x")
        if i == 30 and os.path.getsize(os.path.join(folder, "30")) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
        return i

    results = cluster.map(item, range(100), folder=str(tmp_path))
    assert results.gather() == list(range(100))
    again = [i for i in range(100) if os.path.getsize(tmp_path / str(i)) > 1]
    assert 30 in again
    assert len(again) < 60


def test_what_must_not_run_twice_fails_instead(cluster, tmp_path):
    def item(i, folder):
        with open(os.path.join(folder, str(i)), "a") as f:
            f.write("x")
        if i == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    results = cluster.map(item, range(20), folder=str(tmp_path), rerun=False)
    results.wait()
    failed = {e.index: str(e.exception) for e in results.errors}
    assert 5 in failed
    assert len(failed) < 5  # those whose values were lost with the worker
    assert all("not to run twice" in why for why in failed.values())
    assert all(os.path.getsize(tmp_path / str(i)) == 1 for i in range(20))


def test_an_item_that_kills_every_worker_fails_alone(cluster):
    def item(i):
        if i == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    results = cluster.map(item, range(8), batch_size=4)
    results.wait()
    assert [e.index for e in results.errors] == [3]
    assert "KilledWorker" in type(results.errors[0].exception).__name__
    assert results.gather(errors="skip") == [0, 1, 2, 4, 5, 6, 7]


def test_placed_data_that_is_lost_is_restored_and_items_go_on(cluster):
    data = np.arange(500_000)
    cluster.scatter(data, "data", workers=["bob"], whole=True, allow_other_workers=True)
    bob = next(w for w in cluster.workers() if w.name == "bob")
    pid = cluster.client.run(os.getpid, workers=[bob.address])[bob.address]
    results = cluster.map(lambda i: time.sleep(0.02) or int(data[i]), range(100), workers=["alice", "bob"])
    eventually(lambda: results.progress.done > 5)
    os.kill(pid, signal.SIGKILL)
    assert results.gather() == list(range(100))


def test_a_variable_may_be_released_while_a_map_uses_it(cluster):
    data = np.arange(500_000)
    cluster.broadcast(data, "data")
    results = cluster.map(lambda i: time.sleep(0.01) or int(data[i]), range(100))
    eventually(lambda: results.progress.done > 5)
    cluster.release("data")
    assert results.gather() == list(range(100))


# ---- on each worker


def test_code_runs_once_on_each_worker_and_on_newcomers(cluster):
    data = np.arange(5000)
    cluster.broadcast(data, "data")
    each = cluster.submitter.each(lambda: (worker_name(0), int(data[7]), os.getpid()))
    values = each.gather()
    assert sorted(values) == ["alice", "bob"]
    assert all(values[name][:2] == (name, 7) for name in values)
    os.kill(values["bob"][2], signal.SIGKILL)
    eventually(lambda: "bob" in each and each["bob"][2] != values["bob"][2])
    assert each["alice"] == values["alice"]
    each.cancel()
    assert each.done()


def test_code_that_fails_on_a_worker_says_where(cluster):
    def check():
        if worker_name(0) == "bob":
            raise OSError("no model here")
        return 1

    each = cluster.submitter.each(check)
    assert each.wait(30)
    assert list(each.errors) == ["bob"]
    assert each["alice"] == 1
    with pytest.raises(OSError, match="no model here"):
        each.gather()
    with pytest.raises(MoorageError, match="no worker 'carol'"):
        each["carol"]
    each.cancel()


def test_the_scheduler_keeps_nothing_of_what_tasks_print(cluster):
    reports = []
    cluster.submitter.map(lambda i: print("x" * 1000), range(20), options=Options(on_report=reports.append)).wait()
    assert any(r["kind"] == "output" for r in reports)
    assert cluster.client.get_events(cluster.submitter.runtime.topic) == ()


def test_a_task_waits_for_placed_data_that_is_being_restored(cluster):
    data = np.arange(500_000)
    cluster.pin("data", ["bob"], value=data, allow_other_workers=True)
    bob = next(w for w in cluster.workers() if w.name == "bob")
    os.kill(cluster.client.run(os.getpid, workers=[bob.address])[bob.address], signal.SIGKILL)
    futures = [cluster.submit(lambda i: int(data[i]), i) for i in range(5)]
    assert cluster.client.gather(futures) == [0, 1, 2, 3, 4]


def test_a_map_whose_cluster_is_stopped_ends_and_says_so():
    with moorage.start(n_workers=1, threads_per_worker=1) as cluster:
        results = cluster.map(lambda i: time.sleep(0.02) or i, range(10_000))
        eventually(lambda: results.progress.done >= 5)
        eventually(lambda: any(batch.values for batch in results._ledger.batches))
    with pytest.raises(UnreachableError, match="stopped"):
        results.wait(30)
    assert results.progress.finished
    assert results.progress.running == 0
    assert results[0] == 0

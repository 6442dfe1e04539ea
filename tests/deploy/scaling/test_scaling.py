"""Changing the size of a cluster: data stays, whatever happens to the workers that hold it."""

from __future__ import annotations

import os
import random
import signal
import time

import dask.config
import numpy as np
import pytest

from moorage.errors import DoesNotFitError, InputError, ScaleError, UnknownWorkerError
from tests.deploy.tools import addresses, client_of, command, infos, scratch_root, started, workers_of
from tests.helpers import eventually


@pytest.fixture(autouse=True)
def root():
    with scratch_root():
        yield


@pytest.fixture(scope="module")
def shared():
    with scratch_root(), started(n_workers=4, names=["alice", "bob"], threads_per_worker=1) as handle:
        yield handle


@pytest.fixture
def four(shared):
    """A cluster of four new workers: alice, bob, 2 and 3."""
    with client_of(shared) as client:
        command(client, "scale", n=4)
        yield client
        command(client, "keep", keep=False)
        command(client, "scale", n=0, force=True)


@pytest.fixture(scope="module")
def one():
    """A cluster of one worker, which no test changes."""
    with scratch_root(), started(n_workers=1) as handle, client_of(handle) as client:
        yield client


def scattered_on_each(client, size=10_000):
    """One value on each worker, and nowhere else; by worker name."""
    values = {str(info["name"]): os.urandom(size) for _, info in infos(client)}
    return values, {
        str(info["name"]): client.scatter(values[str(info["name"])], workers=[address])
        for address, info in infos(client)
    }


def names(info):
    return sorted(info["arrived"])


def test_scaling_up_brings_workers_and_says_so(four):
    info = command(four, "scale", n=6)
    assert names(info) == ["2", "3", "4", "5", "alice", "bob"]
    assert info["pending"] == ()


def test_scaling_down_keeps_every_value(four):
    values, futures = scattered_on_each(four)
    computed = four.map(lambda n: n * n, range(100), pure=False)
    four.gather(computed)
    info = command(four, "scale", n=2)
    assert len(info["arrived"]) == 2
    assert four.gather(futures) == values
    assert four.gather(computed) == [n * n for n in range(100)]


def test_scaling_down_to_one_and_up_again_keeps_every_value(four):
    values, futures = scattered_on_each(four)
    command(four, "scale", n=1)
    command(four, "scale", n=4)
    assert four.gather(futures) == values


def test_of_equal_workers_the_named_stay(four):
    assert names(command(four, "scale", n=2)) == ["alice", "bob"]


def test_the_emptiest_worker_goes(four):
    futures = [four.scatter(os.urandom(10_000), workers=[name]) for name in ("2", "3", "alice")]
    assert names(command(four, "scale", n=3)) == ["2", "3", "alice"]
    del futures


def test_a_free_name_is_given_to_the_next_worker(four):
    command(four, "scale", workers=["alice"])
    assert names(command(four, "scale", n=4)) == ["2", "3", "alice", "bob"]


def test_chosen_workers_go_and_their_data_stays(four):
    values, futures = scattered_on_each(four)
    assert names(command(four, "scale", workers=["alice", "3"])) == ["2", "bob"]
    assert four.gather(futures) == values


def test_an_unknown_worker_is_named_together_with_the_known_ones(four):
    with pytest.raises(UnknownWorkerError, match="'alise'") as caught:
        command(four, "scale", workers=["alise"])
    assert "Did you mean 'alice'" in caught.value.remedy
    assert len(command(four)["arrived"]) == 4


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("scale", {"n": -1}),
        ("scale", {"n": 2.5}),
        ("scale", {"n": "two"}),
        ("scale", {"n": True}),
        ("scale", {"n": 1_000_000}),
        ("scale", {}),
        ("scale", {"n": 1, "workers": ["alice"]}),
        ("scale", {"memory": "plenty"}),
        ("scale", {"no_such_argument": 1}),
        ("adapt", {"minimum": 3, "maximum": 1}),
        ("adapt", {"minimum": -1, "maximum": 1}),
        ("adapt", {"minimum": 0, "maximum": 0}),
        ("adapt", {"minimum": 1}),
        ("adapt", {"minimum": 1, "maximum": 1_000_000}),
        ("no_such_command", {}),
    ],
)
def test_bad_input_changes_nothing(one, name, arguments):
    with pytest.raises(InputError):
        command(one, name, **arguments)
    info = command(one)
    assert (info["requested"], info["arrived"], info["adapt"]) == (("0",), ("0",), None)


def test_a_size_can_be_given_in_cores_or_memory():
    with started(n_workers=1, threads_per_worker=2, memory_limit="200MB") as handle, client_of(handle) as client:
        assert len(command(client, "scale", cores=5)["arrived"]) == 3
        assert len(command(client, "scale", memory="400MB")["arrived"]) == 2


def test_what_does_not_fit_is_refused_with_numbers_and_can_be_forced():
    with started(n_workers=2, threads_per_worker=1, memory_limit="300MB") as handle, client_of(handle) as client:
        # Not compressible, and more than the free memory of the other.
        arrays = [[np.random.default_rng([n, m]).bytes(1_000_000) for m in range(80)] for n in range(2)]
        futures = [client.scatter(array, workers=[str(n)], hash=False) for n, array in enumerate(arrays)]
        eventually(lambda: all(info["metrics"]["memory"] > 120_000_000 for _, info in infos(client)))
        with pytest.raises(DoesNotFitError, match=r"76\.\d+ MiB in 80 keys .* have room for: ") as caught:
            command(client, "scale", n=1)
        assert "force" in caught.value.remedy
        assert names(command(client)) == ["0", "1"]
        assert client.submit(sum, [1, 2], workers=["0"], pure=False).result(60) == 3
        assert len(command(client, "scale", n=1, force=True)["arrived"]) == 1
        assert client.gather(futures) == arrays


def test_the_last_worker_keeps_its_data_unless_it_is_to_be_lost(four):
    future = four.scatter(1234)
    with pytest.raises(ScaleError, match="1 key would be lost"):
        command(four, "scale", n=0)
    assert len(command(four)["arrived"]) == 4
    assert four.gather(future) == 1234
    assert command(four, "scale", n=0, force=True)["arrived"] == ()
    assert len(command(four, "scale", n=1)["arrived"]) == 1


def test_an_empty_cluster_can_go_to_no_worker_and_back(four):
    assert command(four, "scale", n=0)["requested"] == ()
    assert names(command(four, "scale", n=1)) == ["alice"]
    assert four.submit(sum, [1, 2]).result(60) == 3


class Counter:
    n = 0

    def increment(self):
        self.n += 1
        return self.n


def test_a_worker_with_an_actor_is_not_chosen_and_not_let_go(four):
    with four.as_current():
        counter = four.submit(Counter, actor=True, workers=["2"]).result()
        assert counter.increment().result() == 1
        assert "2" in command(four, "scale", n=1)["arrived"]
        command(four, "scale", n=2)
        with pytest.raises(ScaleError, match="'2' holds an Actor"):
            command(four, "scale", workers=["2"])
        assert counter.increment().result() == 2


def test_a_refusal_leaves_the_workers_as_they_were(four):
    value, futures = scattered_on_each(four)

    def pause(dask_worker):
        from distributed.core import Status

        dask_worker.memory_manager.memory_pause_fraction = False  # or it resumes by itself
        dask_worker.status = Status.paused

    four.run(pause, workers=[address for address, info in infos(four) if info["name"] != "alice"])
    statuses = eventually(lambda: sorted(info["status"] for _, info in infos(four)) == ["paused"] * 3 + ["running"])
    assert statuses
    with pytest.raises(ScaleError, match=r"9\.77 kiB in 1 key.*no running worker remains.*\(2, 3, bob: not running"):
        command(four, "scale", workers=["alice"])
    assert four.submit(sum, [1, 2], workers=["alice"]).result(60) == 3
    assert four.gather(futures) == value


def test_tasks_that_run_meanwhile_give_each_result_once(four):
    seed = random.randrange(1000)
    print("seed", seed)
    sizes = random.Random(seed)
    values, held = scattered_on_each(four)

    def slow(n):
        time.sleep(0.02)
        return n

    futures = four.map(slow, range(400), pure=False)
    for _ in range(6):
        command(four, "scale", n=sizes.randint(1, 5))
    assert four.gather(futures) == list(range(400))
    assert four.gather(held) == values


def test_a_task_that_runs_on_a_leaving_worker_does_not_hold_it(four):
    future = four.submit(time.sleep, 100, workers=["bob"], allow_other_workers=True)
    bob = next(address for address, info in infos(four) if info["name"] == "bob")
    eventually(lambda: four.processing()[bob])
    assert names(command(four, "scale", workers=["bob"])) == ["2", "3", "alice"]
    future.cancel()


def test_a_killed_worker_comes_back_under_its_name(four, shared):
    before = addresses(four)
    os.kill(workers_of(shared)["alice"], signal.SIGKILL)
    eventually(lambda: addresses(four).get("alice") not in (None, before["alice"]))
    assert names(command(four)) == ["2", "3", "alice", "bob"]


def test_adapting_grows_under_load_and_shrinks_without_losing_data(four):
    command(four, "scale", n=1)
    assert command(four, "adapt", minimum=1, maximum=3)["adapt"] == {"minimum": 1, "maximum": 3}
    load = four.map(time.sleep, [0.3] * 1000, pure=False)  # enough until other workers have come
    eventually(lambda: len(command(four)["arrived"]) == 3)
    values, futures = scattered_on_each(four)
    four.cancel(load)
    del load
    eventually(lambda: len(command(four)["arrived"]) == 1)
    assert four.gather(futures) == values
    assert command(four, "fix")["adapt"] is None


def test_adapting_does_not_shrink_when_data_would_not_fit():
    in_memory = dask.config.set({"distributed.worker.memory.spill": False})  # also while what arrives is there twice
    limited = started(n_workers=2, threads_per_worker=1, memory_limit="250MB")
    with in_memory, limited as handle, client_of(handle) as client:
        arrays = [np.random.default_rng(seed).bytes(55_000_000) for seed in range(2)]
        futures = [client.scatter(array, workers=[str(n)], hash=False) for n, array in enumerate(arrays)]
        eventually(lambda: all(info["metrics"]["memory"] > 100_000_000 for _, info in infos(client)))
        # `distributed` itself keeps enough memory for twice the data; one worker of two would do by that rule.
        command(client, "adapt", minimum=0, maximum=2)
        trouble = eventually(lambda: command(client)["trouble"])
        assert "room for" in trouble or "no running worker remains" in trouble
        assert client.gather(futures) == arrays


def test_scaling_by_hand_ends_adapting(four):
    command(four, "adapt", minimum=1, maximum=4)
    assert command(four, "scale", n=3)["adapt"] is None


def test_every_change_is_told_to_the_subscribed_clients(four):
    seen = []
    four.subscribe_topic("moorage-host", lambda event: seen.append(event[1]))
    four.submit(sum, [1, 2]).result()  # on the same connection: by now it is known who listens
    command(four, "scale", n=3)
    eventually(lambda: seen and len(seen[-1]["requested"]) == 3)
    command(four, "keep", keep=True)
    eventually(lambda: seen[-1]["keep"] is True)

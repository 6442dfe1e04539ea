"""The scheduler is killed at random moments of random work, many times: what was placed is there, loops are complete.

With ``MOORAGE_LONG_TESTS=1`` a hundred times, otherwise not at all: `test_reviving.py` has one of each kind.
"""

import os
import random
import signal
import threading
import time

import numpy as np
import pytest

import moorage
from moorage.errors import MoorageError
from tests.helpers import eventually

SEEDS = range(int(os.environ.get("MOORAGE_SEEDS", "100")))

pytestmark = pytest.mark.skipif(not os.environ.get("MOORAGE_LONG_TESTS"), reason="takes minutes")


@pytest.fixture(scope="module")
def cluster():
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="700MB") as cluster:
        cluster.map(slowly, range(2)).gather()  # a loop is under way when the scheduler dies, rather than being begun
        yield cluster


def slowly(item):
    time.sleep(0.005)
    return item + 1


def killed_after(cluster, seconds):
    """Kill the scheduler after so many seconds; return what can be waited for."""
    host = cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"]

    def kill():
        time.sleep(seconds)  # the moment is what is tried out
        os.kill(host, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def work(cluster, chance, expected):
    """Place, move or release something; note in `expected` which values it may have afterwards."""
    name = chance.choice(["a", "b", "c", "d"])
    before = expected.get(name, [None])
    new = chance.choice(
        [np.full(chance.randrange(1, 200_000), chance.random()), [chance.random()] * 3, chance.random()]
    )
    verb = chance.choice(["broadcast", "pin", "scatter", "release"])
    after = None if verb == "release" else new
    expected[name] = [*before, after]  # as long as it is not known whether it was carried out
    try:
        if verb == "release":
            if name in cluster:
                cluster.release(name)
        elif verb == "pin":
            cluster.pin(name, workers=[chance.choice(["alice", "bob"])], value=new, rebind=True)
        else:
            getattr(cluster, verb)(new, name=name, rebind=True)
        expected[name] = [after]
    except MoorageError:
        pass


def is_one_of(value, values):
    return any(type(value) is type(one) and np.array_equal(value, one) for one in values)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_death_at_any_moment_loses_nothing(cluster, seed):
    chance = random.Random(seed)
    cluster.handle._deaths.clear()
    expected = {name: [None] for name in "abcd"}
    for name in list(cluster):
        cluster.release(name)
    lives = cluster.link.lives
    killer = killed_after(cluster, chance.random() * 0.6)
    loop = cluster.map(slowly, range(150))
    while killer.is_alive():
        work(cluster, chance, expected)
    killer.join()
    eventually(lambda: cluster.link.lives > lives and cluster.link.is_back)
    assert loop.gather() == [item + 1 for item in range(150)]
    eventually(lambda: {state.state for state in cluster.placement().values()} <= {"held"})
    for name, values in expected.items():
        value = cluster.gather(name) if name in cluster else None
        assert is_one_of(value, values), (name, value, values)

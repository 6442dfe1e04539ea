"""The pool of segments: what is written once, what is written again, and what goes back to the system."""

import gc
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from moorage.images.segment import HEADER, attach
from moorage.kernel.images import sharing
from moorage.kernel.images.pool import IDLE, Pool

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

SIZE = 1 << 20


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pool(clock):
    pool = Pool(3 * SIZE, clock=clock)
    yield pool
    pool.close()


def put(pool, letter, size=SIZE):
    return pool.lease(letter, [(0, memoryview(letter.encode() * size))], size)


def held(lease):
    """Map what is leased, as a worker does, and end the lease."""
    with lease:
        return attach(lease.handle)


def test_the_same_content_is_written_once(pool):
    first, second = put(pool, "a"), put(pool, "a")
    assert first.handle == second.handle
    assert len(pool) == 1


def test_memory_that_nobody_maps_is_written_again(pool):
    with put(pool, "a") as old:
        pass
    new = put(pool, "b", SIZE - 10)
    assert new.handle.paths == old.handle.paths
    assert bytes(held(new).memory) == b"b" * (SIZE - 10)
    assert len(pool) == 1


def test_memory_that_is_leased_or_mapped_is_not_written_again(pool):
    lease = put(pool, "a")
    mapping = held(put(pool, "b"))
    third = put(pool, "c")
    assert len({lease.handle.paths, mapping.handle.paths, third.handle.paths}) == 3
    assert bytes(mapping.memory) == b"b" * SIZE
    assert bytes(attach(lease.handle).memory) == b"a" * SIZE


def test_much_larger_memory_is_not_taken_for_a_small_block(pool):
    put(pool, "a", 100 * SIZE).release()
    put(pool, "b", SIZE).release()
    assert len(pool) == 2


def test_memory_that_was_got_beforehand_is_what_is_written(pool):
    give_back = pool.warm_up(SIZE)
    assert len(pool) == 1
    lease = put(pool, "a", SIZE - 10)
    give_back()
    assert len(pool) == 1
    assert bytes(held(lease).memory) == b"a" * (SIZE - 10)
    pool.warm_up(SIZE)  # there is some already
    assert len(pool) == 1


def test_memory_that_was_got_in_vain_goes_back(pool):
    give_back = pool.warm_up(4 * SIZE)  # more than may be kept
    assert pool.trim() <= 4 * SIZE + HEADER
    assert len(pool) == 1
    give_back()
    assert len(pool) == 0


def test_what_is_mapped_or_leased_stays_when_trimmed(pool, clock):
    lease, mapping = put(pool, "a"), held(put(pool, "b"))
    clock.now += 10 * IDLE
    assert pool.trim() == 0
    assert bytes(attach(lease.handle).memory) == b"a" * SIZE
    assert put(pool, "b").handle.nonce == mapping.handle.nonce


def test_idle_memory_goes_back_after_a_while(pool, clock):
    put(pool, "a").release()
    assert pool.trim() == SIZE
    clock.now += IDLE - 1
    assert pool.trim() == SIZE
    clock.now += 2
    assert pool.trim() == 0
    assert len(pool) == 0


def test_the_time_of_rest_begins_when_the_last_reader_goes(pool, clock):
    mapping = held(put(pool, "a"))
    pool.trim()
    clock.now += 10 * IDLE
    del mapping
    assert pool.trim() == SIZE


def test_no_more_is_kept_than_the_limit(pool, clock):
    leases = [put(pool, letter) for letter in "abcd"]
    for lease in leases:
        lease.release()
        pool.trim()
        clock.now += 1
    assert pool.trim() == 3 * SIZE
    assert [bool(pool.lease(letter, [], 0)) for letter in "bcd"] == [True] * 3
    assert len(pool) == 3


def test_without_a_limit_nothing_is_kept():
    pool = Pool(0)
    mapping = held(put(pool, "a"))
    assert pool.trim() == 0
    assert len(pool) == 1
    assert put(pool, "a").handle.nonce == mapping.handle.nonce


def test_a_write_that_fails_leaves_nothing(pool):
    before = len(os.listdir("/proc/self/fd"))

    def parts():
        yield 0, memoryview(b"some")
        raise RuntimeError("gone")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="gone"):
            pool.lease("a", parts(), SIZE)
    put(pool, "a").release()
    with pytest.raises(RuntimeError, match="gone"):  # half written again
        pool.lease("b", parts(), SIZE)
    assert len(pool) == 0
    assert len(os.listdir("/proc/self/fd")) == before


def test_two_threads_that_ask_for_the_same_write_it_once(pool):
    begun, go_on, written = threading.Event(), threading.Event(), []

    def parts():
        written.append(1)
        begun.set()
        go_on.wait(60)
        yield 0, memoryview(b"x" * SIZE)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(pool.lease, "x", parts(), SIZE)
        assert begun.wait(60)
        second = threads.submit(pool.lease, "x", parts(), SIZE)
        put(pool, "another").release()  # nobody else has to wait
        assert not second.done()
        go_on.set()
        assert first.result(60).handle == second.result(60).handle
    assert written == [1]


def test_who_waits_for_a_write_that_fails_writes_itself(pool):
    begun, go_on = threading.Event(), threading.Event()

    def failing():
        begun.set()
        go_on.wait(60)
        raise RuntimeError("gone")
        yield

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(pool.lease, "x", failing(), SIZE)
        assert begun.wait(60)
        second = threads.submit(put, pool, "x")
        go_on.set()
        with pytest.raises(RuntimeError):
            first.result(60)
        assert bytes(held(second.result(60)).memory) == b"x" * SIZE


def test_a_lease_that_nobody_has_any_more_has_ended(pool):
    old = put(pool, "a").handle
    gc.collect()
    assert put(pool, "b").handle.paths == old.paths


def test_what_was_written_for_somebody_who_was_interrupted_is_not_given_to_others(pool):
    lease = put(pool, "a")
    del lease  # the value may have been changed while it was written
    gc.collect()
    assert bytes(held(pool.lease("a", [(0, memoryview(b"A" * SIZE))], SIZE)).memory) == b"A" * SIZE


def test_a_forked_child_writes_to_no_segment_of_its_parent():
    mine = sharing.pool()
    with put(mine, "a") as lease:
        pass
    child = os.fork()
    if child == 0:
        try:
            own = put(sharing.pool(), "b")
            os._exit(0 if own.handle.paths[0].startswith(f"/proc/{os.getpid()}/") else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with put(mine, "a") as again:
        assert again.handle == lease.handle
    mine.close()

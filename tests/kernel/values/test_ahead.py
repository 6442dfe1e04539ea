"""What is copied while it is read: the copy is what its digest says, and nobody gets memory that is written to."""

import sys
import threading

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from moorage.images.format import layout
from moorage.images.segment import attach
from moorage.kernel.images.pool import Pool
from moorage.kernel.values import ahead

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

SIZE = 3 << 20
SIZES = st.lists(st.one_of(st.integers(1 << 20, 3 << 20), st.integers(1, 3000)), min_size=1, max_size=4)


def numbers(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, size, "u1")


@pytest.fixture
def pool():
    """A pool with memory that has been written once, and that nobody needs."""
    pool = Pool(1 << 30)
    pool.lease("old", [(0, memoryview(bytes(SIZE)))], SIZE).release()
    yield pool
    pool.close()


def content(lease):
    with lease:
        return bytes(attach(lease.handle).memory)


def put(pool, name, *buffers, digests=()):
    plan = layout([buffer.nbytes for buffer in buffers])
    parts = zip(plan.offsets, map(memoryview, buffers), strict=True)
    return pool.lease(name, parts, plan.nbytes, digests=digests)


@given(sizes=SIZES, seed=st.integers(0, 1000))
def test_a_block_is_what_its_digests_say_however_much_of_it_fits(sizes, seed):
    pool = Pool(1 << 30)
    pool.lease("old", [(0, memoryview(bytes(SIZE)))], SIZE).release()
    buffers = [numbers(seed, size) for size in sizes]
    give_back = pool.warm_up(SIZE)
    digests = [ahead.digest(memoryview(buffer)) for buffer in buffers]
    assert digests == [xxhash.xxh3_128_digest(buffer) for buffer in buffers]
    block, plan = content(put(pool, "new", *buffers, digests=digests)), layout(sizes)
    give_back()
    for start, buffer in zip(plan.offsets, buffers, strict=True):
        assert block[start : start + buffer.nbytes] == buffer.tobytes()
    pool.close()


def test_what_was_copied_as_it_was_read_is_not_copied_again(pool):
    value = numbers(1)
    give_back = pool.warm_up(SIZE)
    before, digest = value.tobytes(), ahead.digest(memoryview(value))
    value[:] = 0  # by another thread: the digest does not tell of that
    lease = put(pool, "new", value, digests=[digest])
    give_back()
    assert content(lease) == before
    assert len(pool) == 1


def test_memory_that_was_written_in_vain_is_written_again(pool):
    give_back = pool.warm_up(SIZE)
    ahead.digest(memoryview(numbers(1)))
    assert pool.trim() >= SIZE  # it counts as memory that can be had
    give_back()
    assert ahead.current() is None
    assert content(put(pool, "new", numbers(2))) == numbers(2).tobytes()
    assert len(pool) == 1


def test_of_several_values_each_gets_its_own(pool):
    first, second = numbers(1), numbers(2)
    ends = [pool.warm_up(SIZE), pool.warm_up(SIZE)]
    digests = [ahead.digest(memoryview(value)) for value in (first, second)]
    leases = [put(pool, "b", second, digests=digests[1:]), put(pool, "a", first, digests=digests[:1])]
    for end in reversed(ends):
        end()
    assert list(map(content, leases)) == [second.tobytes(), first.tobytes()]


def test_content_that_is_there_stays_for_another_thread_until_the_first_byte_is_copied(pool):
    give_back = pool.warm_up(SIZE)
    assert content(pool.lease("old", [], SIZE)) == bytes(SIZE)
    assert ahead.digest(memoryview(numbers(1))) == xxhash.xxh3_128_digest(numbers(1))
    give_back()
    assert content(pool.lease("old", [], SIZE)) == bytes(SIZE)


def test_copying_is_broken_off_when_nobody_waits_for_it():
    value, digests = numbers(1, 64 << 20), []
    pool = Pool(1 << 30)
    pool.lease("old", [(0, memoryview(bytes(value.nbytes)))], value.nbytes).release()
    give_back = pool.warm_up(value.nbytes)
    into = ahead.current()

    def read():
        with ahead.reading(into):
            digests.append(ahead.digest(memoryview(value)))

    reading = threading.Thread(target=read)
    reading.start()
    while reading.is_alive() and not into._copying.locked():
        pass
    give_back()
    reading.join()
    assert digests == [xxhash.xxh3_128_digest(value)]
    other = numbers(2, value.nbytes)
    assert content(put(pool, "new", other)) == other.tobytes()
    pool.close()

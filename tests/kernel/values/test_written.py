"""Is every write to a large buffer noticed, whoever does it? Also where the system cannot tell."""

import mmap
import os

import numpy as np
import pandas as pd
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.kernel.values.fingerprint import fingerprint
from moorage.kernel.values.written import MEMORY, SMALLEST, WrittenMemory, _Linux

N = 4 * SMALLEST


class Reader:
    """Digests of arrays through what the process knows; counts how often a large one was read."""

    def __init__(self, memory=MEMORY):
        self.memory = memory
        self.reads = 0

    def read(self, content):
        self.reads += 1
        return true_digest(content)

    def digest(self, array):
        return self.memory.digest(array, self.read)


def true_digest(array):
    return xxhash.xxh3_128(array).digest()


def allowed():
    """Whether Linux is new enough and lets this process ask; not whether what is then made of it is right."""
    try:
        _Linux()
    except OSError:
        return False
    return True


linux_tells = pytest.mark.skipif(not allowed(), reason="needs Linux 6.7, with userfaultfd allowed")


@pytest.fixture
def reader():
    return Reader()


@linux_tells
def test_what_nobody_wrote_to_is_read_once(reader):
    array = np.arange(N, dtype="u1")
    assert reader.digest(array) == reader.digest(array) == true_digest(array)
    assert array.sum() > 0  # reading is no writing
    assert reader.digest(array) == true_digest(array)
    assert reader.reads == 1
    array[N // 2] ^= 1
    assert reader.digest(array) == true_digest(array)
    assert reader.reads == 2


def write_from_a_file(array):
    with open("/dev/zero", "rb", buffering=0) as zeros:
        zeros.readinto(memoryview(array)[100:200])


WRITES = {
    "the first byte": lambda a: a.__setitem__(0, 9),
    "the last byte": lambda a: a.__setitem__(-1, 9),
    "every byte": lambda a: np.add(a, 1, out=a),
    "by a view": lambda a: a[1000:][::-3].__setitem__(7, 9),
    "by the system": write_from_a_file,
    "by a frame": lambda a: memoryview(a)[77:78].__setitem__(0, 9),
}


@pytest.mark.parametrize("zeros", [False, True], ids=["written before", "never touched"])
@pytest.mark.parametrize("write", WRITES)
def test_every_way_of_writing_is_noticed(reader, write, zeros):
    array = np.zeros(N, "u1") if zeros else np.full(N, 3, "u1")
    for _ in range(3):
        before = reader.digest(array)
        assert before == true_digest(array)
        WRITES[write](array)
        assert reader.digest(array) == true_digest(array)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["write", "look"]),
            st.integers(0, 4),
            st.integers(0, 2 * SMALLEST + 99) | st.sampled_from([0, -1, 4095, 4096, -4096, -4097]),
        ),
        max_size=30,
    )
)
@settings(max_examples=60)
def test_any_sequence_of_writes_and_looks_at_neighbours_and_parts_is_right(steps):
    reader, memory = Reader(), np.zeros(6 * SMALLEST, "u1")
    size = 2 * SMALLEST + 100
    # One after the other without a gap, and two that overlap them: they share pages.
    buffers = [memory[start : start + size] for start in (7, 7 + size, 7 + 2 * size - 5000, 4000, 7 + size // 2)]
    for what, number, index in steps:
        if what == "write":
            buffers[number][index] += 1
        else:
            assert reader.digest(buffers[number]) == true_digest(buffers[number])
    for buffer in buffers:
        assert reader.digest(buffer) == true_digest(buffer)


@linux_tells
def test_neighbours_do_not_make_each_other_be_read_again(reader):
    memory = np.ones(6 * SMALLEST, "u1")
    buffers = [memory[start : start + SMALLEST + 10_001] for start in (3, SMALLEST + 10_004)]
    for _ in range(5):
        for buffer in buffers:
            reader.digest(buffer)
    assert reader.reads == 2


def test_memory_that_was_returned_and_taken_again_is_read_again(reader):
    for fill in range(8):  # the same address, more often than not
        array = np.full(N, fill, "u1")
        assert reader.digest(array) == true_digest(array)
        del array


def in_a_child(function):
    """Return whether `function` is true in a child process."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if function() else 1)
        finally:
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


def test_memory_that_others_can_write_to_is_always_read(reader, tmp_path):
    shared = np.frombuffer(mmap.mmap(-1, N), "u1")
    mapped = np.memmap(tmp_path / "file", "u1", "w+", shape=N)
    for array in (shared, mapped):
        reader.reads = 0
        assert reader.digest(array) == true_digest(array)
        assert in_a_child(lambda: array.__setitem__(5, 77) is None)  # noqa: B023  # called at once
        assert array[5] == 77
        assert reader.digest(array) == true_digest(array)
        assert reader.reads == 2


def test_a_child_process_finds_out_for_itself(reader):
    array = np.ones(N, "u1")
    before = reader.digest(array)

    def same_and_then_another():
        same = reader.digest(array) == before
        array[0] = 9
        return same and reader.digest(array) == true_digest(array) != before

    assert in_a_child(same_and_then_another)
    assert reader.digest(array) == before == true_digest(array)


def test_without_help_of_the_system_everything_is_read(monkeypatch):
    reader = Reader(WrittenMemory())
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    array = np.ones(N, "u1")
    assert reader.digest(array) == reader.digest(array) == true_digest(array)
    assert reader.reads == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a,
        lambda a: a.reshape(2, -1).T,
        lambda a: a[::2],
        lambda a: {"deep": [a]},
        lambda a: pd.DataFrame({"column": a}, copy=False),
    ],
    ids=["array", "transposed", "strided", "container", "frame"],
)
def test_a_fingerprint_of_large_values_sees_each_change(make):
    array = np.zeros(N, "u1")
    value = make(array)
    marks = {fingerprint(value)}
    for index in (0, N // 2, N - 2):
        array[index] = 1
        marks.add(fingerprint(value))
        assert fingerprint(value) in marks
    assert len(marks) == 4

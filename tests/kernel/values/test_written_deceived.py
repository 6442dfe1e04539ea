"""Can the knowledge of what was written be deceived? Ways round Python, numpy and the page that was asked about.

Plain writes are in ``test_written.py``. Not tried: a device that writes by itself into memory that was pinned before.
"""

import ctypes
import mmap
import os
import threading

import numpy as np
import pytest

from moorage.kernel.values.written import MEMORY, SMALLEST, WrittenMemory, _Linux
from tests.kernel.values.test_written import linux_tells, true_digest

pytestmark = linux_tells

N = 4 * SMALLEST // mmap.PAGESIZE * mmap.PAGESIZE
PAGE = mmap.PAGESIZE
MIDDLE = N // 2 // PAGE * PAGE
FIXED, PRIVATE_ANONYMOUS, READ_WRITE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x10, 0x22, 3
MERGEABLE, COLLAPSE, PAGEOUT = 12, 25, 21

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Vector(ctypes.Structure):
    """A struct iovec."""

    _fields_ = (("start", ctypes.c_void_p), ("nbytes", ctypes.c_size_t))


class Subject:
    """An array in memory of its own, of whole pages, that stays as long as the process."""

    kept = []  # noqa: RUF012  # what a system call has put in its place is not to be unmapped by Python

    def __init__(self, path):
        self.path = path
        self.memory = mmap.mmap(-1, N, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.array = np.frombuffer(self.memory, "u1")
        self.array[:] = np.arange(N, dtype="u1")
        self.start = self.array.__array_interface__["data"][0]
        self.kept.append(self)


def write(subject):
    subject.array[MIDDLE] ^= 1


def write_while_a_child_lives(subject):
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(theirs)
        os.read(ours, 1)
        os._exit(0)
    write(subject)
    os.close(theirs)
    os.waitpid(child, 0)
    os.close(ours)


def write_after_a_child_has_ended(subject):
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)
    write(subject)


def give_back(subject):
    subject.memory.madvise(mmap.MADV_DONTNEED)


def give_one_page_back(subject):
    subject.memory.madvise(mmap.MADV_DONTNEED, MIDDLE, PAGE)


def write_on_pages_that_were_put_out(subject):
    subject.memory.madvise(PAGEOUT)
    write(subject)


def write_on_pages_that_were_put_together(subject):
    libc.madvise(subject.start, N, COLLAPSE)
    libc.madvise(subject.start, N, MERGEABLE)
    write(subject)


def map_over_all(subject):
    libc.mmap(subject.start, N, READ_WRITE, FIXED, -1, 0)


def map_over_a_page(subject):
    libc.mmap(subject.start + MIDDLE, PAGE, READ_WRITE, FIXED, -1, 0)


def move_other_memory_there(subject):
    other = Subject(subject.path)
    other.array[:] = 9
    MEMORY.digest(other.array, true_digest)
    libc.mremap(other.start, N, N, 3, subject.start)


def lock_and_unlock(subject):
    for protection in (1, READ_WRITE):
        libc.mprotect(ctypes.c_void_p(subject.start + MIDDLE), PAGE, protection)
    write(subject)


def read_a_file_into_it(subject):
    with subject.path.open("rb", buffering=0) as file:
        file.readinto(subject.memory)


def read_past_the_cache(subject):
    file = os.open(subject.path, os.O_RDONLY | os.O_DIRECT)
    try:
        os.preadv(file, [subject.memory], 0)
    except OSError:
        pytest.skip("this disk cannot be read past the cache")
    finally:
        os.close(file)


def write_as_another_process_would(subject):
    text = ctypes.create_string_buffer(b"z" * 100)
    here, there = Vector(ctypes.addressof(text), 100), Vector(subject.start + MIDDLE, 100)
    assert libc.process_vm_writev(os.getpid(), ctypes.byref(here), 1, ctypes.byref(there), 1, 0) == 100


def write_as_a_debugger_does(subject):
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(subject.start + MIDDLE)
        memory.write(b"z" * 100)


def write_by_compiled_code(subject):
    ctypes.memset(subject.start + MIDDLE, 0xAA, 10)


def write_and_have_another_tracker_look(subject):
    write(subject)
    WrittenMemory().digest(subject.array, true_digest)


def write_while_another_tracker_looks(subject):
    other = WrittenMemory()
    other.digest(subject.array, true_digest)
    write(subject)
    other.digest(subject.array, true_digest)


def write_and_clear_the_marks(subject):
    write(subject)
    _Linux().protect(subject.start, subject.start + N)


def write_and_clear_the_references(subject):
    write(subject)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("4")


@pytest.mark.parametrize(
    "deceive",
    [
        write_while_a_child_lives, write_after_a_child_has_ended, give_back, give_one_page_back,
        write_on_pages_that_were_put_out, write_on_pages_that_were_put_together, map_over_all, map_over_a_page,
        move_other_memory_there, lock_and_unlock, read_a_file_into_it, read_past_the_cache,
        write_as_another_process_would, write_as_a_debugger_does, write_by_compiled_code,
        write_and_have_another_tracker_look, write_while_another_tracker_looks, write_and_clear_the_marks,
        write_and_clear_the_references,
    ],
)  # fmt: skip
def test_it_is_not_deceived_by(deceive, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(N))
    subject = Subject(path)
    before = MEMORY.digest(subject.array, true_digest)
    deceive(subject)
    after = MEMORY.digest(subject.array, true_digest)
    assert after == true_digest(subject.array) != before


def test_memory_that_moves_when_it_grows_is_told_apart():
    array = np.zeros(N, "u1")
    MEMORY.digest(array, true_digest)
    array.resize(3 * N, refcheck=False)
    array[N // 2] = 1
    assert MEMORY.digest(array, true_digest) == true_digest(array)
    text = bytearray(N)
    MEMORY.digest(np.frombuffer(text, "u1"), true_digest)
    text.extend(bytes(2 * N))
    text[N // 2] = 1
    assert MEMORY.digest(np.frombuffer(text, "u1"), true_digest) == true_digest(np.frombuffer(text, "u1"))
    del text[2 * N :]
    assert MEMORY.digest(np.frombuffer(text, "u1"), true_digest) == true_digest(np.frombuffer(text, "u1"))


def test_what_is_still_being_read_from_a_disk_is_found_out_when_it_has_arrived(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(16 * N))
    memory = mmap.mmap(-1, 16 * N, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    array = np.frombuffer(memory, "u1")
    array[:] = 0

    def read():
        with path.open("rb", buffering=0) as file:
            file.readinto(memory)

    reading = threading.Thread(target=read)
    reading.start()
    while reading.is_alive():
        MEMORY.digest(array, true_digest)
    reading.join(60)
    assert MEMORY.digest(array, true_digest) == true_digest(array)

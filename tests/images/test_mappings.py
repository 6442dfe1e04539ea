"""A segment is mapped once in a process, as long as it is used or about to be."""

import os
import sys

import pytest

from moorage.images.filed import is_mappable
from moorage.images.mappings import PATIENCE, Mappings
from moorage.images.room import SegmentError
from moorage.images.segment import Segment
from moorage.worker.tasks.file import PAGE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")


@pytest.fixture
def segment():
    segment = Segment(1000)
    segment.write([(0, memoryview(b"x" * 1000))], 1000)
    yield segment
    segment.close()


def test_it_is_mapped_once_and_until_nobody_uses_it(segment):
    mappings = Mappings()
    first, second = mappings.map(segment.handle), mappings.map(tuple(segment.handle))
    assert first is second
    assert mappings.nbytes == (1000, 0)
    view = first.memory[:10]
    del first, second
    assert len(mappings) == 1
    del view
    assert mappings.nbytes == (0, 0)
    assert segment.is_free()


def test_a_block_of_a_saved_file_is_mapped_until_the_file_changes(tmp_path):
    path = tmp_path / f"{'0' * 32}.images"
    path.write_bytes(b"s" * PAGE + b"x" * 1000)
    path.chmod(0o600)
    mappings, others = Mappings(), Mappings()
    with path.open("r+b") as file:
        assert is_mappable(file.fileno(), PAGE)
        mapped = mappings.map_file(file.fileno(), PAGE, 1000)
        assert bytes(others.map(mapped.handle).memory) == b"x" * 1000
        assert mappings.nbytes == (0, 1000)
        private = mappings.private(mapped)
        private.memory[:1] = b"y"
        assert others.map(mapped.handle).memory[:1] == b"x"
        os.utime(path, (0, 0))
        assert "another file" in Mappings().prepare(mapped.handle)
        path.chmod(0o620)
        assert not is_mappable(file.fileno(), PAGE)


def test_what_is_prepared_is_there_when_its_writer_is_gone(segment):
    mappings = Mappings()
    assert mappings.prepare(segment.handle) == ""
    segment.close()
    assert bytes(mappings.map(segment.handle).memory) == b"x" * 1000
    with pytest.raises(SegmentError):
        mappings.map(segment.handle)


def test_why_it_cannot_be_mapped_is_told(segment):
    assert "gone" in Mappings().prepare(segment.handle._replace(paths=("/proc/self/fd/0",)))


def test_what_never_comes_is_let_go(segment):
    now = 0.0
    mappings = Mappings(lambda: now)
    mappings.prepare(segment.handle)
    now = PATIENCE / 2
    mappings.expire()
    assert len(mappings) == 1
    now = PATIENCE + 1
    mappings.expire()
    assert len(mappings) == 0

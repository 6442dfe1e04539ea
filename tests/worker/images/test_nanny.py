"""What a nanny takes for its worker's own memory, of segments that all workers of a host share."""

from __future__ import annotations

import os
import sys

import pytest

from moorage.images.segment import Segment, attach, attach_private
from moorage.worker.images.nanny import shared_by_us

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

MB = 1 << 20


def test_pages_that_were_written_to_count_as_the_workers_own() -> None:
    segment = Segment(8 * MB)
    try:
        segment.write([(0, memoryview(bytes(8 * MB)))], 8 * MB)
        nothing = shared_by_us(os.getpid())
        shared, private = attach(segment.handle), attach_private(segment.handle)
        assert sum(shared.memory[:: MB // 256]) + sum(private.memory[:: MB // 256]) == 0  # each page is touched
        assert shared_by_us(os.getpid()) - nothing == 16 * MB
        private.memory[: 3 * MB] = b"x" * 3 * MB
        assert shared_by_us(os.getpid()) - nothing == 13 * MB
        private.memory[: 3 * MB] = bytes(3 * MB)  # what was written stays the worker's own, whatever it is
        assert shared_by_us(os.getpid()) - nothing == 13 * MB
    finally:
        segment.close()

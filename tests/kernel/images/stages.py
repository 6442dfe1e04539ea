"""The stages of a broadcast, at each of which something can happen."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import psutil

from moorage.images.segment import Segment
from moorage.kernel.connection.scheduler_link import SchedulerLink
from moorage.kernel.placement.request import _Sending

STAGES = ("before it is written", "while it is written", "before it is mapped", "after it is mapped")


@contextlib.contextmanager
def at(stage: str, nbytes: int, happen: Callable[[], object]) -> Iterator[list[str]]:
    """Let something happen, once, at a stage of the broadcast of a value of so many bytes; yield what has happened."""
    happened: list[str] = []

    def now(here: str) -> None:
        if here == stage and not happened:
            happened.append(stage)
            happen()

    write, scatter, place = Segment.write, _Sending._scatter, SchedulerLink.place

    def written(self: Segment, parts: Any, n: int) -> None:
        if n != nbytes:
            write(self, parts, n)
            return

        def in_halves() -> Iterator[tuple[int, memoryview]]:
            for offset, content in parts:
                flat = content.cast("B")
                half = flat.nbytes // 2
                yield offset, flat[:half]
                now("while it is written")
                yield offset + half, flat[half:]

        now("before it is written")
        write(self, in_halves(), n)

    async def scattered(self: Any, *args: Any) -> Any:
        now("before it is mapped")
        futures = await scatter(self, *args)
        now("after it is mapped")
        return futures

    async def placed(self: Any, items: Any, loads: Any = (), *args: Any) -> Any:
        now("before it is mapped" if loads else "")
        lacking = await place(self, items, loads, *args)
        now("after it is mapped" if loads else "")
        return lacking

    with (
        mock.patch.object(Segment, "write", written),
        mock.patch.object(_Sending, "_scatter", scattered),
        mock.patch.object(SchedulerLink, "place", placed),
    ):
        yield happened


def segments() -> dict[str, set[int]]:
    """Return the segments without a name that any process of this machine has open, with the ids of those that have."""
    found: dict[str, set[int]] = {}
    for process in psutil.process_iter():
        try:
            links = [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{process.pid}/fd")]
        except OSError:
            continue
        for link in links:
            if link.startswith("/memfd:moorage-"):
                found.setdefault(link, set()).add(process.pid)
    return found

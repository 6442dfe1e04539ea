"""What is being done on the event loop, by what it is done to: so that what comes next can wait for its end.

And how far it is, where that takes long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager

from moorage import config


class Works:
    """Works that have not ended, by marks: keys, or variables. All calls on the event loop."""

    def __init__(self) -> None:
        self._works: dict[Hashable, asyncio.Future[None]] = {}

    def note(self, marks: Iterable[Hashable], work: asyncio.Future[None]) -> None:
        """Know `work` under each of `marks` until it ends, or another one is noted there."""
        marks = list(marks)
        self._works.update(dict.fromkeys(marks, work))
        work.add_done_callback(lambda _: [self._works.pop(mark) for mark in marks if self._works.get(mark) is work])

    async def ended(self, marks: Iterable[Hashable]) -> None:
        """Wait until what is known under `marks` has ended, however that is; within the time limit of an answer."""
        if works := {self._works[mark] for mark in marks if mark in self._works}:
            await asyncio.wait(works, timeout=config.seconds("answer-timeout"))

    def __len__(self) -> int:
        return len(self._works)


@contextmanager
def arriving(
    label: str, known: dict[str, tuple[int, int]], changed: Callable[[], None]
) -> Iterator[Callable[[int, int], None]]:
    """Let it be told how far something is on its way, and let it be `known` as long as it is.

    What is told later, by who was broken off and has not noticed yet, is not known: nobody would take it away.
    """
    over = False

    def progress(done: int, total: int) -> None:
        if not over:
            known[label] = done, total
            changed()

    try:
        yield progress
    finally:
        over = True
        if known.pop(label, None):
            changed()

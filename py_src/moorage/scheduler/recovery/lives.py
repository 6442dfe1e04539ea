"""Keeps two lives of one key apart: a value that comes back must not be freed in the place of the one that has gone.

That a key is let go of travels by the stream of messages to each worker, a value by a connection of its own. So the
value may be there first, and is then the one that the worker lets go of::

    scheduler   free x ----stream------------.
                new x  ----connection--.      \
    worker      (x)                    new x   free x: nothing is left

A worker that was fetching the earlier value has similar ways to lose the new one. Hence, before a value is sent whose
key has ended lately, its worker is asked what it has of the key. Question and answer keep to the stream, so all that
was said of the earlier life has been dealt with when the answer is here. It is asked for a sign of life first: what the
scheduler replies to all that the worker has said before goes ahead of the question, too. While a value is on its way
nobody lets go of its key (see `Strays`). Keys that have never been here, and those that are random, cost nothing.

Not covered: plain Dask clients that scatter directly to workers. They tell the scheduler when it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

from moorage._dask.scheduler.questions import ask_states, take_answers
from moorage.plan import Address, Key

if TYPE_CHECKING:
    from distributed import Scheduler

_LATELY = 30.0  # seconds, up to twice as many: no stream is as late as that
_AGAIN = 0.02  # seconds between questions, while the worker is busy with the key
_AT_REST = (None, "memory", "released", "error", "forgotten")  # states of a key with which a worker does nothing
_QUESTION = "moorage-"  # what the names of questions begin with
ANSWER = 10.0
"""Seconds that a worker may take to answer; one that hangs is not waited for any longer."""
_NOTHING = "moorage-nothing"  # a key that no worker has


class Lives:
    """Which keys have ended lately, and whether workers have done with them."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._ended: set[Key] = set()
        self._ended_before: set[Key] = set()
        self._since = monotonic()
        self._asked: dict[str, _Question] = {}
        self._end_answers = take_answers(scheduler, self._told)

    def ended(self, keys: Iterable[Key]) -> None:
        """Note that workers are told to let go of `keys`."""
        self._ended.update(keys)

    async def settle(self, keys: Mapping[Address, Collection[Key]]) -> None:
        """Wait until workers have dealt with earlier lives of keys that they are about to be sent."""
        if not self._ended and not self._ended_before:
            return
        doubtful = {
            address: lately
            for address, sent in keys.items()
            if (lately := [key for key in sent if key in self._ended or key in self._ended_before])
        }
        if doubtful:
            await asyncio.gather(*(self._settle_at(address, lately) for address, lately in doubtful.items()))

    def worker_gone(self, address: Address) -> None:
        """Wait for no answer of a worker that has left."""
        for question in self._asked.values():
            if question.address == address:
                question.end()

    def sweep(self) -> None:
        """Forget what has ended long ago."""
        if monotonic() - self._since > _LATELY:
            self._ended, self._ended_before, self._since = set(), self._ended, monotonic()

    def close(self) -> None:
        """Leave no trace on the scheduler."""
        for question in self._asked.values():
            question.end()
        self._end_answers()

    async def _settle_at(self, address: Address, keys: Collection[Key]) -> None:
        with contextlib.suppress(TimeoutError):  # it hangs: so will what is sent to it
            async with asyncio.timeout(ANSWER):
                while True:
                    await self._ask(address, [_NOTHING])
                    states = await self._ask(address, [key for key in keys if not self._is_computed(key, address)])
                    if all(self._is_at_rest(key, state) for key, state in states.items()):
                        return
                    await asyncio.sleep(_AGAIN)

    async def _ask(self, address: Address, keys: Collection[Key]) -> dict[Key, str | None]:
        """Return the states of keys on a worker, after it has dealt with all that it was sent by the stream."""
        if not keys:
            return {}
        name = f"{_QUESTION}{uuid4().hex}"
        question = self._asked[name] = _Question(address, len(keys))
        try:
            if ask_states(self._scheduler, address, keys, name):
                await question.answered.wait()
        finally:
            del self._asked[name]
        return question.states

    def _told(self, key: Key, state: str | None, name: str) -> bool:
        """Take an answer, if it is to a question of ours."""
        if (question := self._asked.get(name)) is not None:
            question.states[key] = state
            if len(question.states) == question.n:
                question.end()
        return name.startswith(_QUESTION)

    def _is_at_rest(self, key: Key, state: str | None) -> bool:
        """Whether a worker does nothing with a key that could undo what it is sent.

        One that misses a key asks the scheduler for it every second. Told who has it, nobody, it goes on missing it;
        only a key that is not known would be let go of.
        """
        return state in _AT_REST or (state == "missing" and key in self._scheduler.tasks)

    def _is_computed(self, key: Key, address: Address) -> bool:
        """Whether a worker has a task of that key: it would give it up, and has the value already."""
        ts = self._scheduler.tasks.get(key)
        return ts is not None and ts.processing_on is not None and ts.processing_on.address == address


@dataclass
class _Question:
    """A worker is asked for the states of so many keys."""

    address: Address
    n: int
    states: dict[Key, str | None] = field(default_factory=dict)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        """Stop waiting: nothing more will be reported."""
        self.answered.set()

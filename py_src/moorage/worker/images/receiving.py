"""A worker as the agent of its host: it receives an image piece by piece into a segment, for all workers there to map.

Whoever spreads an image (``spreading.py``) opens a connection to one worker of each host, ``moorage_receive``, and on
it says which pieces to fetch from which other agent, and sends those that come from itself. Agents ask each other for
pieces with ``moorage_pieces``, one connection for each pair and direction. All of them are Dask's own, to the workers'
ports, encrypted and authenticated as everything on the cluster.

The segment is checked against the digests of its buffers before it is sealed and its handle told. It, and all that
belongs to a transfer, ends with the connection to whoever spreads: what has been mapped by then stays mapped.

Shipped by value.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from distributed.comm.core import connect
from distributed.core import Status
from distributed.metrics import time
from distributed.protocol.serialize import to_serialize
from distributed.utils import offload

from moorage._dask.connecting import connecting
from moorage._dask.server import answer
from moorage._dask.worker import connection_args
from moorage.images.blocks import extent, n_pieces
from moorage.images.carrier import Table
from moorage.images.format import damaged, layout
from moorage.images.segment import Segment
from moorage.wire.images import Give, News, Piece
from moorage.worker.images.sharing import OFF
from moorage.worker.images.transfers import Transfers

SIGN_OF_LIFE = 1.0
"""Seconds between signs of life, both ways."""
SILENCE = 15.0
"""Seconds without any after which the other side is taken for gone."""

_CONNECT = 15.0  # seconds; Dask tries for a fifth of it first, and many begin at once
_PATIENCE = 15.0  # seconds without a piece from another agent
_WINDOW = 3  # pieces that are asked for ahead
_NEWS = 16  # pieces from others that are reported together


class Receiving:
    """What one worker does about it, until it is closed. On the worker's event loop.

    `table`: the images of the process. `allowed`: whether to take part at all. `transfers`: notes what has come.
    """

    def __init__(self, worker: Any, table: Table, allowed: bool, transfers: Transfers) -> None:
        self._worker = worker
        self._table = table
        self._allowed = allowed
        self._transfers = transfers
        self._arrivals: dict[str, _Arrival] = {}
        self._end_answers = answer(worker, moorage_receive=self.receive, moorage_pieces=self.give)

    def close(self) -> None:
        """Stop taking part."""
        self._end_answers()
        for arrival in list(self._arrivals.values()):
            arrival.close()

    async def receive(
        self,
        comm: Any,
        transfer: str,
        sizes: Sequence[int],
        digests: Sequence[bytes],
        image: str = "",
        sender: str = "",
    ) -> Any:
        """Receive the buffers of an image, and tell where they lie.

        Answers are `News`: an ``error``, or ``ready``; then now and then what it has, at last the ``handle``. `sizes`,
        `digests`: of the buffers. `image`: its digest, by which it is told what has moved. `sender`: address of the
        worker that spreads it; empty for a notebook.
        """
        try:
            if not self._allowed:
                raise OSError(OFF)
            arrival = _Arrival(self._worker, transfer, sizes, digests, sender, partial(self._note, image, time()))
        except OSError as error:
            refusal: News = {"error": f"no memory to share: {error.strerror or error}"}
            await comm.write(refusal)
            return Status.dont_reply
        self._arrivals[transfer] = arrival
        try:
            await arrival.run(comm, self._table)
        except OSError:  # the other side is gone
            pass
        finally:
            del self._arrivals[transfer]
            arrival.close()
            comm.abort()
        return Status.dont_reply

    def _note(self, image: str, begun: float, giver: str, nbytes: int) -> None:
        self._transfers.note("pieces", giver, {f"image-{image}": nbytes}, begun, time())

    async def give(self, comm: Any, transfer: str) -> Any:
        """Give another agent the pieces that it asks for with ``{"give": piece}``, in that order."""
        arrival = self._arrivals.get(transfer)
        if arrival is None:
            comm.abort()
            return Status.dont_reply
        with arrival.serving(comm), contextlib.suppress(OSError):
            while True:
                asked: Give = await comm.read()
                content = await arrival.content(asked["give"])
                answer: Piece = {"piece": asked["give"], "data": to_serialize(content)}
                await comm.write(answer)
        return Status.dont_reply


class _Arrival:
    """An image on its way to this host."""

    def __init__(
        self,
        worker: Any,
        transfer: str,
        sizes: Sequence[int],
        digests: Sequence[bytes],
        sender: str,
        note: Callable[[str, int], None],
    ) -> None:
        self._worker = worker
        self._sender = sender
        self._note = note
        self._came: dict[str, int] = {}  # bytes that are not noted yet, by giver
        self._transfer = transfer
        self._plan = layout(sizes)
        self._digests = digests
        self._segment = Segment(self._plan.nbytes)
        self._mapping: Any = None
        self._lacking = set(range(n_pieces(self._plan.nbytes)))
        self._waited_for: dict[int, asyncio.Event] = {}
        self._complete = asyncio.Event()
        self._links: set[Any] = set()  # to agents that ask
        self._queues: dict[str, deque[int]] = {}  # what is to be asked for, by agent
        self._tasks: set[asyncio.Task[None]] = set()
        self._have: list[int] = []  # news
        self._apart: list[str] = []
        self._told = asyncio.Event()

    async def run(self, comm: Any, table: Table) -> None:
        """Receive all, and stay for others to ask until the other side closes the connection."""
        ready: News = {"ready": True}
        await comm.write(ready)
        self._begin(self._report(comm))
        self._begin(self._finish(comm, table))
        while True:
            message: Piece = await asyncio.wait_for(comm.read(), SILENCE)
            if "piece" in message:
                self._take(message["piece"], message["data"], self._sender, urgent=True)
            for giver, pieces in message.get("orders", {}).items():
                self._fetch_from(giver, pieces)

    def close(self) -> None:
        """Let go of everything but what has been mapped."""
        for task in self._tasks:
            task.cancel()
        for link in self._links:
            link.abort()
        for event in self._waited_for.values():
            event.set()
        self._mapping = None
        self._segment.close()
        self._note_all()

    def _note_all(self) -> None:
        """Note what has come."""
        for giver, nbytes in self._came.items():
            self._note(giver, nbytes)
        self._came.clear()

    @contextlib.contextmanager
    def serving(self, comm: Any) -> Any:
        """Note a connection over which another agent asks."""
        self._links.add(comm)
        try:
            yield
        finally:
            self._links.discard(comm)
            comm.abort()

    async def content(self, piece: int) -> memoryview:
        """Return a piece as soon as it is there. Raises OSError if it never will be."""
        if piece in self._lacking:
            await self._waited_for.setdefault(piece, asyncio.Event()).wait()
        if piece in self._lacking or self._segment.closed:
            raise OSError("the transfer has ended")
        return memoryview(self._segment.get(*extent(piece, self._plan.nbytes)))

    def _begin(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _take(self, piece: int, content: Any, giver: str, *, urgent: bool = False) -> None:
        """Keep a piece that has come; `urgent`: whoever sent it waits to hear of that."""
        self._came[giver] = self._came.get(giver, 0) + content.nbytes
        start, stop = extent(piece, self._plan.nbytes)
        if content.nbytes != stop - start:
            return
        if piece in self._lacking:
            self._segment.put(start, content)
            self._lacking.discard(piece)
            if event := self._waited_for.pop(piece, None):
                event.set()
        elif not urgent:
            return
        self._have.append(piece)  # once more, if it came from elsewhere before
        if not self._lacking:
            self._complete.set()
        if urgent or not self._lacking or len(self._have) >= _NEWS:
            self._told.set()

    def _fetch_from(self, giver: str, pieces: Iterable[int]) -> None:
        queue = self._queues.get(giver)
        if queue is None:
            self._queues[giver] = queue = deque()
            self._begin(self._fetch(giver, queue))
        queue.extend(pieces)

    async def _fetch(self, giver: str, queue: deque[int]) -> None:
        """Fetch from another agent what is in the queue, until it is empty."""
        comm = None
        try:
            await asyncio.sleep(0)  # the queue is filled now
            with connecting():
                comm = await connect(giver, timeout=_CONNECT, **connection_args(self._worker))
            await comm.write({"op": "moorage_pieces", "transfer": self._transfer, "reply": False})
            asked = 0
            while queue or asked:
                while queue and asked < _WINDOW:
                    if (piece := queue.popleft()) in self._lacking:
                        give: Give = {"give": piece}
                        await comm.write(give)
                        asked += 1
                if asked:
                    message: Piece = await asyncio.wait_for(comm.read(), _PATIENCE)
                    self._take(message["piece"], message["data"], giver)
                    asked -= 1
        except (OSError, TimeoutError):
            self._apart.append(giver)
            self._told.set()
        finally:
            del self._queues[giver]
            if comm is not None:
                comm.abort()

    async def _report(self, comm: Any) -> None:
        """Tell the other side what is there, and that this one lives."""
        with contextlib.suppress(OSError):
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._told.wait(), SIGN_OF_LIFE / 4 if self._have else SIGN_OF_LIFE)
                self._told.clear()
                news: News = {"have": self._have, "apart": self._apart}
                self._have, self._apart = [], []
                await comm.write(news)

    async def _finish(self, comm: Any, table: Table) -> None:
        """Check and seal what has come, and tell where it lies."""
        await self._complete.wait()
        self._note_all()  # before the other side hears that it is there
        try:
            self._segment.write([], self._plan.nbytes)
            mapping = table.mappings.map(self._segment.handle)
            buffers = self._plan.split(mapping.memory)
            if wrong := await offload(damaged, buffers, self._digests):
                raise OSError(f"{wrong} of {len(buffers)} buffers arrived changed")
            self._mapping = mapping  # by which this worker, and others, map it while this lasts
            answer: News = {"handle": tuple(self._segment.handle)}
        except OSError as error:
            answer = {"error": str(error)}
        with contextlib.suppress(OSError):
            await comm.write(answer)

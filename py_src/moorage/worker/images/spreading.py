"""Spreads an image to several hosts at once: to one agent on each, which share the pieces out among themselves.

The schedule, and what happens when an agent is lost on the way, is that of ``images/blocks.py``; the other side is
``receiving.py``. Who spreads is the notebook, or a worker if the notebook does not reach the others. An agent that
cannot take part, or stops taking part, is left out, and the reason is given: its host gets the image another way.

Shipped by value.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from distributed.comm.core import CommClosedError, connect
from distributed.protocol.serialize import to_serialize

from moorage._dask.connecting import connecting
from moorage.images.blocks import PIECE, SOURCE, Distribution, Orders, cut, extent, n_pieces
from moorage.images.format import layout
from moorage.images.segment import Handle
from moorage.wire.images import News, Piece
from moorage.worker.images.receiving import SIGN_OF_LIFE, SILENCE

_OPEN = 8.0  # seconds for an agent to answer at the start
_GRACE = 1.0  # seconds in which an agent that another one does not reach may turn out to be gone
_STALL = 45.0  # seconds without a new piece
_WINDOW = 3  # pieces on their way to one agent


class Spreading:
    """One image on its way to other hosts. A context manager: what agents have not mapped by its end is gone.

    Parameters
    ----------
    buffers : sequence of memoryview
        Of the image.
    digests : sequence of bytes
        Of the buffers.
    agents : sequence of str
        Addresses of workers, one of each host.
    connection_args : mapping
        As of a client or worker.
    progress : callable, optional
        Called with the bytes that have arrived, and with all that should.
    image : str
        Its digest, under which the agents note what has moved.
    sender : str
        Address of the worker that this is; empty for a notebook.

    Attributes
    ----------
    handles : dict of str to Handle
        Where it lies on the hosts of agents, when `run` has ended.
    failed : dict of str to str
        Why an agent does not have it.
    out_of_reach : set of str
        Those of them that could not be connected to.
    """

    def __init__(
        self,
        buffers: Sequence[memoryview],
        digests: Sequence[bytes],
        agents: Sequence[str],
        connection_args: Mapping[str, Any],
        progress: Callable[[int, int], None] = lambda done, total: None,
        image: str = "",
        sender: str = "",
    ) -> None:
        self.handles: dict[str, Handle] = {}
        self.failed: dict[str, str] = {}
        self.out_of_reach: set[str] = set()
        self._buffers = buffers
        self._digests = digests
        self._plan = layout([buffer.nbytes for buffer in buffers])
        self._addresses = agents
        self._connection_args = connection_args
        self._progress = progress
        self._told = {"image": image, "sender": sender}
        self._agents: dict[str, _Agent] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()
        self._transfer = uuid4().hex

    async def run(self) -> None:
        """Spread it, until each agent has it or is left out."""
        await asyncio.gather(*map(self._open, self._addresses))
        self._distribution = Distribution(n_pieces(self._plan.nbytes), list(self._agents))
        self._give(self._distribution.begin())
        for agent in self._agents.values():
            self._tasks += [asyncio.ensure_future(self._listen(agent)), asyncio.ensure_future(self._tell(agent))]
        self._look()
        await self._over.wait()

    def close(self) -> None:
        """Let the agents go."""
        for task in self._tasks:
            task.cancel()
        for agent in self._agents.values():
            agent.comm.abort()
        self._buffers = ()  # not only when the garbage collector finds the tasks

    def __enter__(self) -> Spreading:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _open(self, address: str) -> None:
        comm = None
        answer: News
        try:
            async with asyncio.timeout(_OPEN):
                with connecting():
                    comm = await connect(address, timeout=_OPEN, **self._connection_args)
                sizes = [buffer.nbytes for buffer in self._buffers]
                message = {"transfer": self._transfer, "sizes": sizes, "digests": list(self._digests), **self._told}
                # "close": a worker that does not know the question says nothing, but hangs up at once
                await comm.write({"op": "moorage_receive", "reply": False, "close": True, **message})
                try:
                    answer = await comm.read()
                except CommClosedError:
                    answer = {"error": "it does not take part"}
        except (OSError, TimeoutError) as error:
            if comm is None:
                self.out_of_reach.add(address)
                answer = {"error": f"it cannot be reached: {str(error) or type(error).__name__}"}
            else:
                answer = {"error": "it does not answer"}
        except BaseException:
            if comm is not None:
                comm.abort()
            raise
        if comm is not None and answer.get("ready"):
            self._agents[address] = _Agent(address, comm)
            return
        if comm is not None:
            comm.abort()
        self.failed[address] = answer.get("error", "it does not take part")

    def _give(self, orders: Orders) -> None:
        """Pass on what agents are to fetch from each other, and send them what comes from here."""
        for address, givers in orders.items():
            agent = self._agents[address]
            agent.queue.extend(givers.pop(SOURCE, ()))
            if givers:
                agent.orders.append(givers)
            agent.wake.set()

    async def _tell(self, agent: _Agent) -> None:
        """Write to an agent, at least a sign of life now and then."""
        with contextlib.suppress(OSError):  # who listens to it notices
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(agent.wake.wait(), SIGN_OF_LIFE)
                agent.wake.clear()
                orders, agent.orders = agent.orders, []
                for givers in orders or [{}]:
                    order: Piece = {"orders": givers}
                    await agent.comm.write(order)
                while agent.queue and len(agent.under_way) < _WINDOW:
                    agent.under_way.add(piece := agent.queue.popleft())
                    message: Piece = {"piece": piece, "data": to_serialize(self._content(piece))}
                    await agent.comm.write(message)
                    del message  # lest the value lives as long as the frame of a cancelled task

    def _content(self, piece: int) -> memoryview:
        return cut(self._plan, self._buffers, *extent(piece, self._plan.nbytes))

    async def _listen(self, agent: _Agent) -> None:
        """Note what an agent says, until all have the image; others may need pieces of it to the last."""
        why = "it was lost on the way"
        try:
            while True:
                message: News = await asyncio.wait_for(agent.comm.read(), SILENCE)
                if pieces := message.get("have"):
                    agent.stalled_since = time.monotonic()
                    agent.under_way.difference_update(pieces)
                    agent.wake.set()
                    self._distribution.took(agent.address, pieces)
                    self._report()
                for other in message.get("apart", ()):
                    asyncio.get_running_loop().call_later(_GRACE, self._apart, agent.address, other)
                if "handle" in message:
                    nonce, nbytes, paths = message["handle"]
                    self.handles[agent.address] = Handle(nonce, nbytes, tuple(paths))
                    self._look()
                if "error" in message:
                    why = message["error"]
                    break
                if agent.address not in self.handles and time.monotonic() > agent.stalled_since + _STALL:
                    why = f"nothing arrived for {_STALL:.0f} s"
                    break
        except TimeoutError:
            why = f"it was silent for {SILENCE:.0f} s"
        except OSError:
            pass
        self._lose(agent, why)

    def _lose(self, agent: _Agent, why: str) -> None:
        agent.comm.abort()
        del self._agents[agent.address]
        self.handles.pop(agent.address, None)
        self.failed[agent.address] = why
        self._give(self._distribution.lost(agent.address))
        self._look()

    def _apart(self, address: str, other: str) -> None:
        if address in self._agents and not self._over.is_set():
            self._give(self._distribution.apart(address, other))

    def _look(self) -> None:
        if self.handles.keys() >= self._agents.keys():
            self._over.set()

    def _report(self) -> None:
        nbytes = self._plan.nbytes
        arrived = [min(nbytes, self._distribution.has(address) * PIECE) for address in self._agents]
        self._progress(sum(arrived), nbytes * len(arrived))


class _Agent:
    """One that takes part."""

    def __init__(self, address: str, comm: Any) -> None:
        self.address = address
        self.comm = comm
        self.orders: list[dict[str, list[int]]] = []
        self.queue: deque[int] = deque()
        self.under_way: set[int] = set()
        self.wake = asyncio.Event()
        self.stalled_since = time.monotonic()

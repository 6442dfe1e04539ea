"""What workers are asked, and tell, about images: memory that hosts share, and pieces on their way between hosts.

The worker's side is ``worker/images/``. Only shapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NotRequired, Protocol, TypeAlias, TypedDict

SHARED_TOPIC = "moorage-shared"
"""Of the events by which workers tell the scheduler what they have mapped."""

FORWARDING_TOPIC = "moorage-forwarding"
"""Of the events by which workers tell the scheduler how far something is that they send on to other hosts."""

METRIC = "moorage"
"""Of the workers, told with each heartbeat: see `Room`."""

HandleTuple: TypeAlias = Sequence[Any]
"""A segment: see ``Handle`` in ``images/segment.py``."""


class SharedReport(TypedDict):
    """A worker has mapped values."""

    worker: str  # its address
    shared: dict[Any, tuple[int, str, int]]  # by key: bytes in the segment, the segment, bytes besides


class Room(TypedDict):
    """What a host has left."""

    host_free: int  # bytes
    shares: bool  # the worker shares memory with others of its host


class Loan(TypedDict, total=False):
    """Where a value lies for others to map, or what it is; or ``nbytes`` and ``why`` of one that cannot be lent."""

    stream: bytes
    sizes: list[int]  # of the buffers
    handle: HandleTuple
    buffers: list[bytes]  # of what lies in no segment
    nbytes: int
    why: str  # empty if only because it is small


class Forwarded(TypedDict):
    """Where a worker has brought a value, by addresses of workers of other hosts."""

    there: list[str]
    why: dict[str, str]  # of each of the others, why it does not have it


class ForwardingReport(TypedDict):
    """How far a value is on its way to other hosts."""

    key: Any
    done: int  # bytes that a host has by now, on average
    total: int  # bytes that each will have


class ImageHandlers(Protocol):
    """What others ask of a worker; those that take a connection go on as a conversation of their own."""

    async def moorage_map(self, handles: Iterable[HandleTuple], keep: bool = True) -> list[str]:
        """Map segments, to `keep` them for what is about to be sent; return of each why that cannot be, or ""."""
        ...

    def moorage_room(self) -> Room:
        """Return what the host has left."""
        ...

    async def moorage_lend(self, keys: Iterable[Any], most: int | None = None) -> list[Loan | None]:
        """Return where values lie; None of one that is not here.

        `most`: nothing is written for that; of what lies in no segment return up to so many bytes themselves.
        """
        ...

    async def moorage_forward(self, key: Any, agents: Sequence[str], seconds: float) -> Forwarded:
        """Bring a value to the hosts of other workers, within so many seconds; they have it mapped then."""
        ...

    async def moorage_unite(self, key: Any, source: str) -> bool:
        """Use the segment in which another worker of this host has a value, in place of one with the same content."""
        ...

    async def moorage_receive(
        self,
        comm: Any,
        transfer: str,
        sizes: Sequence[int],
        digests: Sequence[bytes],
        image: str = "",
        sender: str = "",
    ) -> Any:
        """Receive an image as the agent of the host: `Piece` after `Piece`, answered by `News`."""
        ...

    async def moorage_pieces(self, comm: Any, transfer: str) -> Any:
        """Give another agent the pieces that it asks for."""
        ...


class AskImages(TypedDict):
    """A message to several workers by way of the scheduler: the handler and its arguments."""

    op: Literal["moorage_map", "moorage_room", "moorage_lend"]
    handles: NotRequired[list[HandleTuple]]
    keep: NotRequired[bool]
    keys: NotRequired[list[Any]]


class Piece(TypedDict, total=False):
    """What an agent is told by whoever spreads an image: a piece, or what to fetch from whom; or a sign of life."""

    orders: dict[str, list[int]]  # address of another agent -> pieces
    piece: int
    data: Any


class News(TypedDict, total=False):
    """What an agent tells whoever spreads an image."""

    ready: bool
    have: list[int]  # pieces that have come
    apart: list[str]  # agents that it cannot reach
    handle: HandleTuple  # where the whole image lies
    error: str  # why it stops taking part


class Give(TypedDict):
    """What an agent asks of another one; the answer is a `Piece`."""

    give: int

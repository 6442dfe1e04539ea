"""Who gets which piece of an image from whom, when it goes from one source to several hosts.

The image's block is cut into pieces of `PIECE` bytes. Each piece has one **owner** among the receivers, in turn: the
owner gets it from the source, and everybody else from the owner. So the data crosses the source's link once, and each
receiver's link once::

    source --0,3,6--> A     A <--1,4,7-- B, <--2,5,8-- C
           --1,4,7--> B     B <--0,3,6-- A, <--2,5,8-- C
           --2,5,8--> C     C <--0,3,6-- A, <--1,4,7-- B

When a receiver is lost, its pieces get new owners: whoever has a piece already, else the source sends it once more to
another one. Two receivers that do not reach each other get from the source what they would have got from each other.

Pure: events in, orders out. Shipped by value: the standard library only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from moorage.images.format import Layout

PIECE = 1 << 20
"""Bytes of a piece, but for the last one. Smaller ones cost more calls, larger ones more time at the end, when owners
hand on their last piece."""

SOURCE = ""
"""Stands for the source where the address of a receiver may stand."""

Orders: TypeAlias = "dict[str, dict[str, list[int]]]"
"""Receiver -> from whom -> pieces, in order."""


class Distribution:
    """The pieces of one image on their way to its receivers. `receivers`: addresses."""

    def __init__(self, n_pieces: int, receivers: Sequence[str]) -> None:
        self.n_pieces = n_pieces
        self._has: dict[str, set[int]] = {receiver: set() for receiver in receivers}
        self._owner = {piece: receivers[piece % len(receivers)] for piece in range(n_pieces)} if receivers else {}
        self._from_source: dict[str, set[int]] = {receiver: set() for receiver in receivers}
        self._apart: set[tuple[str, str]] = set()

    @property
    def receivers(self) -> list[str]:
        """Those that are not lost."""
        return list(self._has)

    def has(self, receiver: str) -> int:
        """Return how many pieces a receiver has."""
        return len(self._has[receiver])

    def begin(self) -> Orders:
        """Return what each receiver is to fetch from whom."""
        orders: Orders = {receiver: {} for receiver in self._has}
        for piece, owner in self._owner.items():
            for receiver in self._has:
                self._order(orders, receiver, owner, piece)
        return orders

    def took(self, receiver: str, pieces: Iterable[int]) -> None:
        """Note that a receiver has pieces."""
        if receiver in self._has:
            self._has[receiver].update(pieces)

    def lost(self, receiver: str) -> Orders:
        """Note that a receiver is gone; return what others are to fetch besides."""
        self._has.pop(receiver, None)
        self._from_source.pop(receiver, None)
        orders: Orders = {}
        load = Counter(self._owner.values())
        for piece in [piece for piece, owner in self._owner.items() if owner == receiver]:
            lacking = [other for other, has in self._has.items() if piece not in has]
            if not lacking:
                continue
            holders = [other for other in self._has if other not in lacking]
            owner = min(holders or lacking, key=lambda other: (load[other], other))
            load[owner] += 1
            self._owner[piece] = owner
            for other in lacking:
                self._order(orders, other, owner, piece)
        return orders

    def apart(self, receiver: str, other: str) -> Orders:
        """Note that a receiver cannot reach another one; return what it is to fetch besides."""
        orders: Orders = {}
        if receiver not in self._has or (receiver, other) in self._apart:
            return orders
        self._apart.add((receiver, other))
        for piece, owner in self._owner.items():
            if owner == other and piece not in self._has[receiver]:
                self._order(orders, receiver, owner, piece)
        return orders

    def _order(self, orders: Orders, receiver: str, owner: str, piece: int) -> None:
        """Have `receiver` fetch a piece from its owner, or from the source, unless it has been told to already."""
        if piece in self._from_source[receiver]:
            return
        giver = SOURCE if receiver == owner or (receiver, owner) in self._apart else owner
        if giver == SOURCE:
            self._from_source[receiver].add(piece)
        orders.setdefault(receiver, {}).setdefault(giver, []).append(piece)


def n_pieces(nbytes: int) -> int:
    """Return how many pieces a block of `nbytes` has."""
    return -(-nbytes // PIECE)


def extent(piece: int, nbytes: int) -> tuple[int, int]:
    """Return where a piece begins and ends in a block of `nbytes`."""
    return piece * PIECE, min((piece + 1) * PIECE, nbytes)


def cut(plan: Layout, buffers: Sequence[memoryview], start: int, stop: int) -> memoryview:
    """Return the bytes `start` to `stop` of the block in which `buffers` lie as `plan` says; not copied if in one."""
    parts = list(_parts(plan, buffers, start, stop))
    return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))


def _parts(plan: Layout, buffers: Sequence[memoryview], start: int, stop: int) -> Iterator[memoryview]:
    at = start
    for offset, buffer in zip(plan.offsets, buffers, strict=True):
        if offset + buffer.nbytes <= at:
            continue
        if offset >= stop:
            break
        if offset > at:
            yield memoryview(bytes(offset - at))
            at = offset
        end = min(stop, offset + buffer.nbytes)
        yield buffer[at - offset : end - offset]
        at = end
    if at < stop:
        yield memoryview(bytes(stop - at))

"""The parts of a collection and the workers that have them: what ``cluster["ddf"].parts`` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

from dask.utils import format_bytes

from moorage.kernel.parts.picture import Picture
from moorage.naming import short_name
from moorage.wire.scheduler import PartsTable


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a collection: a partition, a block, an element.

    Attributes
    ----------
    index : int
        In the order of the collection.
    key : Dask key
    block : tuple of int
        Its position: of an array, by axis.
    nbytes : int
        Bytes of one copy; -1 if that is not known yet.
    workers : tuple of str
        Names of those that have it.
    state : str
        As the scheduler has it: ``memory``, ``processing``, ``waiting``, ``queued``, ``no-worker``, ``erred``,
        ``released``, or ``absent`` if it does not know the part.
    error : str
        What its computation raised, if it failed.
    """

    index: int
    key: Any
    block: tuple[int, ...]
    nbytes: int
    workers: tuple[str, ...]
    state: str
    error: str = ""


class Share(NamedTuple):
    """What a worker has of a collection.

    Attributes
    ----------
    parts, nbytes : int
    """

    parts: int
    nbytes: int


class Parts(Sequence[Part]):
    """The parts of a collection at one moment, in their order.

    Parameters
    ----------
    name : str
        Of the variable.
    keys : sequence of Dask keys
    table : PartsTable
        What the scheduler says of them.

    Examples
    --------
    >>> parts = cluster["ddf"].parts  # doctest: +SKIP
    >>> parts  # doctest: +SKIP
    ddf: 12 parts, 96.00 MiB; alice: 6 parts, 48.00 MiB; bob: 6 parts, 48.00 MiB
    >>> parts[3].workers  # doctest: +SKIP
    ('alice',)
    """

    def __init__(self, name: str, keys: Sequence[Any], table: PartsTable) -> None:
        self.name = name
        workers = table["workers"]
        self.shape, blocks = _blocks(keys)
        """Number of blocks by axis; of what is no array, the number of parts."""
        rows = zip(keys, blocks, table["nbytes"], table["on"], table["states"], strict=True)
        errors = table["errors"]
        self._parts = [
            Part(index, key, block, nbytes, tuple(sorted(workers[i] for i in on)), state, errors.get(index, ""))
            for index, (key, block, nbytes, on, state) in enumerate(rows)
        ]

    @overload
    def __getitem__(self, index: int) -> Part: ...
    @overload
    def __getitem__(self, index: slice) -> list[Part]: ...
    def __getitem__(self, index: int | slice) -> Part | list[Part]:
        return self._parts[index]

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def nbytes(self) -> int:
        """Bytes of one copy of all parts, as far as they are known."""
        return sum(max(0, part.nbytes) for part in self._parts)

    @property
    def by_worker(self) -> dict[str, Share]:
        """What each worker has, by name, sorted."""
        shares: dict[str, Share] = {}
        for part in self._parts:
            for worker in part.workers:
                parts, nbytes = shares.get(worker, (0, 0))
                shares[worker] = Share(parts + 1, nbytes + max(0, part.nbytes))
        return dict(sorted(shares.items()))

    def plot(self) -> Picture:
        """Return a picture: a square for each part, coloured by worker."""
        return Picture(str(self), self.shape, [(part.block, part.workers) for part in self._parts])

    def __repr__(self) -> str:
        shares = (
            f"{short_name(name)}: {_count(n)}, {format_bytes(nbytes)}" for name, (n, nbytes) in self.by_worker.items()
        )
        nowhere = sum(not part.workers for part in self._parts)
        rest = [f"on no worker: {_count(nowhere)}"] if nowhere else []
        return "; ".join([f"{self.name}: {_count(len(self))}, {format_bytes(self.nbytes)}", *shares, *rest])


def _count(n: int) -> str:
    return f"{n:,} part{'s' if n != 1 else ''}"


def _blocks(keys: Sequence[Any]) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Return the numbers of blocks by axis, and the position of each, as the keys of an array tell."""
    blocks = [key[1:] if isinstance(key, tuple) else () for key in keys]
    names = {key[0] if isinstance(key, tuple) else key for key in keys}
    whole = all(block and all(isinstance(i, int) for i in block) for block in blocks)
    if len(names) == 1 and whole and len({len(block) for block in blocks}) == 1:
        shape = tuple(max(axis) + 1 for axis in zip(*blocks, strict=True))
        if len(set(blocks)) == len(keys):
            return shape, blocks
    return (len(keys),), [(index,) for index in range(len(keys))]

"""A value taken apart and ready to be sent: its keys, and what of it workers would get."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from dask.base import is_dask_collection
from dask.sizeof import sizeof
from distributed import Future

from moorage.capacity import Needs, fits_as_shared, together
from moorage.errors import InputError
from moorage.images.format import SMALLEST, Image
from moorage.kernel.placement.structure import Structure, futures_in, has_parts, take_apart
from moorage.kernel.placement.targets import ResolvedPlacement
from moorage.kernel.values.describe import describe_value
from moorage.kernel.values.fingerprint import image_of
from moorage.kernel.values.keys import is_writable, key_of
from moorage.model import OnePerHost

_LOOSEST = 128
"""Times that objects are larger than their pickles, at most: an empty set takes 216 bytes, and 2 in a pickle."""


@dataclass(slots=True)
class Elements:
    """A value taken apart."""

    structure: Structure
    items: list[Any]  # the elements; empty if all of it is on the cluster already
    keys: list[Any]  # the Dask key of each element, without repetition
    nbytes: list[int]  # bytes of each element; -1 where only the cluster knows
    images: list[Image] = field(default_factory=list)  # of each element
    futures: list[Future[Any]] = field(default_factory=list)  # of what is on the cluster already


def pack(
    value: Any, name: str | None, whole: bool, hash: bool, *, copy: bool = False, writable: bool = False
) -> Elements:
    """Take `value` apart and find keys for its elements.

    Keys carry the digest of the content, so that a changed value gets a new key and the same value the same. With
    `hash` off they are random. The elements of an unnamed dict have its labels for keys, as Dask documents it. What is
    sent is memory of the value, unless it is to be a `copy`. The keys of what is `writable` say so. Raises InputError
    if there is nothing to place, or it cannot be placed.
    """
    if (futures := futures_in(value)) is not None:
        by_element = isinstance(value, list | tuple | set | frozenset | dict) and not has_parts(value)
        structure = take_apart(value)[0] if by_element else Structure()
        if has_parts(value):
            structure = Structure("collection")
        return Elements(structure, [], [f.key for f in futures], [-1] * len(futures), futures=futures)
    structure, items = take_apart(value, whole)
    if not items:
        raise InputError(
            f"{name or describe_value(value)[0]} is empty: there are no elements to spread.",
            "Place it as one value: --whole, whole=True.",
        )
    images = [image_of(item, name or "", copy=copy) for item in items]
    keys: dict[Any, None] = {}
    for index, (item, image) in enumerate(zip(items, images, strict=True)):
        digest = image.digest if hash else uuid.uuid4().hex
        key = key_of(name or type(item).__name__, digest, writable=writable)
        if name is None and structure.kind == "dict" and not writable:
            key = structure.labels[index]
        while key in keys:  # the same element once more
            key += "-again"
        keys[key] = None
    return Elements(structure, items, list(keys), list(map(size_of, items, images)), images)


def size_of(value: Any, image: Image) -> int:
    """Return the bytes that `value` takes on a worker: what Dask measures, or what is sent, if that is more.

    Dask does not see what lies inside objects of the user's classes; what is sent is more compact than numbers and
    strings are in memory. In a container Dask counts what is there twice as often, and what contains itself until the
    stack is full: no objects take more than some multiple of what is sent.
    """
    try:
        measured = int(sizeof(value))
    except Exception:  # it contains itself, for instance
        measured = 0
    if isinstance(value, list | tuple | set | frozenset | dict):
        measured = min(measured, image.nbytes + _LOOSEST * len(image.stream))
    if not image.buffers and len(image.stream) <= SMALLEST:
        return measured
    around = len(image.stream) if len(image.stream) > SMALLEST else 0  # of an array, some words about it
    return max(measured, image.nbytes - len(image.stream) + around)


def likely_nbytes(value: Any) -> int:
    """Return about how many bytes of memory `value` is, where that can be told at once; otherwise 0."""
    try:
        if is_dask_collection(value):
            return 0
        nbytes = value.memory_usage().sum() if hasattr(value, "memory_usage") else value.nbytes
        return int(nbytes)
    except Exception:  # it has no such thing, or it is a property of somebody's class
        return 0


def needs(
    elements: Elements,
    to: ResolvedPlacement,
    firsts: Sequence[str | None],
    held: Mapping[Any, set[str]],
    *,
    dealt: bool = False,
    shared: Mapping[Any, int] = MappingProxyType({}),
) -> Needs:
    """Return what workers and hosts would get now; one that is paused gets nothing yet: the placement waits.

    `firsts`: see `ResolvedPlacement.firsts`. `held`: addresses of those that have it. `dealt`: keys go to the first
    workers also if others have them. `shared`: bytes of keys that lie in memory of their host where workers share it,
    unless `room.fits_as_shared` says no.
    """
    view, rooms = to.view, together(to.infos)
    targets = to.each()
    needed = Needs()
    for key, nbytes, first in zip(elements.keys, elements.nbytes, firsts, strict=True):
        holders = held.get(key) or set()
        sharable = shared.get(key, 0)
        if targets is None and not holders and not sharable:  # as most elements of a list
            if first is not None:
                needed.private[first] = needed.private.get(first, 0) + nbytes
            continue
        if targets is not None:
            wanted = to.each(holders) if holders and isinstance(to.placement, OnePerHost) else targets
            lacking = [view.name(a) for a in (wanted or set()) - holders]
        else:
            there = first is None or (view.by_name[first] in holders if dealt else bool(holders))
            lacking = [] if there or first is None else [first]
        shared_on = {view.by_address[a].host for a in holders if a in view.by_address and view.by_address[a].shares}
        for name in lacking:
            worker = view.by_address[view.by_name[name]]
            there_too = worker.host in shared_on
            mapped = sharable if worker.shares and (there_too or fits_as_shared(nbytes, worker, rooms)) else 0
            own = nbytes if is_writable(key) else max(0, nbytes - mapped)  # each worker may write to all of it
            needed.private[name] = needed.private.get(name, 0) + own
            if mapped and not there_too:
                shared_on.add(worker.host)
                needed.shared[worker.host] = needed.shared.get(worker.host, 0) + mapped
    return needed

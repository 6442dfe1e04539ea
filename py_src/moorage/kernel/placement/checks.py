"""Whether what is asked for can be placed: its name, what it consists of, room for it. If not, nothing has changed."""

from __future__ import annotations

import keyword
import pickle
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distributed import Future

from moorage import capacity
from moorage.capacity import Needs
from moorage.dealing import deal
from moorage.errors import DoesNotFitError, InputError, InvalidNameError
from moorage.kernel.connection.scheduler_link import SchedulerLink
from moorage.kernel.images.sharing import shared_nbytes
from moorage.kernel.parts.named import collection_of
from moorage.kernel.placement.elements import Elements, needs
from moorage.kernel.placement.request import NOTHING, PlacementRequest
from moorage.kernel.placement.targets import ResolvedPlacement
from moorage.kernel.values.keys import is_writable
from moorage.kernel.values.mapped import is_mapped
from moorage.kernel.values.value_registry import ValueRegistry

if TYPE_CHECKING:
    from distributed import Client


_LOCKED = pickle.NEXT_BUFFER + pickle.READONLY_BUFFER  # in the stream of an array that is read-only itself


def check_name(name: object, value: object = None) -> None:
    """Check that a variable with `value` can have this name. Raises InvalidNameError."""
    if collection_of(name) and isinstance(value, list) and all(isinstance(part, Future) for part in value):
        return
    if name is not None and not (isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)):
        raise InvalidNameError(name)


def check_futures(futures: Sequence[Future[Any]], client: Client) -> None:
    """Check that futures stand for something on the cluster of `client`. Raises InputError."""
    for future in futures:
        theirs = future.client
        if theirs is not client and theirs.scheduler_info().get("id") != client.scheduler_info().get("id"):
            raise InputError(
                f"The future {future.key!r} belongs to another cluster.", "Gather its value, and place that."
            )
        if future.status in ("cancelled", "error", "lost"):
            raise InputError(
                f"The future {future.key!r} has no value to place: its status is {future.status}.",
                "Compute it again and place the result.",
            )


def check_writable(elements: Elements, *, in_process: bool) -> None:
    """Check that tasks could write to a value, each worker for itself. Raises InputError."""
    if elements.futures:
        raise InputError(
            "Data that is already on the cluster cannot be made writable there.",
            "Gather its value and place that with --writable, writable=True.",
        )
    if in_process:
        raise InputError(
            "The workers run in the notebook's process: they would write to the notebook's own value.",
            "Start a cluster with worker processes, or copy it in the task: x = x.copy().",
        )
    if any(_LOCKED in image.stream and any(map(is_mapped, image.buffers)) for image in elements.images):
        raise InputError(
            "It contains arrays that are mapped read-only from the workers' memory, and would be read-only there, too.",
            "Place a copy: x.copy(), or copy.deepcopy(x).",
        )


def check_labels(elements: Elements, origins: ValueRegistry) -> None:
    """Check labels of an unnamed dict, which are the keys, as Dask documents it: they must not mean another value.

    Raises InputError.
    """
    for key, image in zip(elements.keys, elements.images, strict=True):
        if key in origins and origins.digest(key) != image.digest:
            raise InputError(
                f"The key {key!r} is already on the cluster with another value.",
                "Give the dict a name (name=), or release the earlier one first.",
            )


async def check_room(requests: Sequence[PlacementRequest], to: ResolvedPlacement, link: SchedulerLink) -> None:
    """Check that there is room; ask the workers about it only for what does not seem to fit. Raises DoesNotFitError."""
    await _deal_out([one for one in requests if one.elements.structure.kind == "collection"], to, link)
    shared = {
        key: nbytes
        for one in requests
        for key, image in zip(one.elements.keys, one.elements.images, strict=False)
        if (nbytes := shared_nbytes(image))
    }
    sharing = link.images.sharing
    try:
        # what the workers have said of their hosts will do for what is not shared: small values come in hundreds
        _check_fits(requests, to.seen_by(sharing.judge(to.infos)) if shared else to, shared)
    except DoesNotFitError:
        small = [one for one in requests if one.small]
        held = await link.who_has([key for one in small for key in one.elements.keys]) if small else {}
        for one in small:
            one.held = held
        infos = await link.workers() if small else to.infos
        placed = [key for one in requests if one.value is NOTHING for key in one.elements.keys]
        there = await link.shared(placed)
        shared |= {key: max(nbytes for nbytes, _ in workers.values()) for key, workers in there.items() if workers}
        await link.images.install()
        _check_fits(requests, to.seen_by(await sharing.ask_for_room(infos)), shared)


async def _deal_out(requests: Sequence[PlacementRequest], to: ResolvedPlacement, link: SchedulerLink) -> None:
    """Find out how large the parts of collections are, and where they will go; of what is not computed yet nothing."""
    pool = sorted(worker.name for worker in to.running)
    for one in requests:
        table = await link.parts(one.elements.keys)
        one.elements.nbytes = table["nbytes"]
        if pool and "spread" in one.item and not one.item.get("like"):
            holders = [[table["workers"][i] for i in on] for on in table["on"]]
            one.firsts = list(deal(table["nbytes"], holders, pool))


def _check_fits(requests: Sequence[PlacementRequest], to: ResolvedPlacement, shared: Mapping[Any, int]) -> None:
    """Check that all requests together fit where they would go.

    `shared`: bytes of keys that lie in memory of their host where workers share it. Raises DoesNotFitError.
    """
    needed = Needs()
    for request in requests:
        elements, firsts, held = request.elements, request.firsts, request.held
        dealt = "dealt" in request.item or "spread" in request.item
        needed.add(needs(elements, to, firsts, held, dealt=dealt, shared=shared))
    labels = [request.label for request in requests]
    label = labels[0] if len(labels) == 1 else f"Placing {', '.join(labels)}"
    if any(is_writable(key) for request in requests for key in request.elements.keys):
        label += ", of which each worker may write to its own copy,"
    capacity.check(label, needed, to.infos)

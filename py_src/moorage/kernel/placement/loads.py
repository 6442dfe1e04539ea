"""Small values on their way: in the very message that places them, all that goes to a worker as one.

What is not worth sharing goes this way, unless the user has said how it should be sent. Larger values are sent before
they are placed (``request.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from distributed.protocol.serialize import to_serialize

from moorage.images.bundle import Bundle, writable_module
from moorage.images.segment import SMALLEST_SHARED
from moorage.kernel.images.sending import MODULE
from moorage.kernel.images.steady import snapshot
from moorage.kernel.placement.elements import Elements
from moorage.kernel.placement.targets import ResolvedPlacement
from moorage.kernel.values.keys import is_writable
from moorage.wire.scheduler import Load

if TYPE_CHECKING:
    from moorage.images.format import Image
    from moorage.kernel.placement.request import PlacementRequest

_TOGETHER = 10_000_000  # bytes of elements above which they go straight to the workers


def is_small(elements: Elements) -> bool:
    """Whether all of a value can go in the message that places it."""
    sizes = [image.nbytes for image in elements.images]
    return bool(sizes) and max(sizes) < SMALLEST_SHARED and sum(sizes) <= _TOGETHER


def loads_of(requests: Iterable[PlacementRequest], to: ResolvedPlacement, *, in_process: bool) -> list[Load]:
    """Return what is in requests, for the same placement, and nobody has, by who gets it.

    `requests`: small ones. `in_process`: nothing is pickled. Raises TornError if a value was changed since it was
    packed.
    """
    everywhere = to.each() is not None
    parts: dict[tuple[str | None, bool], list[tuple[Any, Any, Image]]] = {}
    for request in requests:
        elements, held = request.elements, request.held
        each = zip(request.firsts, elements.keys, elements.items, elements.images, strict=True)
        for first, key, item, image in each:
            if not held.get(key):
                target = None if first is None or everywhere else to.view.by_name[first]
                parts.setdefault((target, is_writable(key)), []).append(
                    (key, item, snapshot(image) if image.buffers else image)
                )
    return [
        {
            "keys": [key for key, _, _ in values],
            "nbytes": sum(image.nbytes for _, _, image in values),
            "to": target,
            "values": to_serialize({key: value for key, value, _ in values})
            if in_process
            else Bundle(values, writable_module(MODULE) if writable else MODULE).frames(),
        }
        for (target, writable), values in parts.items()
    ]

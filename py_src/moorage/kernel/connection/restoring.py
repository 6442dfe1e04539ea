"""Sends values again that the scheduler has lost, as far as the notebook has them unchanged.

When they are lost, and who is asked, is the scheduler's business (``scheduler/recovery/restorer.py``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from distributed.protocol.pickle import dumps
from distributed.protocol.serialize import to_serialize
from distributed.utils import offload

from moorage.deploy.fdstore.client import kept_at
from moorage.errors import LostError, MoorageError
from moorage.images.format import Image, layout
from moorage.images.mappings import Mappings
from moorage.images.segment import Handle
from moorage.kernel.connection.mirror import Mirror
from moorage.kernel.images.sending import Images
from moorage.kernel.images.steady import TornError, snapshot
from moorage.kernel.values.keys import is_writable
from moorage.kernel.values.value_registry import ChangedError, ValueRegistry
from moorage.kernel.waiting import SLOWEST_LINK, answer, scheduler_of
from moorage.model import WorkerInfo
from moorage.naming import short_name

if TYPE_CHECKING:
    from distributed import Client


class Restoring:
    """Values of one notebook that are asked for.

    `mirror`: knows which variable a key is of. `workers`: returns an awaitable of the workers as they are now.
    `notice`: ``notice(level, message, remedy, variable)``: tell the user.
    """

    def __init__(
        self,
        client: Client,
        origins: ValueRegistry,
        images: Images,
        mirror: Mirror,
        workers: Callable[[], Awaitable[Iterable[WorkerInfo]]],
        notice: Callable[[Any, str, str, str], None],
    ) -> None:
        self._client = client
        self._origins = origins
        self._images = images
        self._mirror = mirror
        self._workers = workers
        self._notice = notice
        self._mappings = Mappings()
        #: Socket of what keeps memory that workers of this host have shared and died with; see ``deploy.fdstore``.
        self.store = ""
        self._on_their_way: set[Any] = set()
        self._asked_again: dict[Any, str] = {}  # while they were on their way -> last holder

    async def restore(self, keys: Iterable[Any], holders: Iterable[str]) -> None:
        """Send the values of `keys` again, as far as the notebook has them unchanged and they are not on their way."""
        pairs = dict(zip(keys, holders, strict=True))
        self._asked_again |= {key: holder for key, holder in pairs.items() if key in self._on_their_way}
        asked = {key: holder for key, holder in pairs.items() if key not in self._on_their_way}
        while asked:
            self._on_their_way.update(asked)
            try:
                missing = await self._send_as_it_was(list(asked.items()))
            finally:
                self._on_their_way.difference_update(asked)
                again = {key: self._asked_again.pop(key) for key in asked if key in self._asked_again}
            # the worker it was sent to may have left before it arrived
            asked = {key: holder for key, holder in again.items() if key in missing}

    async def _send_as_it_was(self, asked: Sequence[tuple[Any, str]], tries: int = 3) -> list[Any]:
        """Send values; those that are being changed are found to have changed when they are looked at again."""
        try:
            return await self._send_again(asked)
        except TornError:
            if tries == 1:
                raise
            return await self._send_as_it_was(asked, tries - 1)

    def _kept(self, keys: Sequence[Any]) -> dict[Any, tuple[Image, Handle | None]]:
        """Return images, as they were placed, that did not die with the workers that had them, and their segments."""
        found: dict[Any, tuple[Image, Handle | None]] = {}
        for key, loan in kept_at(self.store, keys).items():
            with suppress(OSError):  # no descriptor is left
                if "handle" in loan:
                    segment = Handle(*loan["handle"])
                    buffers = layout(loan["sizes"]).split(self._mappings.map(segment).memory)
                else:
                    segment, buffers = None, [memoryview(buffer) for buffer in loan["buffers"]]
                found[key] = Image(loan["stream"], tuple(buffers)), segment
        return found

    async def _send_again(self, asked: Iterable[tuple[Any, str]]) -> list[Any]:
        """Send values, given by key and last holder; return the keys of those that have not arrived."""
        images: dict[Any, tuple[Any, Image]] = {}
        failed: dict[Any, tuple[str, bytes]] = {}
        kept = await offload(self._kept, [key for key, _ in asked])
        for key, holder in asked:
            if key in kept:
                continue
            record = self._mirror.variable_of(key)
            name = record["name"] if record else str(key)
            remedy = f"Place it again: %scatter {name}, %broadcast {name} or %pin {name}."
            try:
                value, image = await offload(self._origins.again, key)
                why = ""
            except ChangedError:
                why = "the notebook's value has changed since it was placed"
            except KeyError:
                why = "the notebook does not have its value any more"
                remedy = "Make it again, and place it; with --durable it would be on disk, too."
            except MoorageError as error:
                why = f"the notebook's value cannot be sent any more: {error.message}"
            if why:
                last = (
                    f"The last copy of {name} is gone with worker {short_name(holder)}"
                    if holder
                    else f"{name} is on no worker"
                )
                lost = LostError(f"{last}, and {why}.", remedy)
                failed[key] = (why, dumps(lost))
                self._notice("error", lost.message, lost.remedy, name)
            else:
                images[key] = value, image
        running: list[str] = []
        if images or kept:
            await self._images.install()
            running = [worker.address for worker in await self._workers() if worker.status == "running"]
        async with self._images.for_any([image for _, image in images.values()], running) as segment:
            values = {}
            for key, (value, image) in images.items():
                shared = segment(image)
                steady = image if shared is not None or self._images.in_process else await offload(snapshot, image)
                values[key] = to_serialize(self._images.carry(value, steady, shared, writable=is_writable(key)))
            near = bool(kept) and not any((await self._images.sharing.neighbours(running)).values())
            for key, (image, there) in kept.items():
                carried = self._images.carry(None, image, there if near else None, writable=is_writable(key))
                values[key] = to_serialize(carried)
            sent = [image for _, image in images.values()] + [image for image, there in kept.values() if not there]
            more = sum(image.nbytes for image in sent) / SLOWEST_LINK
            restoring = scheduler_of(self._client).moorage_restore(values=values, failed=failed, client=self._client.id)
            return await answer(self._client, restoring, more)

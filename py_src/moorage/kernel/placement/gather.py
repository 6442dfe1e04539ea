"""Bringing variables back: as copies, or mapped from memory that the host shares, also under the names they had."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from dask.base import is_dask_collection
from dask.utils import format_bytes
from distributed.utils import offload

from moorage import config
from moorage._dask import client as boundary
from moorage._dask.frames.persisted import futures_of_parts
from moorage.errors import (
    InputError,
    LostError,
    NotMappableError,
    StaleError,
    UnknownVariableError,
    WaitTimeoutError,
)
from moorage.images.format import Image
from moorage.images.segment import SMALLEST_SHARED
from moorage.kernel.images.sharing import shared_nbytes
from moorage.kernel.placement.inventory import Inventory
from moorage.kernel.placement.structure import futures_in, has_parts, take_apart, whole_of
from moorage.kernel.values import mapped
from moorage.kernel.values.fingerprint import fingerprint, image_of
from moorage.kernel.waiting import SLOWEST_LINK, answer, ask_workers, gather
from moorage.wire.images import AskImages, Loan


class Bringing(Inventory):
    """What brings variables back."""

    async def gather(self, names: Sequence[str], timeout: str | float | None = None, *, map: bool = False) -> list[Any]:
        """Return the values of variables.

        `map`: map what lies in memory of this host, rather than to copy it; read-only. What is small is copied.

        Raises
        ------
        UnknownVariableError
        LostError
            If a variable is lost.
        WaitTimeoutError
            If its value is not there in time.
        NotMappableError
            If it should be mapped and cannot be.
        """
        limit = config.seconds("wait-timeout", timeout)
        await self.link.refresh()
        return [await self._value(name, limit, map) for name in names]

    async def _value(self, name: str, limit: float, map: bool) -> Any:
        record = None
        with suppress(UnknownVariableError):
            record = self.record(name)
        if record is None:
            if map or (futures := self.futures_not_placed(name)) is None:
                raise UnknownVariableError(name, self.names())
            value = self.scope()[name]
            asked = futures if has_parts(value) or is_dask_collection(value) else value
            found = await self._in_time(name, "not placed", gather(self.client, asked), limit)
            return await offload(whole_of, value, found) if is_dask_collection(value) else found
        if record["state"] == "lost":
            raise _lost(name, record["reason"])
        state = f"{record['state']}: {record['reason']}"
        futures = [self.future_of(key, name) for key in record["keys"]]
        if map:
            await self._in_time(name, state, settled(futures), limit)
            found = await self._mapped(name, [future.key for future in futures])
            futures = [future for future in futures if future.key not in found]
        parts = await self._in_time(name, state, gather(self.client, futures, direct=self.direct or None), limit)
        if map:
            copies = iter(parts)
            parts = [found[key][0] if key in found else next(copies) for key in record["keys"]]
        structure, own = self._structure(record), self.scope().get(name)
        if structure.kind == "collection" and is_dask_collection(own):
            futures_of_own = futures_of_parts(own) or ()
            if [future.key for future in futures_of_own] == list(record["keys"]):
                return await offload(whole_of, own, parts)
        return structure.put_together(parts)

    async def _in_time(self, name: str, state: str, get: Awaitable[Any], limit: float) -> Any:
        try:
            return await asyncio.wait_for(get, limit)
        except TimeoutError as error:
            raise WaitTimeoutError(
                f"{name} did not arrive within {limit:g} s ({state}).",
                "Allow more time with timeout=, or see %placement.",
            ) from error
        except CancelledError as error:
            raise _lost(name, str(error)) from error

    # Mapping

    async def why_not_mapped(self) -> str:
        """Return why no worker shares memory with this process, or an empty text if one does."""
        await self.link.images.install()
        running = [info.address for info in await self.link.workers() if info.status == "running"]
        private = await self.link.images.sharing.neighbours(running)
        if not running:
            return "there is no worker yet"
        return "" if "" in private.values() else next(iter(private.values()))

    async def _mapped(self, name: str, keys: Sequence[Any]) -> dict[Any, tuple[Any, Image]]:
        """Return values by key, with their images, mapped from memory that workers of this host have; no small ones.

        Raises NotMappableError.
        """
        if why := await self.why_not_mapped():
            raise _not_mappable(name, why)
        held = await self.link.who_has(list(keys))
        private = await self.link.images.sharing.neighbours({who for holders in held.values() for who in holders})
        found = {}
        for key in keys:
            near = [who for who in held.get(key, ()) if not private[who]]
            if not near:
                raise _not_mappable(name, "none of the workers that have it shares memory with the notebook")
            loan = await self._borrow(name, key, near)
            if "handle" in loan:
                try:
                    found[key] = await offload(mapped.load, loan["stream"], loan["sizes"], loan["handle"])
                except OSError as error:
                    raise _not_mappable(name, error.strerror or str(error)) from error
            elif loan["why"]:
                raise _not_mappable(name, loan["why"])
        return found

    async def _borrow(self, name: str, key: Any, near: Sequence[str]) -> Loan:
        """Ask those that have `key` where it lies, one after the other."""
        record = self.record(name)
        more = max(record["nbytes"], 0) / SLOWEST_LINK
        for who in near:
            message: AskImages = {"op": "moorage_lend", "keys": [key]}
            with suppress(KeyError):  # it has just left
                told: dict[str, list[Loan | None]]
                told = await answer(self.client, ask_workers(self.client, message, [who]), more)
                if (loans := told.get(who)) and loans[0] is not None:
                    return loans[0]
        raise _not_mappable(name, "it is being moved")

    # The notebook's names

    def check_rebinding(self, name: str | None, value: Any) -> None:
        """Check that there is a name of the notebook that can be bound to a mapping of `value`. Raises InputError."""
        if name is None:
            raise InputError("rebind needs a name to bind.", "Pass name=, the variable's name in the notebook.")
        if futures_in(value) is not None:
            raise InputError(
                f"{name} is already on the cluster: the notebook has no value of it to replace.",
                f"%gather --map {name} maps it.",
            )
        if self.scope().get(name, self) is not value:
            raise InputError(
                f"{name} is not a variable of the notebook that has this value, so it cannot be bound to another one.",
                f"Assign it yourself: x = cluster.gather({name!r}, map=True).",
            )

    async def check_shareable(self, name: str, images: Sequence[Image]) -> None:
        """Check before anything is sent that what is placed as `name` will lie in memory that can be mapped here.

        Raises NotMappableError.
        """
        nbytes = sum(image.nbytes for image in images)
        if images and not any(map(shared_nbytes, images)):
            small = nbytes < SMALLEST_SHARED * len(images)
            why = f"it is small ({format_bytes(nbytes)})" if small else "there is no memory to share in it"
            raise _not_mappable(name, why)
        if why := await self.why_not_mapped():
            raise _not_mappable(name, why)

    async def rebind(self, name: str, value: Any) -> None:
        """Bind the notebook's `name`, which has `value`, to the same value in memory that the host shares.

        Nothing is stale by that: it is what was placed. Whoever else refers to `value` keeps it. Raises
        NotMappableError or StaleError: then it is placed, and the name has what it had.
        """
        record = self.record(name)
        structure, keys = self._structure(record), list(record["keys"])
        items = [value] if structure.kind == "value" else take_apart(value)[1]
        if all(self.origins.is_mapping(key, item) for key, item in zip(keys, items, strict=True)):
            return
        found = await self._mapped(name, keys)
        new = []
        for key, item in zip(keys, items, strict=True):
            if key not in found:  # it is small
                new.append((key, item, await offload(image_of, item, name), ""))
                continue
            before = await offload(image_of, item, name)
            there, image = found[key]
            if before.digest != image.digest:
                raise StaleError(f"{name} was changed while it was placed.", f"Place it again: %broadcast {name}.")
            image = mapped.with_digests(image, before.digests)
            new.append((key, there, image, await offload(fingerprint, there, name)))
        rebound = structure.put_together([item for _, item, _, _ in new])
        if self.scope().get(name, self) is not value:
            return  # it means something else by now
        weak = self._are_large(image for _, _, image, _ in new)
        for key, item, image, own in new:
            self.origins.remember(key, item, image, record["vid"], weak=weak, equal=own)
        self._remember(name, rebound, keys, structure, record["nbytes"])
        self.scope()[name] = rebound
        self.link.changed("variables")


async def settled(futures: Sequence[Any]) -> None:
    """Wait until futures have a value, or an error."""
    for future in futures:
        await boundary.settled(future)


def _not_mappable(name: str, why: str) -> NotMappableError:
    return NotMappableError(
        f"{name} cannot be mapped into the notebook: {why}.", f"Gather a copy instead: %gather {name}, gather()."
    )


def _lost(name: str, why: str) -> LostError:
    return LostError(
        f"{name} cannot be gathered: {why}.", f"Place it again: %scatter {name}, %broadcast {name} or %pin {name}."
    )

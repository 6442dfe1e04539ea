"""Puts images of the notebook's values into memory that all workers of this host map: written once, copied never.

Whether a worker can do that is asked once for each: it is told to map a small segment, and answers why it cannot.
Where memfds cannot be mapped, as in another container, files in a shared directory may do. The notebook's segments
are in one pool for the process, for each kind, see ``pool.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil
from dask.utils import format_bytes, parse_bytes
from distributed.comm.addressing import get_address_host

from moorage import config
from moorage.images.format import Image
from moorage.images.free_memory import host_free
from moorage.images.segment import SMALLEST_SHARED, Handle, Segment, shared_directory, sweep
from moorage.kernel.images.pool import Lease, Pool
from moorage.kernel.images.steady import Witness
from moorage.kernel.waiting import ask_workers
from moorage.model import PlacementState, WorkerInfo
from moorage.wire.images import AskImages
from moorage.worker.images.sharing import OFF

if TYPE_CHECKING:
    from distributed import Client

_ASK_SECONDS = 5.0
_TOGETHER_SECONDS = 2.0  # in which workers that are asked by one question all answer
_TRIM_SECONDS = 5.0
_MANY = 1000
_MUCH = 64 << 20  # bytes that take longer to get than a thread to start
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

_ELSEWHERE = "it runs on another host than the notebook"
_SILENT = "it does not answer"
_NOT_SHARED = "str, bytes and Python objects"
_NOTHING_SHARED = f"each process needs its own of {_NOT_SHARED}"

_pools: dict[str | None, Pool] = {}
if hasattr(os, "register_at_fork"):
    # A child does not have the memory by which these are written, and has their locks in common with its parent.
    os.register_at_fork(after_in_child=_pools.clear)
_open: weakref.WeakSet[Sharing] = weakref.WeakSet()


class Sharing:
    """How one client shares memory with workers. On the client's event loop."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._answers: dict[str, str] = {}
        self._owed: dict[str, asyncio.Future[Mapping[str, str]]] = {}  # by workers that did not answer in time
        self._directory: str | None = None  # None: memfds
        self._probe: Segment | None = None
        self._trimming: asyncio.TimerHandle | None = None
        self.unwritten: dict[str, str] = {}
        """Why images could not be written into shared memory, by digest; of the latest of them."""
        _open.add(self)
        if allowed():
            sweep()

    async def neighbours(self, addresses: Iterable[str]) -> dict[str, str]:
        """Return of each worker why it cannot map what the notebook writes, or an empty text."""
        asked = list(addresses)
        if not allowed():
            return dict.fromkeys(asked, OFF)
        here = _own_hosts()
        for gone in self._answers.keys() - set(asked):
            del self._answers[gone]
        # others still owe an answer, and whoever asks for them next need not wait either
        self._give_up(gone for gone in self._owed.keys() - set(asked) if self._owed[gone].done())
        new = [address for address in asked if address not in self._answers]
        near = [address for address in new if get_address_host(address) in here]
        self._answers.update(dict.fromkeys(set(new) - set(near), _ELSEWHERE))
        self._answers.update(await self._ask(near))
        told = [address for address in near if self._answers[address] != _SILENT]
        if told and self._directory is None and all(self._answers[address] for address in told):
            await self._try_files(told)
        found = {address: self._answers.get(address, _SILENT) for address in asked}
        for address in [address for address in near if self._answers.get(address) == _SILENT]:
            del self._answers[address]  # it may answer the next time
        return found

    async def ask_for_room(self, workers: Sequence[WorkerInfo]) -> list[WorkerInfo]:
        """Return workers with what their hosts have left by now, and whether they share memory; see `judge`."""
        addresses = [worker.address for worker in workers]
        asked = [address for address in addresses if address not in self._owed]
        _, told = await asyncio.gather(self.neighbours(addresses), self._broadcast({"op": "moorage_room"}, asked))
        # one that has no such code yet says nothing
        return self.judge([replace(worker, **((told or {}).get(worker.address) or {})) for worker in workers])

    def judge(self, workers: Iterable[WorkerInfo]) -> list[WorkerInfo]:
        """Return workers with what is known here of the memory of this host: who maps it, and how much is left."""
        here, own, kept = _own_hosts(), host_free(), sum(each.trim() for each in _pools.values())
        may, judged = allowed(), []
        for worker in workers:
            shares, free = bool(worker.shares), worker.host_free
            if worker.host in here:
                shares = self._answers.get(worker.address) == ""
                free = min(own, free if free >= 0 else own) + kept
            same = (shares and may, free) == (worker.shares, worker.host_free)
            judged.append(worker if same else replace(worker, shares=shares and may, host_free=free))
        return judged

    def expect(self, nbytes: int) -> Callable[[], None]:
        """Begin to get memory for an image of about so many bytes, which may be written soon, if it is much.

        Returns
        -------
        callable
            Gives it back if it has not been used by then.
        """
        near = "" in self._answers.values() and self._directory is None
        if near and nbytes >= _MUCH and 2 * nbytes < host_free() and (os.cpu_count() or 1) > 1:
            with contextlib.suppress(OSError):
                return pool().warm_up(nbytes)
        return lambda: None

    async def share(self, images: Iterable[Image], addresses: Iterable[str]) -> Shared:
        """Write images into shared memory for those workers that can map it. To be used in a ``with``.

        `images`: those for which it is not worth it, or for which there is no room, are left out. Raises TornError if a
        value was changed while it was written.
        """
        large = {image.digest: image for image in images if worth_a_segment(image)}
        shared = Shared()
        if not large:
            return shared
        shared.private = await self.neighbours(addresses)
        shared.elsewhere = {address for address, why in shared.private.items() if why == _ELSEWHERE}
        if all(shared.private.values()):
            return shared
        try:
            for digest, image in large.items():
                self.unwritten.pop(digest, None)
                try:
                    shared.leases[digest] = await asyncio.to_thread(_write, pool(self._directory), image)
                except OSError as error:
                    self._note_unwritten(digest, error)
        except BaseException:
            shared.release()
            raise
        if self._trimming is None:
            self._trim_later()
        return shared

    def why_not(self, address: str) -> str:
        """Return why a worker cannot map what the notebook writes, as far as it was asked; or an empty text."""
        return OFF if not allowed() else self._answers.get(address, "")

    def close(self) -> None:
        """Free what only this client used; everything if it was the last."""
        _open.discard(self)
        self._give_up(self._owed)
        if self._trimming is not None:
            self._trimming.cancel()
            self._trimming = None
        if self._probe is not None:
            self._probe.close()
            self._probe = None
        if not _open:
            for each in _pools.values():
                each.close()

    def _note_unwritten(self, digest: str, error: OSError) -> None:
        where = f" in {self._directory}" if self._directory is not None else ""
        self.unwritten[digest] = f"no memory can be shared{where}: {error.strerror or error}"
        if len(self.unwritten) > _MANY:
            del self.unwritten[next(iter(self.unwritten))]

    async def _try_files(self, addresses: list[str]) -> None:
        """Use files if workers can map those, but not memfds."""
        memfds, probe = self._answers.copy(), self._probe
        directory = shared_directory()
        self._directory, self._probe = directory, None
        self._give_up(self._owed)  # those questions are about memfds
        self._answers.update(await self._ask(addresses))
        kept, dropped = self._probe, probe
        if all(self._answers[address] for address in addresses):
            kept, dropped = dropped, kept
            self._answers, self._directory = memfds, None
        self._probe = kept
        if dropped is not None:
            dropped.close()

    async def _ask(self, addresses: list[str]) -> Mapping[str, str]:
        if not addresses:
            return {}
        if self._probe is None:
            try:
                self._probe = Segment(1, directory=self._directory)
                self._probe.write([], 1)
            except OSError as error:
                return dict.fromkeys(addresses, f"no memory can be shared here: {error.strerror or error}")
        prompt = [address for address in addresses if address not in self._owed]
        answers = await self._answered(prompt, _TOGETHER_SECONDS)
        if answers is None:  # one of them is stuck: all the others need not be taken for that
            answers, late = {}, [self._owed.get(address) or self._owe(address) for address in prompt]
            await asyncio.wait(late, timeout=_ASK_SECONDS)
        for address in self._owed.keys() & set(addresses):
            if self._owed[address].done():
                answers |= self._owed.pop(address).result()
                if address not in answers:
                    self._owe(address)
        return {address: answers.get(address, _SILENT) for address in addresses}

    def _owe(self, address: str) -> asyncio.Future[Mapping[str, str]]:
        """Ask a worker that did not answer in time, and nobody waits for it any more: it may hang for long."""

        async def ask() -> Mapping[str, str]:
            return await self._answered([address], None) or {}

        self._owed[address] = asyncio.ensure_future(ask())
        return self._owed[address]

    def _give_up(self, addresses: Iterable[str]) -> None:
        for address in list(addresses):
            self._owed.pop(address).cancel()

    async def _answered(self, addresses: list[str], seconds: float | None) -> dict[str, str] | None:
        """Return what workers answer, or None if they do not in time."""
        assert self._probe is not None
        message: AskImages = {"op": "moorage_map", "handles": [tuple(self._probe.handle)], "keep": False}
        answers = await self._broadcast(message, addresses, seconds)
        return answers and {address: told[0] for address, told in answers.items() if told}

    async def _broadcast(
        self, message: AskImages, addresses: list[str], seconds: float | None = _ASK_SECONDS
    ) -> dict[str, Any] | None:
        """Return the answers of workers to a message, or None if one of them does not answer in time."""
        if not addresses:
            return {}
        try:
            return await asyncio.wait_for(ask_workers(self._client, message, addresses), seconds)
        except TimeoutError:
            return None
        except (OSError, KeyError):
            return {}

    def _trim_later(self) -> None:
        self._trimming = asyncio.get_running_loop().call_later(_TRIM_SECONDS, self._trim)

    def _trim(self) -> None:
        self._trimming = None
        for each in list(_pools.values()):
            each.trim()
        if any(map(len, _pools.values())):
            self._trim_later()


class Shared:
    """Images that lie in shared memory, which stays as it is until they are released. A context manager.

    `leases`: by digest. `private`: why a worker cannot map them, by address; an empty text if it can. `elsewhere`:
    addresses of workers of other hosts. `far`: where an image, by digest, lies on the host of a worker, by address,
    that is not this one.
    """

    def __init__(self) -> None:
        self.leases: dict[str, Lease] = {}
        self.private: Mapping[str, str] = {}
        self.elsewhere: set[str] = set()
        self.far: dict[tuple[str, str], Handle] = {}
        self._ends: list[Callable[[], None]] = []

    def segment(self, image: Image, address: str) -> Handle | None:
        """Return where `image` lies for a worker, or None if it has to be sent."""
        lease = self.leases.get(image.digest)
        if lease is not None and self.private.get(address) == "":
            return lease.handle
        return self.far.get((image.digest, address))

    def enclose(self, end: Callable[[], None]) -> None:
        """Call `end` when the memory is released."""
        self._ends.append(end)

    def release(self) -> None:
        """Let the pool do with the memory what it likes."""
        for lease in self.leases.values():
            lease.release()
        for end in self._ends:
            end()

    def __enter__(self) -> Shared:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _write(pool: Pool, image: Image) -> Lease:
    witness, plan = Witness(image), image.layout
    parts = zip(plan.offsets, image.buffers, strict=True)
    return pool.lease(image.digest, parts, plan.nbytes, witness.check, image.digests)


def forget(images: Iterable[Image]) -> None:
    """Do not use again what was written of images whose placement was broken off."""
    for image in images:
        for each in _pools.values():
            each.forget(image.digest)


def allowed() -> bool:
    """Whether memory is to be shared, and can be on this system."""
    return bool(config.get("images.share")) and sys.platform != "win32"


def worth_a_segment(image: Image) -> bool:
    """Whether an image goes into shared memory, if only for the time it takes each worker to copy it from there."""
    return sum(buffer.nbytes for buffer in image.buffers) >= SMALLEST_SHARED


def shared_nbytes(image: Image) -> int:
    """Return the bytes of an image that workers go on to share."""
    return shareable if image.buffers and (shareable := image.shareable) >= SMALLEST_SHARED else 0


def in_words(state: PlacementState, sharing: Collection[str], why_not: Mapping[str, str], own: int) -> str:
    """Return which of the holders of a variable share its memory, and why others do not.

    `sharing`: names of the workers that have it in memory which their host shares. `why_not`: why a worker cannot share
    what the notebook writes, by name. `own`: bytes of a key that each of those that share it has for itself besides.
    """
    shared = [name for name in state.holders if name in sharing]
    private: dict[str, list[str]] = {}
    for name in state.holders:
        if name not in sharing:
            small = state.nbytes < SMALLEST_SHARED * state.nkeys
            why = "it is small" if small else why_not.get(name) or _NOTHING_SHARED
            private.setdefault(why, []).append(name)
    size = f" ({format_bytes(state.nbytes)})" if state.nkeys == 1 and state.nbytes >= SMALLEST_SHARED else ""
    besides = f", but for {format_bytes(own)} of {_NOT_SHARED} on each" if own >= SMALLEST_SHARED else ""
    parts = [f"shared by {', '.join(shared)}{besides}"] if shared else []
    return "; ".join([*parts, *(f"a copy on {', '.join(names)}{size}: {why}" for why, names in private.items())])


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Keep all that was written meanwhile, though no worker maps it: those that did have died, and others come."""
    with contextlib.ExitStack() as stack:
        for each in _pools.values():
            stack.enter_context(each.hold())
        yield


def pool(directory: str | None = None) -> Pool:
    """Return the pool of this process for memfds, or for files in a directory."""
    limit = int(parse_bytes(config.get("images.pool")))
    if directory not in _pools:
        _pools[directory] = Pool(limit, directory)
    _pools[directory].limit = limit
    return _pools[directory]


def _own_hosts() -> set[str]:
    """Return the names by which this host is known to itself."""
    try:
        interfaces = psutil.net_if_addrs()
    except OSError:
        interfaces = {}
    return {*_LOOPBACK, *(address.address.split("%")[0] for each in interfaces.values() for address in each)}

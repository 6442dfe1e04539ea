"""What is asked about, by name or as an object, and why it is as it is; the words are of ``kernel/why``.

A name is, in this order, a placed variable, a variable of the notebook, a worker, a published dataset.
"""

from __future__ import annotations

import re
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import Any

import dask.config
from dask.base import is_dask_collection
from dask.utils import format_bytes
from distributed import Future, futures_of
from distributed.utils import offload

from moorage.errors import NotPlaceableError, UnknownVariableError
from moorage.kernel.ledger.advice import Shortage, shortages
from moorage.kernel.ledger.asking import Asking
from moorage.kernel.ledger.memory import Memory
from moorage.kernel.ledger.names import Names
from moorage.kernel.ledger.watch import Watch
from moorage.kernel.parts.elements import some_of
from moorage.kernel.parts.named import chosen
from moorage.kernel.placement.placer import Placer
from moorage.kernel.placement.structure import has_parts
from moorage.kernel.placement.variable import Variable
from moorage.kernel.transfers.asking import Asking as AskingTransfers
from moorage.kernel.transfers.moved import Moment, Transfers
from moorage.kernel.why.answer import Why
from moorage.kernel.why.asking import facts_of
from moorage.kernel.why.groups import grouped, names, why_each
from moorage.kernel.why.tasks import why_tasks
from moorage.kernel.why.variables import why_placed
from moorage.kernel.why.workers import why_worker
from moorage.model import WorkerInfo
from moorage.naming import named, short_name
from moorage.plan import ClusterView
from moorage.tasks.map.results import Results
from moorage.tasks.map.why import why_items

_ELEMENTS = re.compile(r"(\w+)\[(.+)\]")


class Explainer:
    """Says why something on one cluster is as it is, what fills its workers, and what has moved between them."""

    def __init__(self, placer: Placer) -> None:
        self._placer = placer
        self._client = placer.client
        self._names = Names()
        self._asking = Asking(placer.client, placer.owner, placer.scope, _futures_of)
        self._transfers = AskingTransfers(placer.client, placer.link, self._asking, placer.owner)
        self._watch: Watch | None = None

    def watch(self) -> None:
        """Warn from now on of workers that are about to spill or pause."""
        self._watch = Watch(self._placer.link, self.memory)

    def close(self) -> None:
        """Warn no longer."""
        if self._watch is not None:
            self._watch.close()

    async def effort(self) -> float:
        """Return the seconds of CPU that `memory` would take the scheduler now, about."""
        return await self._asking.effort()

    async def memory(self, most: int = 1000) -> Memory:
        """Return what fills the workers' memory, with so many names at most."""
        return await self._asking.memory(await self._placer.link.workers(), most)

    async def moment(self) -> Moment:
        """Return this moment, to count from."""
        return await self._transfers.moment()

    async def transfers(self, since: Moment | None, settle: float) -> Transfers:
        """Return what has moved since a moment."""
        return await self._transfers.transfers(since, await self._placer.look(None), settle)

    async def why(self, what: Any) -> Why:
        """Return why `what` is as it is. Raises UnknownVariableError or InputError."""
        if isinstance(what, Variable):
            what = what.name
        if not isinstance(what, str):
            return await self._of_value(self._name_of(what), what)
        elements = _ELEMENTS.fullmatch(what)
        if elements is not None and what not in self._placer.names():
            some = await self._of_elements(what, elements[1], elements[2].strip("'\""))
            return some if some.others else replace(some, subject=what)
        infos = await self._placer.link.workers()
        try:
            return await self._of_placed(what, infos)
        except UnknownVariableError as unknown:
            value = self._placer.scope().get(what)
            if value is not None:
                return await self._of_value(what, value)
            if (found := await self._of_worker(what, infos)) is not None:
                return found
            dataset = await self._client.get_dataset(what, None, asynchronous=True)
            if dataset is not None:
                return await self._of_value(what, dataset)
            workers = [info.name for info in infos]
            raise UnknownVariableError(what, self._placer.names(), workers=workers) from unknown

    async def _of_placed(self, name: str, infos: list[WorkerInfo]) -> Why:
        state = (await self._placer.look([name]))[name]
        keys = list(self._placer.record(name)["keys"])
        found = why_placed(name, state, keys, await facts_of(self._client, keys), ClusterView(infos))
        return await self._unless_spilled(found, infos)

    async def _of_value(self, name: str, value: Any) -> Why:
        if isinstance(value, Results):
            return await self._of_results(name, value)
        if keys := await offload(self._names.keys, value):
            found = why_tasks(name, keys, await facts_of(self._client, keys))
            return await self._unless_spilled(found, await self._placer.link.workers())
        if is_dask_collection(value):
            try:
                futures_of(value)
            except CancelledError:
                return Why(name, "forgotten", "it was cancelled.", "Run the cell that makes it again.")
            return Why(name, "lazy", f"nothing of it is on the cluster until %persist {name} or %compute {name}.")
        remedy = f"%scatter, %broadcast or %pin {name} places it."
        return Why(name, "not placed", "it is in the notebook only.", remedy)

    async def _of_elements(self, subject: str, name: str, index: str) -> Why:
        """Return why items of results, elements of a list or a dict, or parts of a collection are as they are."""
        value = self._placer.scope().get(name)
        if isinstance(value, Results):
            positions = chosen(subject, (len(value),), "items")
            found = await why_items(self._client, name, value, positions)
            return grouped(name, [((at,), one) for at, one in zip(positions, found, strict=True)])
        if not has_parts(value) and (elements := some_of(subject, name, index, value)) is not None:
            if len(elements) == 1:
                return await self._of_value(subject, *elements.values())
            return await self._of_several(name, elements)
        return await self._of_parts(subject, name)

    async def _of_several(self, name: str, elements: dict[int, Any]) -> Why:
        """Return why elements of a list are as they are, each of which may keep several keys."""
        kept = [(at, key) for at, one in elements.items() for key in await offload(self._names.keys, one) or ()]
        if not kept:
            return await self._of_value(names(name, [(at,) for at in elements]), None)
        keys = [key for _, key in kept]
        return why_each(name, [(at,) for at, _ in kept], keys, await facts_of(self._client, keys, each=True))

    async def _of_parts(self, subject: str, whole: str) -> Why:
        """Return why parts of a collection are as they are, which are not placed under that name."""
        try:
            parts = await self._placer.parts(whole)
        except NotPlaceableError:
            return await self._of_value(whole, self._placer.scope().get(whole))
        found = [parts[index] for index in chosen(subject, parts.shape)]
        keys = [part.key for part in found]
        return why_each(whole, [part.block for part in found], keys, await facts_of(self._client, keys, each=True))

    async def _of_results(self, name: str, results: Results) -> Why:
        progress = results.progress
        if errors := await offload(results.first_errors, 1):
            first = errors[0]
            cause = f"{progress.failed} items raised, item {first.index} on {first.worker or '?'}: {first.in_words}."
            return Why(
                name, "failed", cause, f"{name}.errors has all; {name}.retry() runs them again.", line=f"{name}.errors"
            )
        if results.failure is not None:
            return Why(
                name, "failed", f"{results.failure}", f"{name}.retry() runs what has not ended.", line=f"{name}.retry()"
            )
        if progress.cancelled:
            remedy = f"{name}.retry() runs them."
            return Why(name, "cancelled", f"{progress.cancelled} items were cancelled.", remedy, line=f"{name}.retry()")
        keys = [future.key for future in results.batches_on_cluster()]
        if not keys:
            done = f"{progress.done} items are done"
            return Why(name, "in memory" if progress.finished else "running", f"{done}.")
        found = why_tasks(name, keys, await facts_of(self._client, keys))
        return await self._unless_spilled(found, await self._placer.link.workers())

    async def _of_worker(self, name: str, infos: list[WorkerInfo]) -> Why | None:
        called = named(name, (info.name for info in infos)) or name
        info = next((info for info in infos if called in (info.name, info.address)), None)
        name = info.name if info is not None else name
        facts = (await facts_of(self._client, [], name))["worker"]
        if info is None and (facts is None or not facts["known"]):
            return None
        assert facts is not None  # it was asked about a worker
        short = _shortage(await self.memory(), name) if info is not None else None
        return replace(why_worker(name, facts, info, short), subject=short_name(name))

    async def _unless_spilled(self, found: Why, infos: list[WorkerInfo]) -> Why:
        """Return `found`, unless all is well but for that some of it is on disk."""
        if not found.well or not any(info.spilled for info in infos):
            return found
        memory = await self.memory()
        named = next((one for one in memory.names if found.subject in one.name.split(", ")), None)
        if named is None or not named.total.disk:
            return found
        where = max(named.on, key=lambda worker: named.on[worker].disk)
        short = _shortage(memory, where)
        size = f"{format_bytes(named.total.disk)} of {format_bytes(named.total.disk + named.total.memory)}"
        cause = f"{size} is on disk, mostly on {short_name(where)}, because memory ran short."
        if short is not None:
            cause += f" {short.filled}"
        if short is not None and short.remedy:
            return Why(found.subject, "spilled", cause, short.remedy, line=short.line)
        return Why(
            found.subject, "spilled", cause, "It is read back when it is used; %memory says more.", line="%memory"
        )

    def _name_of(self, value: Any) -> str:
        named = (name for name, one in list(self._placer.scope().items()) if one is value and not name.startswith("_"))
        return next(named, f"this {type(value).__name__}")


def _futures_of(value: Any) -> list[Future[Any]] | None:
    return value.batches_on_cluster() if isinstance(value, Results) else None


def _shortage(memory: Memory, worker: str) -> Shortage | None:
    fractions = dask.config.get("distributed.worker.memory", {})
    return next((short for short in shortages(memory, fractions) if short.worker == worker), None)

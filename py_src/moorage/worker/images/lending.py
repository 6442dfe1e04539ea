"""Tells the notebook where values of a worker lie in memory of the host, so that it can map them.

What lies in such memory already is lent as it is. What a worker has for itself, such as the result of a task, it
writes into a segment first: the notebook maps that, and it lives as long as its mapping. Shipped by value.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from distributed.utils import offload

from moorage._dask.server import answer
from moorage._dask.worker import is_result
from moorage.images.carrier import Table
from moorage.images.format import Image, encode, is_still
from moorage.images.segment import Handle, Segment, handle_of
from moorage.wire.images import Loan
from moorage.worker.images.sharing import SMALLEST_SHARED


class Lending:
    """What one worker does about it, until it is closed. `table`: the images of the process."""

    def __init__(self, worker: Any, table: Table) -> None:
        self._worker = worker
        self._table = table
        self.close = answer(worker, moorage_lend=self.lend)
        """Stop lending."""

    async def lend(self, keys: Iterable[Any]) -> list[Loan | None]:
        """Return where the values of `keys` lie; None if a value is not here."""
        loans: list[Loan | None] = []
        for key in keys:
            result = is_result(self._worker, key)
            here = key in self._worker.data
            lend = functools.partial(self._lend, self._worker.data[key], result=result) if here else None
            loans.append(await offload(lend) if lend is not None else None)
        return loans

    def _lend(self, value: Any, *, result: bool) -> Loan:
        image = self._table.image_of(value)
        if image is None or (result and not is_still(value, image)):
            image = encode(value)
        if image.shareable < SMALLEST_SHARED:
            small = image.nbytes < SMALLEST_SHARED
            return {"nbytes": image.nbytes, "why": "" if small else "there is no memory to share in it"}
        handle = handle_of(image.buffers[0])
        try:
            handle = handle or self._write(image)
        except OSError as error:
            return {"nbytes": image.nbytes, "why": f"its worker can share no memory: {error.strerror or error}"}
        sizes = [buffer.nbytes for buffer in image.buffers]
        return {"stream": bytes(image.stream), "sizes": sizes, "handle": tuple(handle)}

    def _write(self, image: Image) -> Handle:
        """Write an image into a segment, and keep that until the notebook has had time to map it."""
        plan = image.layout
        segment = Segment(plan.nbytes)
        try:
            segment.write(zip(plan.offsets, image.buffers, strict=True), plan.nbytes)
            mapping = self._table.mappings.map(segment.handle)
        finally:
            segment.close()
        self._table.mappings.prepare(mapping.handle)
        return mapping.handle

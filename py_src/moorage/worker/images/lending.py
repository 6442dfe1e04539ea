"""Tells the notebook where values of a worker lie in memory of the host, so that it can map them.

What lies in such memory already is lent as it is. What a worker has for itself, such as the result of a task, it
writes into a segment first: the notebook maps that, and it lives as long as its mapping. Shipped by value.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import dask.sizeof  # not the function: all that it has measured would be shipped with it
from distributed.utils import offload

from moorage._dask.server import answer
from moorage._dask.worker import is_result
from moorage.images.carrier import Table
from moorage.images.format import Image
from moorage.images.segment import SMALLEST_SHARED, Handle, Segment, handle_of
from moorage.wire.images import Loan

_LONGEST = 1_000_000  # bytes of a stream that are kept by somebody else beside a segment


class Lending:
    """What one worker does about it, until it is closed. `table`: the images of the process."""

    def __init__(self, worker: Any, table: Table) -> None:
        self._worker = worker
        self._table = table
        self.close = answer(worker, moorage_lend=self.lend)
        """Stop lending."""

    async def lend(self, keys: Iterable[Any], most: int | None = None) -> list[Loan | None]:
        """Return where the values of `keys` lie; None if a value is not here.

        `most`: write nothing for that; of what lies in no segment return up to so many bytes themselves.
        """
        loans: list[Loan | None] = []
        for key in keys:
            result = is_result(self._worker, key)
            here = key in self._worker.data
            lend = functools.partial(self._lend, self._worker.data[key], result=result, most=most) if here else None
            loans.append(await offload(lend) if lend is not None else None)
        return loans

    def _lend(self, value: Any, *, result: bool, most: int | None) -> Loan:
        image = self._table.image_of(value)
        if image is None or (result and not self._table.is_still(value, image)):
            if most is not None and dask.sizeof.sizeof(value) > most:
                return {"nbytes": dask.sizeof.sizeof(value), "why": "it is not shared"}
            try:
                image = self._table.encode(value)
            except Exception as error:  # what a task has returned need not let itself be pickled
                return {"nbytes": dask.sizeof.sizeof(value), "why": f"it cannot be pickled: {error}"}
        sizes = [buffer.nbytes for buffer in image.buffers]
        handle = handle_of(image.buffers[0]) if image.buffers else None
        if most is not None and (handle is None or len(image.stream) > _LONGEST):
            if image.nbytes > most:
                return {"nbytes": image.nbytes, "why": "it is not shared"}
            return {"stream": bytes(image.stream), "sizes": sizes, "buffers": list(map(bytes, image.buffers))}
        if most is None and image.shareable < SMALLEST_SHARED:
            small = image.nbytes < SMALLEST_SHARED
            return {"nbytes": image.nbytes, "why": "" if small else "there is no memory to share in it"}
        try:
            handle = handle or self._write(image)
        except OSError as error:
            return {"nbytes": image.nbytes, "why": f"its worker can share no memory: {error.strerror or error}"}
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

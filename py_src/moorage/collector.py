"""Python's garbage collector, while very many objects are made that all stay.

It looks for garbage after every 700 objects that are made and kept, and now and then among all objects of the process.
Ten thousand keys are some hundred thousand objects, and none of them is garbage: looking for it takes as long as all
that is done with them. So it looks less often meanwhile.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_RARELY = 200_000  # objects, of a few dozen bytes
_MANY = 20_000  # that have been made meanwhile: taken to stay


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Let the garbage collector look for garbage less often meanwhile; any thread, and other work may go on beside it.

    Of several at a time the one that began first counts. Whoever has switched the collector off, or does so meanwhile,
    or sets other thresholds, finds that as it was.
    """
    before = gc.get_threshold()
    meanwhile = _RARELY, *before[1:]
    if not 0 < before[0] < _RARELY:
        yield
        return
    gc.set_threshold(*meanwhile)
    try:
        yield
    finally:
        if gc.get_threshold() == meanwhile:
            if gc.get_count()[0] > _MANY and not gc.get_freeze_count():
                gc.freeze()  # and unfrozen they count as old, which is told without a look at each
                gc.unfreeze()
            gc.set_threshold(*before)

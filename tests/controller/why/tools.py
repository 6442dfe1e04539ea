"""What the tests of `cluster.why()` ask, and what they have wait, fail and fill the memory."""

from __future__ import annotations

import numpy as np
from distributed import Event

from tests.helpers import eventually

MB = 1_000_000


def held_up(name):
    Event(name).wait(60)


def fail(x):
    raise ValueError(f"no {x}")


def make(nbytes, seed=1):
    return np.full(nbytes // 8, seed, dtype="f8")


def address(cluster, name):
    return next(info.address for info in cluster.workers() if info.name == name)


def says(cluster, what, state, *words):
    """Wait until `what` is in that state and has these words; return the answer."""

    def look():
        found = cluster.why(what)
        return found if found.state == state and all(word in str(found) for word in words) else None

    try:
        return eventually(look)
    except AssertionError:
        raise AssertionError(f"{state}, {words} expected of: {cluster.why(what)}") from None

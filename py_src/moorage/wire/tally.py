"""What a scheduler counts: placements, for who watches the cluster (Prometheus); Dask's work, for a notebook.

The host process asks for the one; notebooks are told the other. Only shapes.
"""

from __future__ import annotations

from typing import Any, Protocol, TypedDict

from moorage.model import State


class Tally(TypedDict):
    """How things stand, and what has been done since placement began on this scheduler."""

    variables: dict[State, int]
    nbytes: int  # of all variables, each once
    held: int  # copies of keys on workers
    pending: int  # copies that are wanted and not there
    shared: int  # bytes in memory that the workers of a host share, once for each host
    # since the beginning:
    copies: int  # that workers have got
    copied: int  # bytes of these copies, mapped or sent
    restored: int  # variables that were there again after a worker had left with them
    lost: int  # variables that were not
    seconds: float  # until variables were restored


class TallyHandlers(Protocol):
    """What a scheduler answers the process that hosts it."""

    def moorage_tally(self) -> Tally:
        """Return how things stand; this takes as long as a snapshot for a notebook."""
        ...


WORK_TOPIC = "moorage-work"
"""On which a notebook is told all `WorkRow` of its own that take longer than a moment, the oldest first."""


class WorkRow(TypedDict):
    """What a client has asked Dask to compute, and runs."""

    id: str
    label: str  # the functions, or operations, whose results it waits for
    group: str  # one of Dask's groups of these
    seconds: float  # since it began
    total: int  # tasks
    done: int  # of these, those that have ended
    failed: int  # of those, the ones with an error of their own


class WorkHandlers(Protocol):
    """What a notebook asks about it; see ``scheduler/tasks/work.py``."""

    async def moorage_wanted(self, client: str, work: str) -> list[Any]:
        """Return the keys that a client still waits for of some work."""
        ...

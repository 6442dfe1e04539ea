"""What the host process asks its scheduler, to tell it to who watches the cluster (Prometheus)."""

from __future__ import annotations

from typing import Protocol, TypedDict

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

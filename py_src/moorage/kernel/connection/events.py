"""What has happened on the cluster, in words, as this notebook was told: the latest, each with its time.

So far, workers that have left, and variables whose time was over. What the user has to do something about is a notice
as well, which stays until it is dismissed; an event is history.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import count
from typing import Literal, TypeAlias, TypedDict

from moorage.counts import expand
from moorage.model import natural
from moorage.wire.scheduler import LetGo, VariableRecord, WorkerLeft

_Level: TypeAlias = Literal["info", "warning", "error"]

_KEPT = 100
_NAMED = 4  # variables
_PLACES = 2  # workers; of more, nothing is said


class ClusterEvent(TypedDict):
    """Something that has happened."""

    id: str
    time: float  # seconds since 1970
    level: _Level
    message: str


class Events:
    """The latest events, oldest first. `owner`: what this notebook is called on the cluster."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._ids = count(1)
        self._latest: deque[ClusterEvent] = deque(maxlen=_KEPT)

    def __iter__(self) -> Iterator[ClusterEvent]:
        return iter(list(self._latest))  # of a moment: others come meanwhile

    def worker_left(self, left: WorkerLeft, variables: Mapping[str, VariableRecord], workers: Collection[str]) -> None:
        """Keep that a worker has left. `variables`: by ``vid``. `workers`: names of those that are there."""
        message = worker_left_words(left, variables, workers, self.owner)
        well = left["expected"] and not left["waiting"]
        level: _Level = "error" if left["lost"] else "info" if well else "warning"
        self._add(level, message)

    def let_go(self, let_go: LetGo) -> str:
        """Keep that a variable's time was over; return that in words."""
        name = let_go["name"] if let_go["owner"] == self.owner else f"{let_go['name']}@{let_go['owner']}"
        message = f"{name} was let go: the time for which it was placed is over"
        self._add("info", message)
        return message

    def _add(self, level: _Level, message: str) -> None:
        self._latest.append({"id": str(next(self._ids)), "time": time.time(), "level": level, "message": message})


def worker_left_words(
    left: WorkerLeft, variables: Mapping[str, VariableRecord], workers: Collection[str], owner: str
) -> str:
    """Return what became of a worker's variables as a sentence, such as "bob left: x restored on al after 0.3 s"."""

    def names(vids: Iterable[str]) -> str:
        known = [variables[vid] for vid in vids if vid in variables]  # others have been released meanwhile
        shown = [one["name"] if one["owner"] == owner else f"{one['name']}@{one['owner']}" for one in known]
        more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
        return ", ".join(shown[:_NAMED]) + more

    parts = []
    if restored := names(left["restored"]):
        held = [expand(variables[vid]["held"], workers) for vid in left["restored"] if vid in variables]
        places = sorted({worker for counts in held for worker in counts}, key=natural)
        where = f" on {', '.join(places)}" if 0 < len(places) <= _PLACES else ""
        parts.append(f"{restored} restored{where} after {left['seconds']:.1f} s")
    if waiting := names(left["waiting"]):
        parts.append(f"{waiting} waiting")
    if lost := names(left["lost"]):
        parts.append(f"{lost} lost")
    how = "left" if left["expected"] else "left unexpectedly"
    return f"{left['worker']} {how}: {'; '.join(parts) or 'nothing placed is missing'}"

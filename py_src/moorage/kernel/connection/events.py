"""What has happened on the cluster, in words, as this notebook was told: the latest, each with its time.

Workers that have come and left, what became of what was placed, moved and released, what was refused, and each notice.
What the user has to do something about is a notice as well, which stays until it is dismissed; an event is history. It
costs what has changed, however much there is. Several of a kind within a moment are one event.
"""

from __future__ import annotations

import re
import signal
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, TypeAlias, TypedDict

from moorage.counts import expand
from moorage.errors import ArgumentError, MoorageError
from moorage.magic import magic_for
from moorage.model import natural
from moorage.naming import short_name
from moorage.wire.scheduler import (
    Changes,
    LetGo,
    PlacementDict,
    VariableRecord,
    WorkerLeft,
    placement_from_dict,
)

_Kind: TypeAlias = Literal["joined", "left", "placed", "released", "waiting", "refused", "notice", "loop"]
_Level: TypeAlias = Literal["info", "warning", "error"]

_KEPT = 100  # of what is usual, and as many of all else
_USUAL = ("joined", "placed", "released")
_NAMED = 4  # variables, or workers that have joined, in a sentence
_LISTED = 20  # of an event
_PLACES = 2  # workers; of more, nothing is said
_MOMENT = 1.0  # seconds
_KILLS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_TEMPORARY = "~"  # begins the names of copies that a loop has made for itself
_HOW_MANY = re.compile(r" \([\d,]+ of [\d,]+ keys\)$")
_AT_ONCE = 0.05  # seconds that need not be told


class ClusterEvent(TypedDict):
    """Something that has happened."""

    id: str
    time: float  # seconds since 1970
    kind: _Kind
    level: _Level
    message: str
    variables: list[str]  # names of those that it is about, the first of many
    remedy: str  # what helps, or empty
    line: str  # the magic that does this once more, or empty
    cell: str  # id of the cell that it comes from, or empty


@dataclass
class _Several:
    """What an event tells of several names."""

    what: str
    own: PlacementDict | None  # that the notebook has asked for
    names: list[str] = field(default_factory=list)  # the first of them
    total: int = 0
    began: float = field(default_factory=time.time)


class Events:
    """The latest events, oldest first. `owner`: what this notebook is called on the cluster."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._ids = count(1)
        self._usual: deque[ClusterEvent] = deque(maxlen=_KEPT)
        self._others: deque[ClusterEvent] = deque(maxlen=_KEPT)
        self._under_way: dict[str, tuple[float, set[str]]] = {}  # ``vid`` -> since when, why it waits
        self._open: _Several | None = None  # what the last event tells, if more of the same may be added

    def __iter__(self) -> Iterator[ClusterEvent]:
        both = [*list(self._usual), *self.out_of_the_usual]  # of a moment: others come meanwhile
        return iter(sorted(both, key=lambda event: int(event["id"])))

    @property
    def out_of_the_usual(self) -> list[ClusterEvent]:
        """The latest of those that tell of something that nobody has asked for."""
        return list(self._others)

    def worker_left(self, left: WorkerLeft, variables: Mapping[str, VariableRecord], workers: Collection[str]) -> None:
        """Keep that a worker has left. `variables`: by ``vid``. `workers`: names of those that are there."""
        message = worker_left_words(left, variables, workers, self.owner)
        well = left["expected"] and not left["waiting"]
        level: _Level = "error" if left["lost"] else "info" if well else "warning"
        names = self._names((*left["restored"], *left["waiting"], *left["lost"]), variables)
        remedy = "Place it again, or give a worker of that name." if left["lost"] or left["waiting"] else ""
        self._add("left", level, message, names, remedy=remedy)

    def let_go(self, let_go: LetGo) -> str:
        """Keep that a variable's time was over; return that in words."""
        name = self._shown(let_go["name"], let_go["owner"])
        message = f"{name} was let go: the time for which it was placed is over"
        self._add("released", "info", message, [name])
        return message

    def changed(self, event: Changes, variables: Mapping[str, VariableRecord], workers: Collection[str]) -> None:
        """Keep what an event tells. `variables`: by ``vid``. `workers`: names of those that were there before."""
        come = [name for name in event["workers"] if name not in workers]
        if come:
            self._add_to("joined", list(map(short_name, come)), "joined")
        now = time.monotonic()
        for vid, record in event["placed"].items():
            if record["name"].startswith(_TEMPORARY):
                continue
            self._under_way[vid] = now, set()
            self._arrived(vid, record, record["state"], record["reason"])
        for vid, delta in event["changed"].items():
            if vid in self._under_way and vid in variables:
                self._arrived(vid, variables[vid], delta["state"], delta["reason"])
        for vid in event["released"]:
            self._under_way.pop(vid, None)
            owner = self.owner if vid.startswith(f"{self.owner}:") else vid.partition(":")[0]
            name = vid.removeprefix(f"{owner}:")  # which has colons in it, as ddf[3:7]
            if not name.startswith(_TEMPORARY):
                self._add_to("released", [self._shown(name, owner)], "released")

    def written(self, name: str) -> None:
        """Keep that files have a durable variable, too."""
        self._add_to("placed", [name], "written to disk")

    def refused(self, names: Iterable[str], error: MoorageError) -> None:
        """Keep that something was asked for and refused."""
        self._add("refused", "error", error.message, list(names), remedy=error.remedy)

    def loop_ended(self, label: str, cell: str, failed: int, cancelled: int, total: int | None, reason: str) -> None:
        """Keep that a loop has ended with items that failed or were cancelled. `reason`: of the first that failed."""
        of = "" if total is None else f" of {total:,}"
        counts = [f"{failed:,}{of} failed ({reason})"] if failed else []
        counts += [f"{cancelled:,}{'' if failed else of} cancelled"] if cancelled else []
        remedy = "Its results say in which items: .errors; .retry() runs them again." if failed else ""
        level: _Level = "warning" if failed else "info"
        self._add("loop", level, f"{label}: {', '.join(counts)}", [], remedy=remedy, cell=cell)

    def notice(self, level: _Level, message: str, remedy: str, variable: str) -> None:
        """Keep that a notice was shown."""
        self._add("notice", level, message, [variable] if variable else [], remedy=remedy)

    def _arrived(self, vid: str, record: VariableRecord, state: str, reason: str) -> None:
        name = self._shown(record["name"], record["owner"])
        since, told = self._under_way[vid]
        if state == "waiting" and (why := _HOW_MANY.sub("", reason)) not in told:
            told.add(why)  # and not again at each part that comes
            self._add("waiting", "warning", f"{name} waits: {why}", [name])
        elif state == "held":
            del self._under_way[vid]
            seconds = time.monotonic() - since
            after = f" after {seconds:.1f} s" if seconds >= _AT_ONCE else ""
            own = record["placement"] if record["owner"] == self.owner else None
            self._add_to("placed", [name], f"placed {_where(record)}", after, own)

    def _names(self, vids: Iterable[str], variables: Mapping[str, VariableRecord]) -> list[str]:
        known = (variables[vid] for vid in vids if vid in variables)  # others have been released meanwhile
        return [self._shown(one["name"], one["owner"]) for one in known]

    def _shown(self, name: str, owner: str) -> str:
        return name if owner == self.owner else f"{name}@{owner}"

    def _add_to(
        self, kind: _Kind, names: list[str], what: str, after: str = "", own: PlacementDict | None = None
    ) -> None:
        """Keep an event of some names, or add these to the last one if that says the same and was just now."""
        one = self._open
        if one is None or (one.what, one.own) != (what, own) or time.time() - one.began > _MOMENT:
            one = _Several(what, own)
        else:
            self._usual.pop()
        one.names += names[: _LISTED - len(one.names)]
        one.total += len(names)
        line = _line(one.names, own) if own is not None and one.total <= _LISTED else ""
        message = f"{some(one.names, one.total)} {what}{after}"
        self._add(kind, "info", message, [] if kind == "joined" else one.names, line=line)
        self._open = one

    def _add(
        self,
        kind: _Kind,
        level: _Level,
        message: str,
        names: Sequence[str],
        remedy: str = "",
        line: str = "",
        cell: str = "",
    ) -> None:
        self._open = None
        asked = kind in _USUAL or (kind, level) == ("loop", "info")  # who cancels a loop knows
        (self._usual if asked else self._others).append(
            {
                "id": str(next(self._ids)),
                "time": time.time(),
                "kind": kind,
                "level": level,
                "message": message,
                "variables": list(names),
                "remedy": remedy,
                "line": line,
                "cell": cell,
            }
        )


def some(names: Sequence[str], total: int) -> str:
    """Return a few of `names`, and how many more of all there are."""
    more = f" and {total - _NAMED} more" if total > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def worker_left_words(
    left: WorkerLeft, variables: Mapping[str, VariableRecord], workers: Collection[str], owner: str
) -> str:
    """Return what became of a worker's variables, such as "bob was killed (signal 9): x restored on al after 0.3 s"."""

    def names(vids: Iterable[str]) -> str:
        known = [variables[vid] for vid in vids if vid in variables]  # others have been released meanwhile
        shown = [one["name"] if one["owner"] == owner else f"{one['name']}@{one['owner']}" for one in known]
        return some(shown, len(shown))

    parts = []
    if restored := names(left["restored"]):
        held = [expand(variables[vid]["held"], workers) for vid in left["restored"] if vid in variables]
        places = sorted({short_name(worker) for counts in held for worker in counts}, key=natural)
        where = f" on {', '.join(places)}" if 0 < len(places) <= _PLACES else ""
        parts.append(f"{restored} restored{where} after {left['seconds']:.1f} s")
    if waiting := names(left["waiting"]):
        parts.append(f"{waiting} waiting")
    if lost := names(left["lost"]):
        parts.append(f"{lost} lost")
    return f"{short_name(left['worker'])} {_how(left)}: {'; '.join(parts) or 'nothing placed is missing'}"


def _how(left: WorkerLeft) -> str:
    code = left["code"]
    if left["memory"]:
        return "was ended for taking more memory than its limit"
    if left["expected"]:
        return "left"
    if code is None:
        return "left unexpectedly"
    if code >= 0:
        return f"ended (exit code {code})"
    return f"{'was killed' if -code in _KILLS else 'crashed'} (signal {-code})"


def _where(record: VariableRecord) -> str:
    placement = record["placement"]
    match placement["kind"]:
        case "everywhere":
            return "everywhere"
        case "hosts":
            return "on one worker of each host"
        case "anywhere":
            return "anywhere"
    workers = placement.get("workers", [])
    return f"on {', '.join(map(short_name, workers))}" if len(workers) <= _PLACES else f"on {len(workers)} workers"


def _line(names: Sequence[str], placement: PlacementDict) -> str:
    try:
        return magic_for(names, placement_from_dict(placement))
    except ArgumentError:
        return ""

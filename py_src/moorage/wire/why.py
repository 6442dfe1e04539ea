"""What a notebook asks of tasks and workers that are not as they should be: the facts, not the words. Only shapes."""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias, TypedDict

TaskFate: TypeAlias = Literal[
    "erred",
    "killed",
    "lost",
    "absent",
    "restoring",
    "no-worker",
    "released",
    "paused",
    "queued",
    "behind",
    "running",
    "memory",
]
"""What keeps a task from being done, the worst first. ``killed``: the workers that ran it died; ``lost``: a value of
which there is no copy any more; ``absent``: the scheduler does not know it; ``restoring``: a value that is to come
from a notebook; ``paused``: its worker is; ``behind``: its worker has not begun it; ``memory``: nothing."""

Ending: TypeAlias = Literal["", "asked", "restarted", "memory", "died"]
"""How a worker has ended: not at all; it was told to leave, or to restart; its nanny ended it for its memory; nobody
had told it to."""

ENDED_TOPIC = "moorage-ended"
"""Of the events by which nannies tell of workers that nobody had told to end."""


class WorkerEnded(TypedDict):
    """How a worker process has ended."""

    worker: str  # its address; empty if it ended before its nanny had heard of it
    name: str
    pid: int
    code: int  # exit code; negative: the signal that killed it
    lines: list[str]  # what it logged last


class WorkerEnd(TypedDict):
    """The end of a worker's latest process that has gone."""

    worker: str  # its name
    how: Ending
    seconds: float  # since then
    lost: int  # tasks whose only result it had, or which it ran
    code: int | None  # exit code; None: nobody has told
    taken: int  # bytes of memory, if that was too much
    lines: list[str]  # what it logged last


class TaskFacts(TypedDict):
    """The task that holds up others, or one that is held up by none."""

    key: Any
    function: str
    fate: TaskFate
    error: str  # of the task
    deaths: int  # workers that have ended while they had it
    on: list[str]  # names of the workers that have it
    worker: str  # that has to do it
    seconds: float  # since it began there, as of the last heartbeat
    ahead: int  # other tasks that this worker has to do; of a queued one, the length of the queue
    wanted: list[str]  # workers and hosts that it may run on; empty: all
    present: list[str]  # of these, the workers that are here, though not running
    resources: dict[str, float]  # that it needs
    end: WorkerEnd | None  # of the last worker that it was killed with


class WorkerFacts(TypedDict):
    """What happened to a worker, and what it does."""

    known: bool  # whether a worker of that name was ever here
    here: bool
    end: WorkerEnd
    tasks: int  # that it has to do
    running: list[str]  # their functions


class CopyFacts(TypedDict):
    """Of the copies of a variable's keys that are on their way the one that has been for longest."""

    source: str  # names of the workers
    target: str
    nbytes: int
    seconds: float  # since it was asked for
    usual: float  # seconds that so many bytes take at the rate which Dask has measured
    there: int  # bytes of all copies that were asked for which are there
    total: int  # of all that were asked for
    silent: str  # the one of the two that has not been heard of for long; empty if both have been
    silence: float  # seconds
    sending: int  # other copies that the source is to send
    receiving: int  # bytes of other copies that are on their way to the target


class Cause(TypedDict):
    """What several of the keys that were asked about have in common."""

    of: list[int]  # which of them, by position
    task: TaskFacts  # of the first of them, or of what holds that up; where all are in memory, ``on`` is of all


class WhyReply(TypedDict):
    """The facts."""

    copy: CopyFacts | None  # None if none is on its way
    task: TaskFacts | None  # None if none was asked about
    away: int  # how many of the keys that were asked about are not in memory
    workers: int  # that run
    threads: int  # of these
    worker: WorkerFacts | None
    causes: list[Cause]  # empty if only the worst was asked for


class WhyHandlers(Protocol):
    """What notebooks ask; see ``scheduler/causes.py``."""

    async def moorage_why(self, keys: list[Any], worker: str = "", each: bool = False) -> WhyReply:
        """Return what holds up the worst of `keys`, or each, and what became of the worker of that name or address."""
        ...

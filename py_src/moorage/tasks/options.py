"""How tasks are to run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moorage.errors import InputError
from moorage.kernel.placement.structure import shown
from moorage.tasks.capture import Stale
from moorage.wire.scheduler import travels
from moorage.wire.tasks import Report


@dataclass(frozen=True, slots=True)
class Options:
    """How tasks run. Names and meanings are those of `distributed.Client.submit` where it has them."""

    workers: tuple[str, ...] = ()  # names, hosts, ``host:port`` or addresses. Empty: wherever it is best.
    allow_other_workers: bool = False  # prefer `workers`, or the holders of `near`, but use others when those are busy
    near: str = ""  # run on the workers that hold this variable
    retries: int = 0  # how often an item, or the task, is tried again after it raised
    priority: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    # per name, how many items may run at once on the whole cluster: a `distributed.Semaphore` around each
    limits: Mapping[str, int] = field(default_factory=dict)
    batch_size: int | None = None  # items per task; by default as many as are worth a task, by their measured duration
    timeout: float | None = None  # seconds that all items together may take; what has not ended by then is cancelled
    rerun: bool = True  # run again what ran on a worker that was lost. If not, each item is a task of its own.
    auto: bool = True  # place large captured values rather than refuse them
    stale: Stale = "refresh"  # what to do about placed values that have changed
    # takes what tasks print and display, as it arrives: see `Report`. Called on the client's event loop.
    on_report: Callable[[Report], None] | None = None
    label: str = ""  # what it is called where what runs is shown; by default as the function

    def __post_init__(self) -> None:
        numbers = {"priority": self.priority, "retries": self.retries, **self.limits, **self.resources}
        for name, number in numbers.items():
            if not travels(number):
                raise InputError(f"{name}={shown(number)} is more than Dask takes.", "Write a smaller number.")
        for name, leases in self.limits.items():
            if not isinstance(leases, int):
                raise InputError(f"A limit of {shown(leases)} for {name} is not a whole number.", f"Write: {name}=1")
            if leases < 1:
                raise InputError(f"A limit of {leases} for {name} would let nothing run.", f"Write: {name}=1, or more.")
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"batch_size={self.batch_size}: a task has at least one item.", "Write 1 or more.")
        if self.retries < 0:
            raise InputError(
                f"retries={self.retries}: it cannot be tried a negative number of times.", "Write 0 or more."
            )

    def say(self, message: str) -> None:
        """Tell the user something, in one line, where the output of tasks goes."""
        if self.on_report is None:
            print(message)
        else:
            self.on_report({"kind": "output", "run": "", "on": "", "parts": [("stdout", None, message + "\n")]})


def print_report(report: Report) -> None:
    """Print what tasks print, with a label where there are several: the item's number, or the worker's name."""
    for stream, item, text in report["parts"] if report["kind"] == "output" else ():
        label = "" if item is None else f"[{item}] "
        file = sys.stderr if stream == "stderr" else sys.stdout
        print("".join(label + line for line in text.splitlines(keepends=True)), end="", file=file)


def as_dask_has_them(
    workers: Any,
    resources: Mapping[str, float] | None,
    retries: int | None,
    priority: int,
    allow_other_workers: bool,
    *,
    limits: Mapping[str, int] | None,
    **others: Any,
) -> Options:
    """Return options for arguments as ``Client.submit`` takes them, with what tasks print printed here."""
    named = [workers] if isinstance(workers, str | int) else workers or ()
    return Options(
        workers=tuple(map(str, named)),
        allow_other_workers=allow_other_workers,
        resources=resources or {},
        retries=retries or 0,
        priority=priority,
        limits=limits or {},
        on_report=print_report,
        **others,
    )

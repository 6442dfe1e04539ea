"""The line of `%%submit`: options, and then a loop that is Python, of ``loop_clause.py``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moorage.errors import ArgumentError
from moorage.jupyter.magics.loop_clause import Loop, goes_on, read_loop, split_loop
from moorage.jupyter.magics.parser import (
    Arguments,
    Reader,
    amount,
    check_names,
    count,
    duration,
    leases,
    one_of,
    option,
    positive,
    switch,
    text,
    whole,
)
from moorage.tasks.capture import Stale

_MOST_LINES = 100
"""A loop whose brackets are still open after so many is one that nobody has closed."""

_PLACING = "where the result stays, as variable NAME (recomputed if lost)"
_RUNNING = "how it runs"
_CAPTURING = "what it captures"


class SubmitArguments(Arguments):
    """The line of `%%submit`."""

    output: list[str] = option(
        "-o --output NAME...", text, "bind the result to NAME without waiting; several names unpack a tuple", default=[]
    )
    collection: bool = switch(
        "--collection", "make a Dask collection of a loop's values, a part for each item; waits for them"
    )
    # None: unless the result gets a name
    block: bool | None = switch("-b --block", "wait, also with -o", default=None) + switch(
        "-a --noblock", "do not wait, also without -o", action="store_false", default=None
    )
    workers: list[str] | None = option(
        "--workers W...", text, "run it on these workers only (name, host, host:port or address)"
    )
    allow_other_workers: bool = switch(
        "--allow-other-workers", "prefer these workers, but use others when they are busy"
    )
    near: str | None = option("--near NAME", text, "run it where this placed variable is")
    each: bool = switch("--each", "run it once on every worker, including those that join later")

    broadcast: bool = switch("--broadcast", "on every worker", group=_PLACING)
    pin: list[str] | None = option("--pin W...", text, "on these workers", group=_PLACING)

    retries: int = option("--retries N", count, "retry a failed item up to N times", group=_RUNNING, default=0)
    priority: int = option("--priority N", whole, "run before tasks with a lower priority", group=_RUNNING, default=0)
    resources: list[tuple[str, float]] = option(
        "--resources NAME=N...",
        amount,
        "resources of a worker that an item needs, such as GPU=1",
        group=_RUNNING,
        default=[],
    )
    limit: list[tuple[str, int]] = option(
        "--limit NAME=N...",
        leases,
        "run at most N items at once on the whole cluster, such as db=4",
        group=_RUNNING,
        default=[],
    )
    batch_size: int | None = option(
        "--batch-size N", positive, "items per task, instead of a measured number", group=_RUNNING
    )
    timeout: float | None = option(
        "--timeout T", duration, "cancel it after this long, such as 30 (seconds) or 2m", group=_RUNNING
    )
    rerun: bool = switch(
        "--no-rerun", "do not run items again when their worker is lost", group=_RUNNING, action="store_false"
    )

    auto: bool = switch(
        "--no-auto", "refuse to place large captured values automatically", group=_CAPTURING, action="store_false"
    )
    stale: Stale = option(
        "--stale refresh|error",
        one_of("refresh", "error"),
        "replace values that have changed since they were placed, or refuse",
        group=_CAPTURING,
        default="refresh",
    )

    head: list[str]  # its lines: more than one if the loop goes on
    loop: Loop | None = None

    def check(self) -> None:
        """Check names, and options that do not go together."""
        check_names([*self.output, *([self.near] if self.near else [])], foreign=True)
        check_names(self.output)
        placing = "--broadcast" if self.broadcast else "--pin" if self.pin else ""
        if placing and not self.output:
            raise ArgumentError(f"{placing} places the result, which needs a name.", f"Write: -o NAME {placing}")
        if self.collection and not self.output:
            raise ArgumentError("--collection makes a collection, which needs a name.", "Write: -o NAME --collection")
        if self.broadcast and self.pin:
            raise ArgumentError("--broadcast and --pin exclude each other.", "Choose one.")
        if self.each and (placing or self.near or self.workers):
            raise ArgumentError("--each runs on every worker.", "Leave out the options that choose workers.")
        if self.each and len(self.output) > 1:
            raise ArgumentError("--each has a single result, with one value per worker.", f"Write: -o {self.output[0]}")


class SubmitReader(Reader[SubmitArguments]):
    """Reads the line of `%%submit`: options, then an optional ``for`` clause that is Python."""

    def whole(self, line: str, cell: str | None) -> tuple[str, str | None]:
        """Take into the line the lines of the cell on which it goes on, if it ends there; see `Reader`."""
        lines = (cell or "").splitlines(keepends=True)
        for number in range(min(len(lines), _MOST_LINES) + 1):
            longer = "\n".join([line, "".join(lines[:number])]).removesuffix("\n") if number else line
            if not goes_on(longer):
                return (longer, "".join(lines[number:])) if number else (line, cell)
        return line, cell  # what is wrong with it is said when it is read

    def __call__(self, line: str, namespace: Mapping[str, Any] | None = None) -> SubmitArguments:
        """Read `line`; see `Reader`."""
        options, clause = split_loop(line)
        read = super().__call__(options.replace("\\\n", " "), namespace)
        read.head = line.splitlines()
        read.loop = read_loop(clause) if clause else None
        if read.loop and (read.each or read.broadcast or read.pin):
            option = "--each" if read.each else "--broadcast" if read.broadcast else "--pin"
            raise ArgumentError(
                f"{option} is for a cell that runs once, not for a loop.",
                "Leave it out, or write the loop in the cell.",
            )
        if read.collection and not read.loop:
            raise ArgumentError("--collection is for a loop: each item makes a part.", "Leave it out, or loop.")
        if read.loop and len(read.output) > 1:
            raise ArgumentError(
                f"-o gives {len(read.output)} names, but a loop has a single result: the list of its items' values.",
                f"Write: -o {read.output[0]}",
            )
        return read


submit = SubmitReader(
    SubmitArguments,
    "%%submit",
    "Run the cell on the cluster, next to the placed variables it uses: once, or once for each\n"
    "item of a loop. The result is the value of its last expression or, without one, of the variable NAME.",
    ["[-o NAME]", "[OPTIONS]", "[for TARGET in ITERABLE]"],
)

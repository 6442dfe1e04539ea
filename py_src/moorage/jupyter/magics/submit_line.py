"""The line of `%%submit`: options, and then a loop that is Python, of ``loop_clause.py``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moorage.errors import ArgumentError
from moorage.jupyter.magics.arguments import add_workers
from moorage.jupyter.magics.loop_clause import Loop, goes_on, read_loop, split_loop
from moorage.jupyter.magics.parser import (
    Arguments,
    Parser,
    Reader,
    amount,
    check_names,
    count,
    duration,
    leases,
    one_of,
    positive,
    switch,
    take,
    text,
    whole,
)
from moorage.tasks.capture import Stale

_MOST_LINES = 100
"""A loop whose brackets are still open after so many is one that nobody has closed."""


class SubmitArguments(Arguments):
    """The line of `%%submit`."""

    output: list[str]
    block: bool | None  # None: unless the result gets a name
    each: bool
    collection: bool
    broadcast: bool
    pin: list[str] | None
    workers: list[str] | None
    allow_other_workers: bool
    near: str | None
    retries: int
    priority: int
    resources: list[tuple[str, float]]
    limit: list[tuple[str, int]]
    batch_size: int | None
    timeout: float | None
    auto: bool
    stale: Stale
    rerun: bool
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


def _submit() -> Parser:
    parser = Parser(
        "%%submit",
        usage="%(prog)s [-o NAME] [OPTIONS] [for TARGET in ITERABLE]",
        description="Run the cell on the cluster, next to the placed variables it uses: once, or once for each\n"
        "item of a loop. The result is the value of its last expression or, without one, of the variable NAME.",
    )
    take(
        parser,
        "-o --output NAME...",
        text,
        "bind the result to NAME without waiting; several names unpack a tuple",
        default=[],
    )
    switch(parser, "--collection", "make a Dask collection of a loop's values, a part for each item; waits for them")
    switch(parser, "-b --block", "wait, also with -o", default=None)
    parser.add_argument("-a", "--noblock", action="store_false", dest="block", help="do not wait, also without -o")
    add_workers(parser, "run it on these workers only (name, host, host:port or address)")
    switch(parser, "--allow-other-workers", "prefer these workers, but use others when they are busy")
    take(parser, "--near NAME", text, "run it where this placed variable is")
    switch(parser, "--each", "run it once on every worker, including those that join later")
    placing = parser.add_argument_group("where the result stays, as variable NAME (recomputed if lost)")
    switch(placing, "--broadcast", "on every worker")
    take(placing, "--pin W...", text, "on these workers")
    running = parser.add_argument_group("how it runs")
    take(running, "--retries N", count, "retry a failed item up to N times", default=0)
    take(running, "--priority N", whole, "run before tasks with a lower priority", default=0)
    take(
        running, "--resources NAME=N...", amount, "resources of a worker that an item needs, such as GPU=1", default=[]
    )
    take(
        running,
        "--limit NAME=N...",
        leases,
        "run at most N items at once on the whole cluster, such as db=4",
        default=[],
    )
    take(running, "--batch-size N", positive, "items per task, instead of a measured number")
    take(running, "--timeout T", duration, "cancel it after this long, such as 30 (seconds) or 2m")
    running.add_argument(
        "--no-rerun", action="store_false", dest="rerun", help="do not run items again when their worker is lost"
    )
    capturing = parser.add_argument_group("what it captures")
    capturing.add_argument(
        "--no-auto", action="store_false", dest="auto", help="refuse to place large captured values automatically"
    )
    take(
        capturing,
        "--stale refresh|error",
        one_of("refresh", "error"),
        "replace values that have changed since they were placed, or refuse",
        default="refresh",
    )
    return parser


submit = SubmitReader(SubmitArguments, _submit())

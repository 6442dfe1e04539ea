"""What each magic for variables takes: its options, the typed result, and the text of ``-h``.

One `Reader` per magic, by its name: ``pin("big --workers alice")`` returns a `PinArguments`. Pure: no shell, no
cluster. It does *not* cover what the magics do (``commands.py``), nor whether a named variable or worker exists,
nor `%cluster` (``cluster/line.py``) and `%%submit` (``submit_line.py``).
"""

from __future__ import annotations

from typing import TypedDict, cast

from moorage.errors import ArgumentError
from moorage.jupyter.magics.parser import (
    Arguments,
    Parser,
    Reader,
    check_names,
    duration,
    one_of,
    positive,
    switch,
    take,
    text,
)
from moorage.kernel.placement.assign import By


def add_workers(parser: Parser, about: str, *, required: bool = False) -> None:
    """Add the option ``--workers``."""
    take(parser, "--workers W...", text, about, required=required)


def add_timeout(parser: Parser) -> None:
    """Add the option ``--timeout``."""
    take(parser, "--timeout T", duration, "wait at most this long, such as 30 (seconds) or 2m")


def _add_placing(parser: Parser) -> None:
    switch(parser, "--force", "place it even if it does not appear to fit")
    switch(
        parser, "--rebind", "bind the names to this host's shared memory: one read-only copy for workers and notebook"
    )
    switch(parser, "--writable", "let tasks write to it; only later tasks on the same worker see the changes")
    switch(parser, "--persist", "persist Dask collections first that are not; the names then mean these")
    switch(parser, "--keep-local", "cell form: also keep the value in the notebook, under the same name")
    take(
        parser,
        "--for T",
        duration,
        "let go of it after this time, such as 2h; placing it again without cancels that",
        dest="lifetime",
    )
    switch(
        parser,
        "--durable",
        "write it to files, too: it survives the death of everything (%%restore brings it back) until released",
        default=None,
    )
    add_timeout(parser)


class HowPlaced(TypedDict):
    """Arguments of each verb of a `ClusterController` that places."""

    force: bool
    rebind: bool
    writable: bool
    lifetime: float | None
    durable: bool | None
    timeout: float | None


class PlacingArguments(Arguments):
    """What `%scatter`, `%broadcast` and `%pin` have in common."""

    names: list[str]
    force: bool
    rebind: bool
    writable: bool
    persist: bool
    keep_local: bool
    lifetime: float | None
    durable: bool | None
    timeout: float | None

    @property
    def how(self) -> HowPlaced:
        """What all verbs that place take."""
        return cast(HowPlaced, {name: getattr(self, name) for name in HowPlaced.__annotations__})

    def the_name(self) -> str:
        """Return the one name that the cell form takes."""
        if len(self.names) != 1:
            raise ArgumentError(
                f"A cell has one value, and {len(self.names)} names were given: {', '.join(self.names)}.",
                "Give one name.",
            )
        check_names(self.names, foreign=True)
        return self.names[0]

    def check(self) -> None:
        """Check the names."""
        check_names(self.names, parts=True)


_CELL_FORM = """
In the cell form, %%{0} NAME, the cell runs in the notebook, and the value of its last expression is placed under
NAME. The notebook keeps no copy unless --keep-local is given; with --rebind, NAME is bound to the memory that the
workers share."""


class ScatterArguments(PlacingArguments):
    """The line of `%scatter`."""

    workers: list[str] | None
    whole: bool
    copies: int | None
    by: By
    like: str | None
    allow_other_workers: bool

    def check(self) -> None:
        """Check names, and that the options do not contradict each other."""
        super().check()
        check_names([self.like] if self.like else [], foreign=True)
        if self.like and (self.workers or self.copies):
            raise ArgumentError("--like says where the parts should be.", "Leave out --workers and --copies.")
        if self.workers and self.copies:
            raise ArgumentError(
                "--workers spreads the elements over these workers, one copy of each; --copies has no meaning there.",
                "For a copy on each of the workers: %pin NAME --workers W...",
            )


def _scatter() -> Parser:
    parser = Parser(
        "%scatter",
        usage="%(prog)s NAME... [--workers W...] [--allow-other-workers] [--whole] [--copies N]\n"
        "                [--by cores|workers|memory|blocks] [--like NAME] [--persist] [--force] [--rebind]\n"
        "                [--writable] [--keep-local] [--for T] [--durable] [--timeout T]",
        description="Place variables of the notebook on the cluster, the elements of a list, tuple, set or dict, or\n"
        "the parts of a Dask collection, spread over its workers. They stay there until they are released."
        + _CELL_FORM.format("scatter"),
    )
    take(parser, "names NAME...", text, "variables of the notebook")
    add_workers(parser, "spread them over these workers only (name, host, host:port or address)")
    switch(parser, "--whole", "place a list, set or dict as one value")
    take(parser, "--copies N", positive, "keep N copies of each element")
    take(
        parser,
        "--by {cores,workers,memory,blocks}",
        one_of("cores", "workers", "memory", "blocks"),
        "assign elements by cores (default), evenly by worker, or by free memory; parts of a collection\n"
        "evenly by bytes (default), or by number (blocks)",
        default="cores",
    )
    take(
        parser,
        "--like NAME",
        text,
        "keep each part of a collection with the same part of this one, with which it is joined or zipped",
    )
    switch(
        parser,
        "--allow-other-workers",
        "with --workers: let tasks that use the elements run elsewhere if none of these workers is available",
    )
    _add_placing(parser)
    return parser


class BroadcastArguments(PlacingArguments):
    """The line of `%broadcast`."""

    per_host: bool


def _broadcast() -> Parser:
    parser = Parser(
        "%broadcast",
        usage="%(prog)s NAME... [--per-host] [--persist] [--force] [--rebind] [--writable]\n"
        "                  [--keep-local] [--for T] [--durable] [--timeout T]",
        description="Place variables on every worker, including those that join later."
        + _CELL_FORM.format("broadcast"),
    )
    take(parser, "names NAME...", text, "variables of the notebook, or placed variables")
    switch(parser, "--per-host", "one copy per host instead of one per worker")
    _add_placing(parser)
    return parser


class PinArguments(PlacingArguments):
    """The line of `%pin`."""

    workers: list[str]
    allow_other_workers: bool

    def check(self) -> None:
        """Check the names; a placed variable of another notebook can be pinned too."""
        check_names(self.names, foreign=True, parts=True)


def _pin() -> Parser:
    parser = Parser(
        "%pin",
        usage="%(prog)s NAME... --workers W... [--allow-other-workers] [--persist] [--force]\n"
        "            [--rebind] [--writable] [--keep-local] [--for T] [--durable] [--timeout T]",
        description="Keep a copy of variables on each of these workers. Variables that are already placed move;\n"
        "others are taken from the notebook. ddf[3:7] and x[0,2:4] are parts of a Dask collection, counted as\n"
        "in ddf.partitions[3:7] and x.blocks[0, 2:4]." + _CELL_FORM.format("pin"),
    )
    take(parser, "names NAME...", text, "placed variables, or variables of the notebook")
    add_workers(parser, "the workers (name, host, host:port or address)", required=True)
    switch(
        parser, "--allow-other-workers", "let tasks that use them run elsewhere if none of these workers is available"
    )
    _add_placing(parser)
    return parser


class NamesArguments(Arguments):
    """The line of `%release`, `%gather` and `%placement`."""

    names: list[str]
    timeout: float | None
    verbose: bool = False
    map: bool = False

    def check(self) -> None:
        """Check the names."""
        check_names(self.names, foreign=True, parts=True)


def _release() -> Parser:
    parser = Parser(
        "%release",
        usage="%(prog)s NAME...",
        description="Release placed variables: their copies on the cluster are freed once nothing else uses them.",
    )
    take(parser, "names NAME...", text, "placed variables")
    return parser


def _gather() -> Parser:
    parser = Parser(
        "%gather",
        usage="%(prog)s NAME... [--map] [--timeout T]",
        description="Bring placed variables into the notebook: each is bound to its name there, and the value is\n"
        "returned (`y = %gather x`; a final `;` keeps it from being shown). Their copies on the cluster stay.\n"
        "Futures, results of %%submit, Dask collections (their whole value) and other notebooks' variables are\n"
        "returned without rebinding the name.",
    )
    take(parser, "names NAME...", text, "placed variables, or names bound by %%%%submit -o")
    switch(parser, "--map", "map it, read-only, from the memory that workers of this host share instead of copying it")
    add_timeout(parser)
    return parser


def _placement() -> Parser:
    parser = Parser(
        "%placement",
        usage="%(prog)s [NAME...] [-v]",
        description="Show where placed variables are and where they should be.",
    )
    take(parser, "names NAME", text, "only these", nargs="*")
    switch(parser, "-v --verbose", "also show which workers share memory, and why others do not")
    return parser


scatter = Reader(ScatterArguments, _scatter())
broadcast = Reader(BroadcastArguments, _broadcast())
pin = Reader(PinArguments, _pin())
release = Reader(NamesArguments, _release())
gather = Reader(NamesArguments, _gather())
placement = Reader(NamesArguments, _placement())

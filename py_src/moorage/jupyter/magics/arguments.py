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
    Reader,
    check_names,
    duration,
    one_of,
    option,
    positive,
    switch,
    text,
)
from moorage.kernel.placement.assign import By


class Patient(Arguments):
    """A line that says how long to wait."""

    timeout: float | None = option("--timeout T", duration, "wait at most this long, such as 30 (seconds) or 2m")


class HowPlaced(TypedDict):
    """Arguments of each verb of a `ClusterController` that places."""

    force: bool
    rebind: bool
    writable: bool
    lifetime: float | None
    durable: bool | None
    timeout: float | None


class PlacingArguments(Patient):
    """What `%scatter`, `%broadcast` and `%pin` have in common."""

    names: list[str]
    force: bool = switch("--force", "place it even if it does not appear to fit")
    rebind: bool = switch(
        "--rebind", "bind the names to this host's shared memory: one read-only copy for workers and notebook"
    )
    writable: bool = switch("--writable", "let tasks write to it; only later tasks on the same worker see the changes")
    persist: bool = switch("--persist", "persist Dask collections first if they are not; the names then refer to these")
    keep_local: bool = switch("--keep-local", "cell form: also keep the value in the notebook, under the same name")
    lifetime: float | None = option(
        "--for T", duration, "release it after this time, such as 2h; placing it again without cancels that"
    )
    durable: bool | None = switch(
        "--durable",
        "write it to files, too: it survives the death of everything (%%restore brings it back) until released",
        default=None,
    )

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

    names: list[str] = option("NAME...", text, "variables of the notebook")
    workers: list[str] | None = option(
        "--workers W...", text, "spread them over these workers only (name, host, host:port or address)"
    )
    whole: bool = switch("--whole", "place a list, set or dict as one value")
    copies: int | None = option("--copies N", positive, "keep N copies of each element")
    by: By = option(
        "--by cores|workers|memory|blocks",
        one_of("cores", "workers", "memory", "blocks"),
        "assign elements by cores (default), evenly by worker, or by free memory; parts of a collection\n"
        "evenly by bytes (default), or by number (blocks)",
        default="cores",
    )
    like: str | None = option(
        "--like NAME",
        text,
        "keep each part of a collection with the same part of this one, with which it is joined or zipped",
    )
    allow_other_workers: bool = switch(
        "--allow-other-workers",
        "with --workers: let tasks that use the elements run elsewhere if none of these workers is available",
    )

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


class BroadcastArguments(PlacingArguments):
    """The line of `%broadcast`."""

    names: list[str] = option("NAME...", text, "variables of the notebook, or placed variables")
    per_host: bool = switch("--per-host", "one copy per host instead of one per worker")


class PinArguments(PlacingArguments):
    """The line of `%pin`."""

    names: list[str] = option("NAME...", text, "placed variables, or variables of the notebook")
    workers: list[str] = option("--workers W...", text, "the workers (name, host, host:port or address)", required=True)
    allow_other_workers: bool = switch(
        "--allow-other-workers", "let tasks that use them run elsewhere if none of these workers is available"
    )

    def check(self) -> None:
        """Check the names; a placed variable of another notebook can be pinned too."""
        check_names(self.names, foreign=True, parts=True)


class NamesArguments(Arguments):
    """A line of names; also that of `%release`."""

    names: list[str] = option("NAME...", text, "placed variables")

    def check(self) -> None:
        """Check the names."""
        check_names(self.names, foreign=True, parts=True)


class GatherArguments(NamesArguments, Patient):
    """The line of `%gather`."""

    names: list[str] = option("NAME...", text, "placed variables, or names bound by %%%%submit -o")
    map: bool = switch(
        "--map", "map it, read-only, from the memory that workers of this host share instead of copying it"
    )


class PlacementArguments(NamesArguments):
    """The line of `%placement`."""

    names: list[str] = option("[NAME...]", text, "only these")
    verbose: bool = switch("-v --verbose", "also show which workers share memory, and why others do not")


scatter = Reader(
    ScatterArguments,
    "%scatter",
    "Place variables of the notebook on the cluster, the elements of a list, tuple, set or dict, or\n"
    "the parts of a Dask collection, spread over its workers. They stay there until they are released."
    + _CELL_FORM.format("scatter"),
)
broadcast = Reader(
    BroadcastArguments,
    "%broadcast",
    "Place variables on every worker, including those that join later." + _CELL_FORM.format("broadcast"),
)
pin = Reader(
    PinArguments,
    "%pin",
    "Keep a copy of variables on each of these workers. Variables that are already placed move;\n"
    "others are taken from the notebook. ddf[3:7] and x[0,2:4] are parts of a Dask collection, counted as\n"
    "in ddf.partitions[3:7] and x.blocks[0, 2:4]." + _CELL_FORM.format("pin"),
)
release = Reader(
    NamesArguments,
    "%release",
    "Release placed variables: their copies on the cluster are freed once nothing else uses them.",
)
gather = Reader(
    GatherArguments,
    "%gather",
    "Bring placed variables into the notebook: each is bound to its name there, and the value is\n"
    "returned (`y = %gather x`; a final `;` keeps it from being shown). Their copies on the cluster stay.\n"
    "Futures, results of %%submit, Dask collections (their whole value) and other notebooks' variables are\n"
    "returned without rebinding the name.",
)
placement = Reader(PlacementArguments, "%placement", "Show where placed variables are and where they should be.")

"""The lines of `%memory`, `%why` and `%%locality`."""

from __future__ import annotations

from typing import Literal

from moorage.jupyter.magics.parser import Arguments, Reader, one_of, option, switch, text


class MemoryArguments(Arguments):
    """The line of `%memory`."""

    by: Literal["worker", "name"] = option(
        "--by worker|name",
        one_of("worker", "name"),
        "a section per worker (default), or a row per name",
        default="worker",
    )
    all: bool = switch("--all", "show small entries, too")


class WhyArguments(Arguments):
    """The line of `%why`."""

    what: str = option(
        "NAME",
        text,
        "a placed variable; a variable that holds a collection, futures or results; some of one, as\n"
        "results[7], results[2:5], ddf[3] or x[0,2:4], with a line for each cause; a worker; or a published dataset",
    )


class LocalityArguments(Arguments):
    """The line of `%%locality`."""

    no_wait: bool = switch("--no-wait", "do not wait for what the cell has started")
    all: bool = switch("--all", "show small entries, too")


memory = Reader(
    MemoryArguments,
    "%memory",
    "Show what fills the workers' memory, by name: placed variables, collections, futures and\n"
    "results of this notebook's variables, published datasets, keys of other notebooks and clients, what running\n"
    "tasks have taken lately, and the rest (unmanaged). `cluster.memory()` returns it.",
)
why = Reader(
    WhyArguments,
    "%why",
    "Say why something is not as you want it, and what would help: it waits, moves, is lost, stale,\n"
    "spilled, queued or failed; a worker is gone, paused or short of memory. `cluster.why()` returns it.",
    ["NAME|NAME[I]|NAME[I:J]|WORKER"],
)
locality = Reader(
    LocalityArguments,
    "%%locality",
    "Run the cell, and show what moved between workers meanwhile: bytes and seconds by name and by\n"
    "worker, from the workers' own logs, and which placement would have saved most. What the cell has started\n"
    "and not waited for is waited for. `cluster.transfers()` returns the same.",
)

"""The line of `%memory`."""

from __future__ import annotations

from typing import Literal

from moorage.jupyter.magics.parser import Arguments, Parser, Reader, one_of


class MemoryArguments(Arguments):
    """The line of `%memory`."""

    by: Literal["worker", "name"]
    all: bool


def _parser() -> Parser:
    parser = Parser(
        "%memory",
        usage="%(prog)s [--by worker|name] [--all]",
        description="Show what fills the workers' memory, by name: placed variables, collections, futures and\n"
        "results of this notebook's variables, published datasets, keys of other notebooks and clients, what running\n"
        "tasks have taken lately, and what is left over (unmanaged). `cluster.memory()` returns it.",
    )
    parser.add_argument(
        "--by",
        type=one_of("worker", "name"),
        default="worker",
        metavar="worker|name",
        help="a section per worker (default), or a row per name",
    )
    parser.add_argument("--all", action="store_true", help="also what is small")
    return parser


memory = Reader(MemoryArguments, _parser())

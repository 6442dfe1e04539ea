"""The lines of `%compute` and `%persist`: names, and where the parts of which collection are computed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from moorage.errors import ArgumentError
from moorage.jupyter.magics.arguments import add_timeout, add_workers
from moorage.jupyter.magics.line import words
from moorage.jupyter.magics.parser import Arguments, Parser, Reader, check_names, text

_ON = "--on"
_FORM = "Write: --on x=alice y,z=bob,carol"


class ComputeArguments(Arguments):
    """The line of `%compute` or `%persist`."""

    names: list[str]
    output: str | None = None
    workers: list[str] | None
    allow_other_workers: list[str] | None
    timeout: float | None = None
    on: list[tuple[list[str], list[str]]]

    def check(self) -> None:
        """Check the names."""
        check_names(self.names)
        check_names([*(self.allow_other_workers or ()), *([self.output] if self.output else ())])


class ComputeReader(Reader[ComputeArguments]):
    """Reads what follows ``--on`` for itself: there a comma joins names, and a space begins anew."""

    def __call__(self, line: str, namespace: Mapping[str, Any] | None = None) -> ComputeArguments:
        """Read `line`; see `Reader`."""
        found = words(line)
        begin = next((word.start for word in found if word.text == _ON), None)
        if begin is None:
            read = super().__call__(line, namespace)
            read.on = []
            return read
        later = (word.start for word in found if word.start > begin and word.raw.startswith("-"))
        end = next(later, len(line))
        read = super().__call__(f"{line[:begin]} {line[end:]}", namespace)
        read.on = _groups(line[begin + len(_ON) : end])
        if read.workers:
            raise ArgumentError(
                "--workers is for all that is computed, --on for the collections that it names.", "Give one of them."
            )
        return read


def _groups(written: str) -> list[tuple[list[str], list[str]]]:
    groups = []
    for word in shlex.split(written.strip().removesuffix(";"), comments=True):
        names, equals, workers = word.partition("=")
        group = names.split(","), workers.split(",")
        if not equals or not all(group[0]) or not all(group[1]):
            raise ArgumentError(f"{word!r} does not say which collection goes on which worker.", _FORM)
        check_names(group[0])
        groups.append(group)
    if not groups:
        raise ArgumentError("--on names no collection.", _FORM)
    return groups


def _parser(prog: str, description: str, usage: str) -> Parser:
    parser = Parser(
        prog,
        usage=f"%(prog)s NAME... [--on NAME[,NAME...]=WORKER[,WORKER...] ...] [--workers W...]\n{usage}",
        description=description,
    )
    parser.add_argument("names", nargs="+", type=text, metavar="NAME", help="Dask collections of the notebook")
    parser.add_argument(
        _ON,
        nargs="+",
        metavar="NAME=W",
        help="where the parts of which collection are computed: x=alice y,z=bob,carol (names, hosts, host:port);\n"
        "what they depend on runs anywhere",
    )
    add_workers(parser, "compute everything on these workers")
    parser.add_argument(
        "--allow-other-workers",
        nargs="*",
        type=text,
        metavar="NAME",
        help="let others compute it if these are not there: everything, or only these collections",
    )
    return parser


def _compute() -> Parser:
    parser = _parser(
        "%compute",
        "Compute Dask collections and return the values, each part where --on says. The graph is optimized, but the\n"
        "tasks of what is named there are not merged with those of others.",
        "                [--allow-other-workers [NAME...]] [-o NAME] [--timeout T]",
    )
    parser.add_argument("-o", "--output", type=text, metavar="NAME", help="bind the futures to NAME without waiting")
    add_timeout(parser)
    return parser


def _persist() -> Parser:
    return _parser(
        "%persist",
        "Compute Dask collections and keep their parts on the workers, each where --on says. The names then mean the\n"
        "persisted collections. To have them stay where they are, place them: %%scatter, %%pin, %%broadcast.",
        "                [--allow-other-workers [NAME...]]",
    )


compute = ComputeReader(ComputeArguments, _compute())
persist = ComputeReader(ComputeArguments, _persist())

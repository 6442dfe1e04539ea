"""The lines of `%compute` and `%persist`: names or an expression, and where the parts of which are computed."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from typing import Any

from moorage.errors import ArgumentError
from moorage.jupyter.magics.arguments import Patient
from moorage.jupyter.magics.line import words
from moorage.jupyter.magics.parser import Arguments, Reader, check_names, option, text

_ON = "--on"
_NAMES = ("$", "{", "'", '"', "#", ";")  # what begins names that are taken from variables, or quoted
_FORM = "Write: --on x=alice y,z=bob,carol"


class ComputeArguments(Arguments):
    """The line of `%compute` or `%persist`."""

    names: list[str] = option("NAME...", text, "Dask collections of the notebook")
    expression: str = ""  # in the place of names
    on: Any = option(  # pairs of names and workers: a list of lists
        f"{_ON} NAME=W...",
        None,
        "where the parts of which collection are computed: x=alice y,z=bob,carol (names, hosts, host:port);\n"
        "what they depend on runs anywhere",
    )
    workers: list[str] | None = option("--workers W...", text, "compute everything on these workers")
    allow_other_workers: list[str] | None = option(
        "--allow-other-workers [NAME...]",
        text,
        "let others compute it if these are not there: everything, or only these collections",
    )
    output: str | None = None
    timeout: float | None = None

    def check(self) -> None:
        """Check the names."""
        check_names(self.names)
        check_names([*(self.allow_other_workers or ()), *([self.output] if self.output else ())])


class WaitingArguments(ComputeArguments, Patient):
    """The line of `%compute`."""

    names: list[str] = option(
        "NAME...", text, "Dask collections of the notebook, or an expression that makes some: ddf.v.sum()"
    )
    output: str | None = option("-o --output NAME", text, "bind the futures to NAME without waiting")


class ComputeReader(Reader[ComputeArguments]):
    """Reads for itself an expression, and what follows ``--on``: there a comma joins names, and a space starts over."""

    def __call__(self, line: str, namespace: Mapping[str, Any] | None = None) -> ComputeArguments:
        """Read `line`; see `Reader`."""
        expression, line = _expression(line, self.parser.options)
        read = self._options(line, namespace)
        if expression:
            read.names, read.expression = [], expression
        return read

    def _options(self, line: str, namespace: Mapping[str, Any] | None) -> ComputeArguments:
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


def _expression(line: str, options: Collection[str]) -> tuple[str, str]:
    """Return the expression before the options, if that is no list of names, and the line with a name instead."""
    found = words(line)
    end = next((word.start for word in found if word.raw.partition("=")[0] in options), len(line))
    written = line[:end].strip().removesuffix(";").strip()
    before = [word.raw for word in found if word.start < end]
    if all(word.isidentifier() or word.startswith(_NAMES) for word in before):
        return "", line
    try:
        compile(written, "", "eval")
    except (SyntaxError, ValueError):
        return "", line
    return written, f"_ {line[end:]}"


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


_WHERE = ("[--on NAME[,NAME...]=WORKER[,WORKER...] ...]", "[--workers W...]", "[--allow-other-workers [NAME...]]")

compute = ComputeReader(
    WaitingArguments,
    "%compute",
    "Compute Dask collections and return the values, each part where --on says. The graph is optimized, but the\n"
    "tasks of what is named there are not merged with those of others.",
    ["NAME...", "|", "EXPRESSION", *_WHERE, "[-o NAME]", "[--timeout T]"],
)
persist = ComputeReader(
    ComputeArguments,
    "%persist",
    "Compute Dask collections and keep their parts on the workers, each where --on says. The names then mean the\n"
    "persisted collections. To have them stay where they are, place them: %%scatter, %%pin, %%broadcast.",
    ["NAME...", *_WHERE],
)

"""Completion in the lines of the magics: variables, workers, options, actions.

`complete` is pure. What the notebook and the cluster have is asked of a `Names`, and only the part that is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from moorage.errors import ArgumentError
from moorage.jupyter.magics import arguments
from moorage.jupyter.magics.cluster import line as cluster_line
from moorage.jupyter.magics.collections import line as collections_line
from moorage.jupyter.magics.insight.line import locality, memory, why
from moorage.jupyter.magics.line import words
from moorage.jupyter.magics.parser import Arguments, Reader
from moorage.jupyter.magics.saving import restore, save
from moorage.jupyter.magics.submit_line import submit
from moorage.jupyter.magics.undo import undo
from moorage.magic import quote

READERS: dict[str, Reader[Arguments]] = {
    "cluster": cluster_line.cluster,
    "scatter": arguments.scatter,
    "broadcast": arguments.broadcast,
    "pin": arguments.pin,
    "release": arguments.release,
    "gather": arguments.gather,
    "placement": arguments.placement,
    "memory": memory,
    "locality": locality,
    "why": why,
    "undo": undo,
    "save": save,
    "restore": restore,
    "submit": submit,
    "compute": collections_line.compute,
    "persist": collections_line.persist,
}

PATTERN = rf"(?:[\w\s,]*=)?\s*%{{1,2}}({'|'.join(READERS)})\s"
"""Matches the text before the cursor when the line of a magic of ours is being written."""

VALUES = {("memory", "--by"): ["worker", "name"], ("scatter", "--by"): ["cores", "workers", "memory", "blocks"]}
"""What may follow an option of a magic, where that is a few fixed words."""


@dataclass(frozen=True)
class Names:
    """Where names come from: each returns what there is now."""

    notebook: Callable[[], list[str]]
    placed: Callable[[], list[str]]
    workers: Callable[[], list[str]]


def complete(text: str, known: Names) -> list[str]:
    """Return what may stand at the end of `text`, a line of a magic up to the cursor."""
    found = re.match(PATTERN, text)
    if found is None:
        return []
    magic, rest = found[1], text[found.end() :]
    try:
        before = [word.text for word in words(rest)]
    except ArgumentError:  # inside a quote that is still open
        return []
    equals = ""
    if before and not rest[-1].isspace() and rest[-1] != ",":
        unfinished = before.pop()
        option, equals, _ = unfinished.partition("=")
        if equals and option.startswith("--"):
            before.append(option)
    return _candidates(magic, before, known, bool(equals))


def _candidates(magic: str, before: list[str], known: Names, after_equals: bool) -> list[str]:
    reader = READERS[magic]
    if reader.actions and not before:
        return [*reader.actions, *reader.parser.options]
    parser = reader.parser_of(before[0] if before else "")
    option = next((word for word in reversed(before) if word in parser.options), "")
    if (magic, option) in VALUES:
        return VALUES[magic, option]
    if option in ("--workers", "--remove"):
        found = known.workers()
    elif option == "--on":
        found = known.workers() if after_equals else known.notebook()
    elif option == "--near":
        found = known.placed()
    elif option == "--like":
        found = sorted({*known.notebook(), *known.placed()})
    elif option and option == before[-1] and option not in parser.switches:
        return []  # a number, a size, a new name
    else:
        found = _names(magic, before, known)
    taken = set(before)
    return [quote(name) for name in found if name not in taken and name.isprintable()] + parser.options


def _names(magic: str, before: list[str], known: Names) -> list[str]:
    match magic:
        case "scatter" | "compute" | "persist":
            return known.notebook()
        case "broadcast" | "pin":
            return sorted({*known.notebook(), *known.placed()})
        case "why":
            return sorted({*known.notebook(), *known.placed(), *known.workers()})
        case "release" | "gather" | "placement" | "save":
            return known.placed()
        case "cluster" if before[0] == "attach":
            return known.notebook()
    return []

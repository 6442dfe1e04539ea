"""How the line of a magic is written: a word of it, and the line that places a variable. Pure text.

How a line is read is ``jupyter/magics/line.py``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from moorage.errors import ArgumentError
from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers, Placement

_SAFE = re.compile(r"[A-Za-z0-9_/.:@][A-Za-z0-9_/.:@+-]*|[A-Za-z_]\w*\[[0-9:,-]+\]", re.ASCII)


def quote(text: str) -> str:
    """Write `text` so that it is read back as one word of a line.

    Raises ArgumentError if it holds a line break or another control character, which no line of a magic can.
    """
    if _SAFE.fullmatch(text):
        return text
    if not all(char.isprintable() for char in text):
        raise ArgumentError(
            f"{text!r} cannot be written in the line of a magic: it has unprintable characters.",
            "Use the Python method instead, such as cluster.pin('x', workers=[...]).",
        )
    return "'" + text.replace("'", "'\"'\"'") + "'"


def magic_for(names: Sequence[str], placement: Placement | None, *, force: bool = False) -> str:
    """Return the line that gives `names` that placement; None stands for release.

    Raises ArgumentError if no line says it, as for a name with a line break in it.
    """
    variables = " ".join(quote(name) for name in names)
    forced = " --force" if force else ""
    match placement:
        case None:
            return f"%release {variables}"
        case Everywhere():
            return f"%broadcast {variables}{forced}"
        case OnePerHost():
            return f"%broadcast {variables} --per-host{forced}"
        case Anywhere(copies=1):
            return f"%scatter {variables}{forced}"
        case Anywhere(copies=copies):
            return f"%scatter {variables} --copies {copies}{forced}"
        case OnWorkers(workers=workers, each=each, allow_other_workers=others):
            where = " ".join(quote(worker) for worker in workers)
            loose = " --allow-other-workers" if others else ""
            return f"%{'pin' if each else 'scatter'} {variables} --workers {where}{loose}{forced}"

"""The words of a magic's line: how it is split. How one is written is ``moorage/magic.py``.

Pure text. A word comes from the notebook only where it is wholly ``$name`` or ``{name}``; nothing is ever
evaluated. What the words mean is ``arguments.py``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, NamedTuple

from moorage.errors import ArgumentError
from moorage.kernel.parts.named import collection_of

# Prefix of a quoted word: it is text even when it begins with a dash; argparse must not take it
# for an option.
QUOTED = "\0"
_VARIABLE = re.compile(r"\$(\w+)|\{(\w+)\}")
_OPTION_WITH_VALUE = re.compile(r"(--[a-z][a-z-]*)=")


class Word(NamedTuple):
    """A word of a line: what it says, how it was written, and where."""

    text: str
    raw: str
    start: int


def words(line: str) -> list[Word]:
    """Split a line at spaces and commas, outside quotes and names such as ``x[0, 1]``.

    ``#`` begins a comment, a final ``;`` is dropped.

    Raises ArgumentError if a quote is not closed.
    """
    stream = StringIO(line)
    lexer = shlex.shlex(stream, posix=True)
    lexer.whitespace_split = True
    lexer.whitespace += ","
    found = []
    try:
        while True:
            begin = stream.tell()
            text = lexer.get_token()
            if text is None:
                break
            written = line[begin : stream.tell()]
            raw = written.strip(lexer.whitespace)
            found.append(Word(text, raw, begin + len(written) - len(written.lstrip(lexer.whitespace))))
    except ValueError as error:
        raise ArgumentError(
            f"This line cannot be read: {str(error).lower()}.",
            "Close each quote; a quote that is part of a name goes inside quotes of the other kind.",
        ) from None
    if found and found[-1].raw.endswith(";"):
        last = found.pop()
        if last.raw != ";":
            found.append(Word(last.text.removesuffix(";"), last.raw.removesuffix(";"), last.start))
    return _with_parts(found, line) if "[" in line else found


def _with_parts(found: Sequence[Word], line: str) -> list[Word]:
    """Put the names of parts together again that have commas in them."""
    whole: list[Word] = []
    while found:
        first, n = found[0], 1
        for several in range(2, len(found) + 1 if "[" in first.raw and "]" not in first.raw else 0):
            last = found[several - 1]
            raw = line[first.start : last.start + len(last.raw)]
            if collection_of("".join(raw.split())) is not None:
                first, n = Word("".join(raw.split()), raw, first.start), several
                break
        whole.append(first)
        found = found[n:]
    return whole


def split(line: str, namespace: Mapping[str, Any] | None = None) -> list[str]:
    """Split a line into arguments for a parser, with ``$name`` and ``{name}`` taken from `namespace`.

    A list, tuple or set of strings or numbers in the namespace stands for several arguments. Raises ArgumentError if
    the line cannot be split or refers to something that cannot stand in a line.
    """
    return [argument for word in words(line) for argument in _arguments(word, namespace or {})]


def _arguments(word: Word, namespace: Mapping[str, Any]) -> list[str]:
    if option := _OPTION_WITH_VALUE.match(word.raw):
        value = Word(word.text[option.end() :], word.raw[option.end() :], word.start + option.end())
        return [option[1], *(_arguments(value, namespace) if value.raw else [QUOTED])]
    if word.raw.startswith(("$", "{")):
        return _from_namespace(word.raw, namespace)
    return [QUOTED + word.text if word.raw.startswith(("'", '"', "\\")) else word.text]


def _from_namespace(raw: str, namespace: Mapping[str, Any]) -> list[str]:
    reference = _VARIABLE.fullmatch(raw)
    if reference is None:
        raise ArgumentError(
            f"{raw!r} is an expression; moorage's magics do not evaluate expressions.",
            "Assign it to a variable first and write $variable; or quote it if it is a name.",
        )
    name = reference[1] or reference[2]
    if name not in namespace:
        raise ArgumentError(
            f"{raw!r} refers to the variable {name!r}, which the notebook does not have.",
            "Define it first, or quote it if it is a name.",
        )
    value = namespace[name]
    values = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    if not all(isinstance(one, str | int | float) for one in values):
        raise ArgumentError(
            f"{raw!r} is a {type(value).__name__}.",
            "Only strings, numbers and lists of them can stand in the line of a magic.",
        )
    return [QUOTED + str(one) for one in values]

"""The lines that code was written on, in a notebook's cell or a file, to be sent along with it."""

from __future__ import annotations

import linecache
import types
from collections.abc import Iterator

LONGEST = 100_000
"""Characters. The lines of code that is longer stay here."""


def lines_of(code: types.CodeType) -> tuple[int, str]:
    """Return the number of the first line of `code` and its lines as text, which is empty if nobody has them."""
    lines = linecache.getlines(code.co_filename)
    if not lines:
        return 0, ""
    numbers = {code.co_firstlineno, *_numbers(code)}
    first, last = max(min(numbers), 1), max(numbers)
    text = "".join(lines[first - 1 : last])
    return (first, text) if len(text) <= LONGEST else (0, "")


def _numbers(code: types.CodeType) -> Iterator[int]:
    """Give the lines on which instructions of `code`, and of what is defined in it, begin and end."""
    for first, last, _, _ in code.co_positions():
        if first is not None:
            yield first
        if last is not None:
            yield last
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _numbers(constant)

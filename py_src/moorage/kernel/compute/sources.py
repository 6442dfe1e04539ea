"""What a code object consists of, and the lines it was written on, in a notebook's cell or a file: to be sent."""

from __future__ import annotations

import linecache
import types
from collections.abc import Iterator
from typing import Any

LONGEST = 100_000
"""Characters. The lines of code that is longer stay here."""


def arguments_of(code: types.CodeType) -> tuple[Any, ...]:
    """Return the arguments of `types.CodeType` that make `code`; the same bytes in each process, once pickled."""
    return (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_nlocals,
        code.co_stacksize,
        code.co_flags,
        code.co_code,
        code.co_consts,
        (*code.co_names,),
        (*code.co_varnames,),
        code.co_filename,
        code.co_name,
        code.co_qualname,
        code.co_firstlineno,
        code.co_linetable,
        code.co_exceptiontable,
        (*code.co_freevars,),
        (*code.co_cellvars,),
    )


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

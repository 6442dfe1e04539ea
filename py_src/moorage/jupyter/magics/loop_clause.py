"""The loop on the line of `%%submit`, read as Python reads the head of a ``for`` statement.

Pure: the clause is taken apart into source, and nothing of it runs here. As in Python it may go on in the next lines,
inside brackets or after a backslash, and end with a comment or a colon.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import NamedTuple

from moorage.errors import ArgumentError
from moorage.jupyter.magics.line import words

_BEGIN = re.compile(r"(?<!\S)(async\s+)?for(?=[\s(\[*\\])")
_LIKE_THIS = "Write: %%submit for i in range(200)"


class Loop(NamedTuple):
    """``for TARGET in ITERABLE``, as source."""

    target: str
    iterable: str


def split_loop(line: str) -> tuple[str, str]:
    """Return the options of a line, and its loop or nothing."""
    # The clause is Python, whose quotes are not the shell's: do not lex beyond its beginning.
    for found in _BEGIN.finditer(line):
        try:
            if "for" not in [word.text for word in words(f"{line[: found.start()]} for")[-1:]]:
                break  # inside a comment
        except ArgumentError:
            continue  # inside quotes
        return line[: found.start()], line[found.start() :]
    return line, ""


def read_loop(clause: str) -> Loop:
    """Take the head of a loop apart. Raises ArgumentError with Python's own reason, if it is none."""
    head = _without_comment(clause).rstrip().removesuffix("\\").rstrip()
    source = f"{head} pass" if head.endswith(":") else f"{head}: pass"
    shown = repr(clause.strip())
    try:
        [loop] = ast.parse(source).body
    except (SyntaxError, ValueError):
        if _is_comprehension(head):
            raise ArgumentError(
                f"{shown} is more than one plain loop.",
                "Put conditions and inner loops into the iterable, as in: for i in [i for i in items if i > 0]",
            ) from None
        raise ArgumentError(f"{shown} is not a loop: {_reason(head)}.", _LIKE_THIS) from None
    if isinstance(loop, ast.AsyncFor):
        raise ArgumentError(f"{shown} is an asynchronous loop.", "Make a list first: items = [i async for i in ...]")
    if not isinstance(loop, ast.For) or not isinstance(loop.body[0], ast.Pass) or loop.orelse:
        raise ArgumentError(f"{shown} is not a loop: {_reason(head)}.", _LIKE_THIS)
    try:
        compile(ast.Expression(loop.iter), "", "eval")
    except SyntaxError as error:
        raise ArgumentError(
            f"{shown} cannot be looped over here: {error.msg}.", "Make a list of the items in a cell before this one."
        ) from None
    target, iterable = (ast.get_source_segment(source, part) or "" for part in (loop.target, loop.iter))
    return Loop(target, iterable)


def goes_on(line: str) -> bool:
    """Whether the line, by Python's rules, has to go on: it ends within brackets, or with a backslash."""
    options, clause = split_loop(line)
    code = clause or options
    if _without_comment(code).rstrip(" \t").endswith("\\"):
        return True
    if not clause:
        return False
    try:
        list(tokenize.generate_tokens(io.StringIO(clause).readline))
    except tokenize.TokenError as error:
        return "EOF in multi-line" in str(error) or "triple-quoted" in str(error)
    except SyntaxError:
        return False
    return False


def _reason(head: str) -> str:
    """Return Python's complaint about the user's own source, not about what was added to it."""
    try:
        ast.parse(f"{head}\n: pass")
    except SyntaxError as error:
        return error.msg
    return "invalid syntax"


def _is_comprehension(head: str) -> bool:
    """Whether it goes on as a comprehension may, and a loop may not."""
    try:
        tree = ast.parse(f"[0 {head}\n]", mode="eval").body
    except SyntaxError:
        return False
    return isinstance(tree, ast.ListComp)


def _without_comment(clause: str) -> str:
    try:
        for token in tokenize.generate_tokens(io.StringIO(clause).readline):
            rest = token.line[token.end[1] :]
            if token.type == tokenize.COMMENT and not rest.strip() and _is_last_line(clause, token.end[0]):
                lines = clause.splitlines(keepends=True)
                return "".join(lines[: token.start[0] - 1]) + lines[token.start[0] - 1][: token.start[1]]
    except (tokenize.TokenError, SyntaxError):
        pass
    return clause


def _is_last_line(text: str, number: int) -> bool:
    return number >= len(text.rstrip().splitlines())

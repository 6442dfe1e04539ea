"""Names in texts that code has evaluated: ``df.query("a > @limit")``, ``eval("x + 1")``, ``sql("select * from df")``.

pandas, numexpr and SQL engines look for such names among the variables of whoever calls them. Not found: what is in a
text that is only put together when the code runs. Pure.
"""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Collection

_MARKED = re.compile(r"(?<![\w@.])@([A-Za-z_]\w*)")
_FRAMES = re.compile(r"\b(?:from|join)\s+([A-Za-z_]\w*)", re.IGNORECASE)


def names_in_texts(code: types.CodeType, reads: Collection[str]) -> list[str]:
    """Return the names in texts of `code`, if it calls what evaluates texts. `reads`: names that it reads as globals.

    By the names of methods, since nothing is known of the objects: pandas's ``query`` and ``eval`` have columns and
    ``@names``, numexpr's ``evaluate`` has names, ``sql`` has tables.
    """
    found: list[str] = []
    called = set(code.co_names)
    for text in code.co_consts:
        if isinstance(text, str):
            if called & {"query", "eval"}:
                found += _MARKED.findall(text)
            if "sql" in called:
                found += _FRAMES.findall(text)
            if "evaluate" in called or not {"eval", "exec"}.isdisjoint(reads):
                found += _in_python(text)
    return found


def _in_python(text: str) -> list[str]:
    try:
        return [node.id for node in ast.walk(ast.parse(text.strip())) if isinstance(node, ast.Name)]
    except (SyntaxError, ValueError, MemoryError, RecursionError):  # it is about something else
        return []

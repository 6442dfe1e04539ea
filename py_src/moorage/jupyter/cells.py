"""The body of a cell magic, run here in the notebook: what its last expression is worth.

Unlike ``shell.run_cell`` this leaves nothing behind: no entry in ``Out``, no ``_``, no display, so that the notebook
keeps no copy of the value. Errors are the user's own, shown with the cell's own line numbers.
"""

from __future__ import annotations

import ast
import asyncio
import concurrent.futures
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
import distributed
import tornado

import moorage
from moorage.errors import InputError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_MACHINERY = tuple(
    f"{Path(package.__file__ or '').parent}{os.sep}"
    for package in (moorage, distributed, dask, tornado, asyncio, concurrent.futures)
)


def run_for_value(shell: InteractiveShell, cell: str) -> Any:
    """Run `cell` in the notebook's namespace and return the value of its last expression.

    Raises
    ------
    InputError
        If the cell is no Python, or does not end with an expression. Nothing was run.
    Exception
        Whatever the cell raises.
    """
    # The line of the magic is line 1 of the cell as the user sees it.
    source = "\n" + shell.transform_cell(cell)
    filename = shell.compile.cache(source, shell.execution_count, raw_code=cell)
    try:
        tree = ast.parse(source, filename)
        last = tree.body[-1] if tree.body else None
        if not isinstance(last, ast.Expr):
            raise InputError(
                "The cell has no value: it does not end with an expression. It was not run.",
                "Let its last line be what shall be placed, such as the name of a variable.",
            )
        *body, last = shell.transform_ast(tree).body
        statements = compile(ast.Module(body, []), filename, "exec", shell.compile.flags)
        expression = compile(ast.Expression(last.value), filename, "eval", shell.compile.flags)
    except SyntaxError as error:
        raise not_python(shell, error) from None
    try:
        exec(statements, shell.user_ns)
        return eval(expression, shell.user_ns)
    except BaseException as error:
        show_from_users_code(shell, error)
        raise


def not_python(shell: InteractiveShell, error: SyntaxError) -> InputError:
    """Return the refusal of a cell that does not compile, shown with its line as in the notebook."""
    if "'await' outside" in error.msg or "outside async function" in error.msg:
        error.msg += " (a cell whose value is placed cannot wait: await in a cell before, or use %%submit)"
    refusal = InputError(f"The cell is no Python, and was not run: {error.msg}.", f"See its line {error.lineno}.")
    shown = shell.SyntaxTB.structured_traceback(type(error), error, None)
    refusal._render_traceback_ = lambda: [*shown, "The cell was not run."]  # type: ignore[attr-defined]
    return refusal


def show_from_users_code(shell: InteractiveShell, error: BaseException) -> None:
    """Have the notebook show the traceback of `error` from the user's own code on, without what called it."""
    if hasattr(error, "_render_traceback_") or isinstance(error, SyntaxError):
        return
    users = error.__traceback__
    while users is not None and _is_machinery(users.tb_frame.f_code.co_filename):
        users = users.tb_next
    if users is None:  # no code of the user is in it: all of it helps to find what is wrong
        return
    show = shell.InteractiveTB.structured_traceback
    with suppress(AttributeError, TypeError):  # not every exception takes an attribute
        error._render_traceback_ = lambda: show(type(error), error, users, tb_offset=0)  # type: ignore[attr-defined]


def _is_machinery(filename: str) -> bool:
    return filename.startswith(_MACHINERY)

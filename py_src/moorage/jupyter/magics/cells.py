"""The body of a cell magic, run here in the notebook: what its last expression is worth.

Unlike ``shell.run_cell`` this leaves nothing behind: no entry in ``Out``, no ``_``, no display, so that the notebook
keeps no copy of the value. Errors are the user's own, shown with the cell's own line numbers.
"""

from __future__ import annotations

import ast
import asyncio
import concurrent.futures
import inspect
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

import dask
import distributed
import tornado
from IPython.core.inputtransformer2 import TransformerManager

from moorage.errors import InputError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_MACHINERY = tuple(
    f"{folder}{os.sep}"
    for folder in (
        Path(__file__).parents[2],  # moorage
        *(Path(package.__file__ or "").parent for package in (distributed, dask, tornado, asyncio, concurrent.futures)),
    )
)


class ValueCell:
    """A cell that is run in the notebook's namespace for the value of its last expression.

    Raises InputError if the cell is not valid Python, or does not end with an expression although it `needs_value`;
    otherwise that is None. Nothing was run. `waits`: whether it awaits something at its top level: then `waited_for`
    runs it, else `value`.
    """

    def __init__(self, shell: InteractiveShell, cell: str, *, needs_value: bool = True) -> None:
        self._shell = shell
        # The line of the magic is line 1 of the cell as the user sees it.
        source = "\n" + shell.transform_cell(cell)
        filename = shell.compile.cache(source, shell.execution_count, raw_code=cell)
        flags = shell.compile.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        try:
            tree = ast.parse(source, filename)
            last = tree.body[-1] if tree.body else None
            if not isinstance(last, ast.Expr):
                if needs_value:
                    raise InputError(
                        "The cell has no value: it does not end with an expression. It was not run.",
                        "End it with what you want to place, such as the name of a variable.",
                    )
                tree.body.append(ast.Expr(ast.Constant(None), lineno=1, col_offset=0))
                ast.fix_missing_locations(tree)
            *body, last = shell.transform_ast(tree).body
            statements = compile(ast.Module(body, []), filename, "exec", flags)
            expression = compile(ast.Expression(last.value), filename, "eval", flags)
        except SyntaxError as error:
            raise not_python(shell, error) from None
        self._parts = (statements, expression)
        self.waits = any(map(_waits, self._parts))

    def value(self) -> Any:
        """Run the cell; whatever it raises is shown as the user's own."""
        with self._users_own():
            return [eval(part, self._shell.user_ns) for part in self._parts][-1]

    async def waited_for(self) -> Any:
        """Run the cell, as `value`, on the event loop of the notebook."""
        value = None
        with self._users_own():
            for part in self._parts:
                value = eval(part, self._shell.user_ns)
                if _waits(part):
                    value = await value
        return value

    @contextmanager
    def _users_own(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            show_from_users_code(self._shell, error)
            raise


def _waits(code: CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_COROUTINE)


_AWAITABLE = re.compile(r"get_ipython\(\)\.run_cell_magic\('(scatter|broadcast|pin|locality)', ")


def await_placing(lines: list[str]) -> list[str]:
    """Await a cell that places its value, or is measured, if its body does: for ``shell.input_transformers_post``.

    IPython gives a cell magic no way to wait, but awaits what a cell says is to be awaited.
    """
    source = "".join(lines)
    if not _AWAITABLE.match(source):
        return lines
    with suppress(SyntaxError, ValueError):  # IPython or the magic tells what is wrong
        call = ast.parse(source).body[0]
        assert isinstance(call, ast.Expr)
        assert isinstance(call.value, ast.Call)
        body = ast.literal_eval(call.value.args[2])
        plain = TransformerManager().transform_cell(body)
        if _waits(compile(plain, "", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)):
            return [f"await {source}"]
    return lines


def not_python(shell: InteractiveShell, error: SyntaxError) -> InputError:
    """Return the refusal of a cell that does not compile, shown with its line as in the notebook."""
    refusal = InputError(
        f"The cell is not valid Python, and was not run: {error.msg}.", f"See its line {error.lineno}."
    )
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

"""Compiles the body of a cell so that it can run on a worker, with the line numbers it has in the notebook.

The code runs as a module does, not as a function: names can be rebound freely, and every target and statement that a
cell may have works, top-level ``await`` included. What the code reads from the notebook is found out here; fetching
and sending it is done elsewhere.
"""

from __future__ import annotations

import ast
import dis
import re
import types
from dataclasses import dataclass

from moorage.errors import ArgumentError
from moorage.pickling.functions import global_names
from moorage.worker.unpickling.cell import ITEM, VALUE

_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_STORES = ("STORE_NAME", "STORE_GLOBAL")
_OF_IPYTHON = re.compile(r"(^|=\s*)[%!]|\?$")  # what its own cells may have
_REASONS = {
    "return": "a cell is not a function: the value of its last expression is its result",
    "yield": "a cell is not a generator: loop over the items with `%%submit for ... in ...`",
    "nonlocal": "a cell has no enclosing function",
}


@dataclass(frozen=True, slots=True)
class CompiledCell:
    """A body that can run on a worker."""

    code: types.CodeType
    reads: tuple[str, ...]  # names whose values it needs from the notebook, built-in functions among them
    binds: frozenset[str]  # names that it assigns at top level
    has_value: bool  # it ends with an expression


def compile_cell(source: str, filename: str = "<cell>", *, first_line: int = 1, target: str = "") -> CompiledCell:
    """Compile the body of a cell.

    `filename`: what tracebacks name; where the notebook keeps the cell's source (IPython's compile cache).
    `first_line`: line of the cell on which the body begins: 2 below a cell magic. `target`: of ``for TARGET in ...``:
    whatever Python allows there. Raises SyntaxError with file, line and column as in the notebook, and the reason if
    the statement is one that a cell of this kind cannot have. Raises ArgumentError if the target cannot be assigned to.
    """
    padded = "\n" * (first_line - 1) + source
    try:
        tree = ast.parse(padded, filename)
    except SyntaxError as error:
        raise _explained(error, padded) from None
    body = [*_assignment(target), *tree.body]
    has_value = bool(tree.body) and isinstance(tree.body[-1], ast.Expr)
    if has_value:
        last = body[-1]
        assert isinstance(last, ast.Expr)
        value = ast.Assign([ast.Name(VALUE, ast.Store())], last.value)
        body[-1] = ast.fix_missing_locations(ast.copy_location(value, last))
    try:
        code = _compile(body, filename)
        reads, binds = _names(code, body)
    except SyntaxError as error:
        raise _explained(error, padded) from None
    return CompiledCell(code, reads, binds, has_value)


def _compile(body: list[ast.stmt], filename: str) -> types.CodeType:
    code = compile(ast.Module(body, []), filename, "exec", flags=_FLAGS, dont_inherit=True)
    assert isinstance(code, types.CodeType)
    return code


def _assignment(target: str) -> list[ast.stmt]:
    """Return the statement that gives `target` the element, on line 1, where the magic is."""
    if not target:
        return []
    try:
        made = ast.parse(f"{target} = {ITEM}").body
        if len(made) == 1 and isinstance(made[0], ast.Assign) and len(made[0].targets) == 1:
            return [*made]
    except SyntaxError:
        pass
    raise ArgumentError(f"{target!r} cannot be the variable of a loop.", "Write: %%submit for i in range(200)")


def _names(code: types.CodeType, body: list[ast.stmt]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the names that `body` reads before it has surely bound them, and those it binds at top level."""
    reads: dict[str, None] = {}
    _follow(body, set(), reads)
    binds = {step.argval for step in dis.get_instructions(code) if step.opname in _STORES}
    reads.update(dict.fromkeys(name for name in global_names(code) if name not in binds))  # texts of other statements
    for private in (ITEM, VALUE):
        reads.pop(private, None)
        binds.discard(private)
    return tuple(reads), frozenset(binds)


def _follow(body: list[ast.stmt], sure: set[str], reads: dict[str, None]) -> None:
    """Add to `reads` what `body` reads and `sure` does not have; add to `sure` what has a value afterwards."""

    def read(*parts: ast.stmt | ast.expr) -> set[str]:
        statements = [ast.Expr(part) if isinstance(part, ast.expr) else part for part in parts]
        loop = ast.For(ast.Name(ITEM, ast.Store()), ast.Tuple([], ast.Load()), statements, [])  # allows `break`
        code = _compile([ast.fix_missing_locations(loop)], "")
        reads.update(dict.fromkeys(name for name in global_names(code) if name not in sure))
        return {step.argval for step in dis.get_instructions(code) if step.opname in _STORES}

    def bind(target: ast.expr) -> set[str]:
        return read(ast.Assign([target], ast.Constant(None)))

    for statement in body:
        match statement:
            case ast.For() | ast.AsyncFor():
                read(statement.iter)
                _follow(statement.body, sure | bind(statement.target), reads)
                _follow(statement.orelse, set(sure), reads)
            case ast.With() | ast.AsyncWith():
                for item in statement.items:
                    sure |= read(item.context_expr)
                    sure |= bind(item.optional_vars) if item.optional_vars is not None else set()
                _follow(statement.body, sure, reads)
            case ast.If():
                sure |= read(statement.test)
                then, other = set(sure), set(sure)
                _follow(statement.body, then, reads)
                _follow(statement.orelse, other, reads)
                sure |= then & other
            case ast.While():
                sure |= read(statement.test)
                _follow(statement.body, set(sure), reads)
                _follow(statement.orelse, set(sure), reads)
            case ast.Try() | ast.TryStar():
                tried = set(sure)
                _follow(statement.body, tried, reads)
                for handler in statement.handlers:
                    if handler.type is not None:
                        read(handler.type)
                    _follow(handler.body, sure | ({handler.name} if handler.name else set()), reads)
                _follow(statement.orelse, tried, reads)
                _follow(statement.finalbody, set(sure), reads)
            case ast.Match():
                read(statement)
            case _:
                sure |= read(statement)


def _explained(error: SyntaxError, source: str) -> SyntaxError:
    """Return `error` with a reason, for what Python allows elsewhere or IPython in other cells."""
    lines = source.splitlines()
    line = lines[error.lineno - 1].strip() if error.lineno and error.lineno <= len(lines) else ""
    if _OF_IPYTHON.search(line):
        reason = "magics and shell commands are of the notebook and cannot run on a worker"
    else:
        reason = next((why for word, why in _REASONS.items() if word in (error.msg or "").lower()), "")
    if reason:
        error.msg = f"{error.msg} ({reason})"
    if error.text is None and line:
        error.text = lines[(error.lineno or 1) - 1]
    return SyntaxError(
        error.msg, (error.filename, error.lineno, error.offset, error.text, error.end_lineno, error.end_offset)
    )

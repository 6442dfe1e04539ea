"""How code objects are pickled: as what they are, names of their files included. Runs on workers, shipped by value.

cloudpickle 3.1.3 writes ``<dynamic-code>`` for the name of every file, so that no traceback would find its lines.
"""

from __future__ import annotations

import types
from typing import Any


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


def reduce_code(code: types.CodeType) -> tuple[type[types.CodeType], tuple[Any, ...]]:
    """Return what pickle writes of `code`; any Python of this version makes it again."""
    return types.CodeType, arguments_of(code)

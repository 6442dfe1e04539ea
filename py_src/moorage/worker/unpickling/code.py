"""Makes code on a worker, as ``pickling/code_pickler.py`` has pickled it: with its own file name and its lines.

A cell has no file, and the file of a script may be on another machine, so the lines of code go into `linecache`, where
tracebacks look for them, as IPython puts those of cells there in the notebook. Runs on workers, shipped by value.
"""

from __future__ import annotations

import builtins
import functools
import linecache
import threading
import types
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import cloudpickle

from moorage.images.code import reduce_code
from moorage.worker.unpickling.cell import Cell

MOST = 1000
"""Files whose lines are kept; those of the longest unused are forgotten."""

_UNKNOWN = "...\n"  # stands for a line that was not sent; ends the block before it, as `inspect` sees it


class Sources:
    """The lines of code that notebooks have sent here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # by file, the latest used last: number of the first line, text, as they came last
        self._files: OrderedDict[str, tuple[int, str]] = OrderedDict()

    def code(self, arguments: tuple[Any, ...], first: int, text: str) -> types.CodeType:
        """Make a code object, and keep its lines.

        `arguments`: of `types.CodeType`. `first`: number of its first line in its file. `text`: its lines; empty if
        nobody has them.
        """
        code = types.CodeType(*arguments)
        if text:
            self.keep(code.co_filename, first, text)
        return code

    def keep(self, filename: str, first: int, text: str) -> None:
        """Let `linecache` have `text` as the lines of `filename` from number `first` on."""
        if self._files.get(filename) == (first, text) and filename in linecache.cache:
            return  # most often it is the same code again
        new = [f"{line}\n" for line in text.removesuffix("\n").split("\n")]
        with self._lock:
            known = linecache.getlines(filename)
            if known[first - 1 : first - 1 + len(new)] != new:
                lines = known + [_UNKNOWN] * (first - 1 - len(known))
                lines[first - 1 : first - 1 + len(new)] = new
                # None as the time of its last change: there is no file to look at again.
                linecache.cache[filename] = (sum(map(len, lines)), None, lines, filename)
            elif filename not in self._files:
                return  # a file of this machine
            self._files[filename] = first, text
            self._files.move_to_end(filename)
            while len(self._files) > MOST:
                linecache.cache.pop(self._files.popitem(last=False)[0], None)


def keep_file_names() -> Callable[[], None]:
    """Let cloudpickle keep names of files in this process, in the results of tasks; return what undoes it."""
    table = cloudpickle.Pickler.dispatch_table
    before = table[types.CodeType]
    table[types.CodeType] = reduce_code

    def undo() -> None:
        if table[types.CodeType] is reduce_code:
            table[types.CodeType] = before

    return undo


def cached(function: Callable[..., Any], parameters: dict[str, Any], attributes: dict[str, Any]) -> Any:
    """Return `function` behind a `functools.lru_cache` of its own, which is empty."""
    wrapper = functools.lru_cache(**parameters)(function)
    for name, value in attributes.items():
        setattr(wrapper, name, value)
    return wrapper


def cached_property(function: Callable[[Any], Any], name: str | None) -> functools.cached_property[Any]:
    """Return a `functools.cached_property`, under the name it has in its class."""
    made = functools.cached_property(function)
    made.attrname = name
    return made


def ours() -> dict[str, Any]:
    """Return what payloads refer to by name; once for a process."""
    return {
        "Cell": Cell,
        "builtins": vars(builtins),
        "code": Sources().code,
        "cached": cached,
        "cached_property": cached_property,
    }

"""Pickles code of the notebook: functions, classes and what they read, with file names and source lines.

cloudpickle does most of it. What it leaves out is added here for every function that is met, however deep it lies in
containers, classes and decorators:

- file name and lines of code, for tracebacks: cloudpickle 3.1.3 writes ``<dynamic-code>`` for every file,
- placed variables that a function reads as globals and that the notebook does not have,
- globals, and parts of packages, that only code within it reads, such as the body of a nested class,
- that functions share a variable of the function around them, which `nonlocal` sets,
- functions behind `functools.lru_cache`, and `functools.cached_property`, which has a lock in Python 3.11.

It also notes what code takes along, by name. References to placed values are the business of ``tasks/references.py``.
"""

from __future__ import annotations

import functools
import pickle
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import cloudpickle

from moorage.images.code import arguments_of
from moorage.pickling.functions import (
    argument_names,
    captures,
    global_names,
    imported_names,
    is_importable,
    submodules,
)
from moorage.pickling.sources import lines_of
from moorage.worker.unpickling.code import Sources, cached, cached_property

OURS: dict[Any, str] = {Sources.code: "code", cached: "cached", cached_property: "cached_property"}
"""What makes code again on a worker, and the name under which a payload refers to it."""

_CACHED = type(functools.cache(lambda: None))
_CODE = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType, type, _CACHED)


class Capture(NamedTuple):
    """A value that code takes along."""

    name: str  # what the code calls it
    value: Any
    own: bool = False  # it is the notebook's variable of that name


class Extended(dict[str, Any]):
    """A namespace as it was, and placed variables that it does not have: the globals of what is evaluated in it."""


@dataclass
class Notebook:
    """The namespace that functions of the notebook, or of a script, have as their globals.

    Functions of other modules have others, also if a module calls itself ``__main__``, as one does that is run by
    ``%run``.
    """

    namespace: dict[str, Any] = field(default_factory=dict)
    # returns what stands for a name that `namespace` does not have; raises KeyError if nothing does
    placed: Callable[[str], Any] = dict[str, Any]().__getitem__
    # the namespace of the script that runs the notebook's shell, if there is one
    script: dict[str, Any] = field(default_factory=dict)

    def owns(self, name: str, value: Any) -> bool:
        """Whether `value` is what the notebook calls `name`."""
        return any(name in known and known[name] is value for known in (self.namespace, self.script))

    def missing(self, function: types.FunctionType) -> Iterator[tuple[str, Any]]:
        """Give what `function` reads as globals, does not find, and is placed."""
        known = function.__globals__
        if known is self.namespace or known is self.script or isinstance(known, Extended):
            for name in global_names(function.__code__):
                if name not in known:
                    try:
                        yield name, self.placed(name)
                    except KeyError:  # built in; or Python says so where it is read, if it is
                        continue


class CodePickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped
    """Pickles code of the notebook; a subclass makes references to what is in `OURS`.

    `captured`: takes what is met as globals, closures and defaults of functions and as attributes of classes.
    `buffer_callback`: as of `pickle.Pickler`.
    """

    def __init__(
        self,
        file: Any,
        notebook: Notebook,
        captured: list[Capture] | None = None,
        buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None,
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self._notebook = notebook
        self._captured = captured
        self.imports: set[str] = set()
        """Names of modules in the import statements of code that was met."""
        self.classes: set[type] = set()
        """Those that were met and go by value."""
        self._covered: set[int] = set()  # code within code whose lines are sent

    def reducer_override(self, obj: Any) -> Any:
        """Called by pickle for all but the simplest objects."""
        special = _SPECIAL.get(type(obj))
        if special is not None:
            return special(self, obj)
        reduced = super().reducer_override(obj)
        if reduced is not NotImplemented and isinstance(obj, type):
            self.classes.add(obj)
            data = [name for name, value in vars(obj).items() if not hasattr(type(value), "__get__")]
            self._note({f"{obj.__name__}.{name}": vars(obj)[name] for name in data if not name.startswith("__")})
        return reduced

    def _code(self, code: types.CodeType) -> Any:
        self.imports |= imported_names(code)
        first, text = (0, "") if id(code) in self._covered else lines_of(code)
        if text:
            self._covered.update(map(id, _within(code)))
        return Sources.code, (arguments_of(code), first, text)

    def _function(self, function: types.FunctionType) -> Any:
        reduced = super().reducer_override(function)
        if reduced is NotImplemented:  # it goes by name
            return reduced
        taken = captures(function)
        self._note(taken, function.__globals__)
        if function.__closure__:  # the very cells: cloudpickle would give each function cells of its own
            reduced[2][1]["__closure__"] = None
            make, (code, base, *_), *rest = reduced
            reduced = make, (code, base, None, None, function.__closure__), *rest
        sent: dict[str, Any] = reduced[2][1]["__globals__"]
        known = function.__globals__
        sent.update({name: known[name] for name in global_names(function.__code__) if name in known})
        sent.update(self._notebook.missing(function))
        reduced[2][1]["_cloudpickle_submodules"] = submodules(function.__code__, taken.values())
        return reduced

    def _cell(self, cell: types.CellType) -> Any:
        try:
            return types.CellType, (), (None, {"cell_contents": cell.cell_contents})  # set later: it may lead back here
        except ValueError:  # not bound yet
            return types.CellType, ()

    def _cached(self, wrapper: Any) -> Any:
        if is_importable(wrapper):
            return NotImplemented
        made_anew = {"cache_parameters", *functools.WRAPPER_ASSIGNMENTS, "__wrapped__"}
        attributes = {name: value for name, value in vars(wrapper).items() if name not in made_anew}
        return cached, (wrapper.__wrapped__, wrapper.cache_parameters(), attributes)

    def _cached_property(self, found: Any) -> Any:
        return cached_property, (found.func, found.attrname)

    def _weak_keys(self, found: weakref.WeakKeyDictionary[Any, Any]) -> Any:  # functools.singledispatch has one
        return type(found), (dict(found),)

    def _method(self, method: types.MethodType) -> Any:
        if self._captured is not None:
            self._note({f"the {type(method.__self__).__name__} of {method.__name__}": method.__self__})
        return NotImplemented

    def _partial(self, partial: functools.partial[Any]) -> Any:
        if self._captured is not None:
            self._note(argument_names(partial.func, partial.args) | partial.keywords)
        return NotImplemented

    def _note(self, values: Mapping[str, Any], known: Mapping[str, Any] | None = None) -> None:
        if self._captured is None:
            return
        for name, value in values.items():
            if not is_code(value):
                own = known is not None and name in known and known[name] is value and self._notebook.owns(name, value)
                self._captured.append(Capture(name, value, own))


_SPECIAL: dict[type, Callable[[CodePickler, Any], Any]] = {
    types.CellType: CodePickler._cell,
    types.CodeType: CodePickler._code,
    types.FunctionType: CodePickler._function,
    types.MethodType: CodePickler._method,
    functools.partial: CodePickler._partial,
    functools.cached_property: CodePickler._cached_property,
    _CACHED: CodePickler._cached,
    weakref.WeakKeyDictionary: CodePickler._weak_keys,
}


def is_code(value: Any) -> bool:
    """Whether `value` is code, which takes values along but is none that could be placed."""
    return isinstance(value, _CODE)


def _within(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _within(constant)

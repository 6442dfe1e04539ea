"""Pickles code and data of the notebook for a worker, with references in the place of what is on the cluster already.

A reference stands for a placed value, for an array that lies inside one, or for a Dask future, wherever it is met: in a
global or closure of a function, a default, an attribute, a container. ``worker/unpickling/references.py`` resolves
them. The keys that are referred to become dependencies of the task, so Dask brings them to the worker.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import pickle
import types
from collections.abc import Sequence
from typing import Any, NamedTuple

from distributed import Client, Future

from moorage.errors import InputError
from moorage.kernel.values.value_registry import Part, ValueRegistry
from moorage.pickling.code_pickler import OURS, Capture, CodePickler, Notebook
from moorage.pickling.functions import argument_names, is_importable
from moorage.pickling.unpicklable import unpicklable
from moorage.worker.holdings import ATOMS
from moorage.worker.unpickling.cell import Cell

_PLAIN = (int, float, complex, str, bytes, bool, type(None), dict, list, tuple, set, frozenset)
_BUILTIN = frozenset((*_PLAIN, types.CodeType, types.BuiltinFunctionType))
_BUILTIN_NAMES = vars(builtins)  # in the globals of each module: what `runpy` and `exec` leave
_OURS = {Cell: "Cell"} | OURS


class Payload(NamedTuple):
    """Something pickled with references."""

    data: bytes
    keys: tuple[Any, ...]  # Dask keys it refers to; a reference names them by their position
    # of those keys, the ones that were met as futures: they must be kept until the task is known to the scheduler
    futures: dict[Any, Future[Any]]
    left_out: int = 0  # bytes that are not in `data`. It cannot be loaded then.
    imports: frozenset[str] = frozenset()  # names of modules that its code imports, or that they may be
    classes: frozenset[type] = frozenset()  # those that it brings along

    @property
    def nbytes(self) -> int:
        """Bytes, with what is left out."""
        return len(self.data) + self.left_out


class Reference(NamedTuple):
    """A placed value, or a part of one, as it is written into a payload."""

    key: Any
    part: Part | None


def resolve(obj: Any, origins: ValueRegistry) -> Reference | None:
    """Return the reference that can stand for `obj`, or None if it is not placed."""
    key = origins.lookup(obj)
    if key is not None:
        return Reference(key, None)
    part = origins.find(obj)
    return Reference(part.key, part) if part is not None else None


def dumps(
    obj: Any,
    origins: ValueRegistry,
    *,
    client: Client | None = None,
    notebook: Notebook | None = None,
    name: str = "",
    captured: list[Capture] | None = None,
    longest: int | None = None,
) -> Payload:
    """Pickle `obj` with references.

    Raises UnpicklableError if something in it cannot be pickled. Names the path to it. Raises InputError if it contains
    a future of another client.

    Parameters
    ----------
    obj : object
        A value, a callable, or a call as a tuple (function, args, kwargs).
    origins : ValueRegistry
        What is placed.
    client : Client, optional
        Futures must belong to it.
    notebook : Notebook, optional
        Functions of the notebook have it as their globals. If `obj` is a `Cell` or a call of one, they get the
        namespace of the cell instead.
    name : str, optional
        What the notebook calls `obj`, for the error.
    captured : list, optional
        Takes what functions and classes take along.
    longest : int, optional
        Bytes. Leave buffers out that are longer, since something in the payload has to be placed first.
    """
    file = io.BytesIO()
    notebook = notebook or Notebook()
    leave_out = _LeaveOut(longest) if longest is not None else None
    pickler = _Pickler(file, origins, client, notebook, captured, leave_out)
    cell = obj[0] if _is_call(obj) else obj
    if isinstance(cell, Cell):
        pickler.globals_ref[id(notebook.namespace)] = cell.namespace
    try:
        pickler.dump(obj)
    except InputError as error:
        raise error.with_traceback(None)  # noqa: B904  # no code of the user has raised it
    except Exception as error:
        raise unpicklable(_parts(obj, name), error) from error
    left_out = leave_out.nbytes if leave_out else 0
    imports, classes = frozenset(pickler.imports), frozenset(pickler.classes)
    return Payload(file.getvalue(), tuple(pickler.positions), pickler.futures, left_out, imports, classes)


class _LeaveOut:
    """Counts buffers that are longer than `longest`, and keeps them out of the pickle."""

    def __init__(self, longest: int) -> None:
        self.nbytes = 0
        self._longest = longest

    def __call__(self, buffer: pickle.PickleBuffer) -> bool:
        nbytes = memoryview(buffer).nbytes
        if nbytes <= self._longest:
            return True
        self.nbytes += nbytes
        return False


def _is_call(obj: Any) -> bool:
    """Tell a call from any other tuple: a value that code takes along may be one, too."""
    match obj:
        case (function, tuple(), dict()):
            return callable(function) or isinstance(function, Cell)
    return False


def dumps_items(
    items: Sequence[Any], origins: ValueRegistry, *, client: Client | None = None, notebook: Notebook | None = None
) -> tuple[Payload, bool]:
    """Pickle the items of a batch so that none of them can see what another one does.

    Raises UnpicklableError or InputError.

    Returns
    -------
    Payload
    bool
        Whether each is pickled by itself: the payload is a list of bytes then. Those that nobody can change are not.
    """
    if isinstance(items, range) or ATOMS.issuperset(map(type, items)):
        return dumps(items, origins, client=client, notebook=notebook, name="item"), False
    file = io.BytesIO()
    pickler = _Pickler(file, origins, client, notebook or Notebook())
    packed = []
    for item in items:
        pickler.forget()
        try:
            pickler.dump(item)
        except InputError as error:
            raise error.with_traceback(None)  # noqa: B904
        except Exception as error:
            raise unpicklable({"item": item}, error) from error
        packed.append(file.getvalue())
        file.seek(0)
        file.truncate()
    positions, classes = tuple(pickler.positions), frozenset(pickler.classes)
    return Payload(pickle.dumps(packed, protocol=5), positions, pickler.futures, classes=classes), True


def _parts(obj: Any, name: str) -> dict[str, Any]:
    """Return what `obj` consists of by the names that the notebook has for it."""
    if not _is_call(obj):
        return obj.namespace if isinstance(obj, Cell) else {name: obj}
    function, args, kwargs = obj
    named: dict[str, Any] = _parts(function, name) | argument_names(function, args) | kwargs
    return named


class _Pickler(CodePickler):
    def __init__(
        self,
        file: io.BytesIO,
        origins: ValueRegistry,
        client: Client | None,
        notebook: Notebook,
        captured: list[Capture] | None = None,
        leave_out: _LeaveOut | None = None,
    ) -> None:
        super().__init__(file, notebook, captured, leave_out)
        self.origins = origins
        self.may_be_placed = origins.may_be_placed
        self.client = client
        self.positions: dict[Any, int] = {}
        self.futures: dict[Any, Future[Any]] = {}

    def forget(self) -> None:
        """Start over: what comes next is loaded by itself."""
        self.clear_memo()
        self.globals_ref.clear()
        self._covered.clear()

    def persistent_id(self, obj: Any) -> Any:
        kind = type(obj)
        if kind in _BUILTIN and not self.may_be_placed(obj):  # most objects, and quick
            return ("ours", "builtins") if obj is _BUILTIN_NAMES else None
        found = resolve(obj, self.origins)
        if found is not None and not (found.part is None and self.origins.has_code(found.key)):
            return self._reference(obj, found)
        if found is not None:  # with its code as it is now, next to where it is placed, with references to its parts
            self._position(found.key)
            return None
        if isinstance(obj, Future):
            return self._future(obj)
        if kind is type or kind is types.FunctionType:
            ours = _OURS.get(obj)
            return ("ours", ours) if ours else None
        if isinstance(obj, Client):
            return ("client",)
        if isinstance(obj, types.FunctionType | types.ModuleType | type):
            return None
        stands_for = getattr(kind, "__moorage_value__", None)
        if stands_for is not None:
            return "same", stands_for(obj)
        return None

    def _reference(self, obj: Any, reference: Reference) -> Any:
        index = self._position(reference.key)
        part = reference.part
        if part is None:
            kind = type(obj)
            return ("whole", index) if is_importable(kind) else ("whole", index, kind)
        where = (index, part.digest, part.number, part.content, part.offset)
        if isinstance(obj, pickle.PickleBuffer):
            return "bytes", *where, obj.raw().nbytes
        return "array", *where, obj.dtype, obj.shape, obj.strides

    def _future(self, future: Future[Any]) -> Any:
        if self.client is not None and future.client is not None and future.client.id != self.client.id:
            raise InputError(
                f"The future {future.key!r} belongs to a different client from this cluster's.",
                "Gather it with its own client, or create it through this cluster's `.client`.",
            )
        self.futures[future.key] = future
        if self.origins.has_code(future.key):
            with contextlib.suppress(KeyError):  # the notebook has no value any more
                return "same", self.origins.value(future.key)
        return "whole", self._position(future.key)

    def _position(self, key: Any) -> int:
        return self.positions.setdefault(key, len(self.positions))

"""Runs functions and cells on a cluster, next to what is placed there: one task, or one item per element.

`Submitter` is what the cluster controller and the magics call. Here a call is read, checked and made into a task; the
capture is `capture.prepare`, the many items of a map are `mapping.Mapping`.
"""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import xxhash
from distributed import Future

from moorage.errors import InputError, UnknownVariableError, UnknownWorkerError
from moorage.kernel.backend import Backend
from moorage.kernel.capture import Stale, prepare
from moorage.kernel.cells import compile_cell
from moorage.kernel.functions import global_names
from moorage.kernel.refs import Payload
from moorage.kernel.runtime import Report, WorkerRuntime
from moorage.model import OnWorkers
from moorage.worker.cell import Cell


@dataclass(frozen=True, slots=True)
class Options:
    """How tasks run. Names and meanings are those of `distributed.Client.submit` where it has them.

    Attributes
    ----------
    workers : tuple of str
        Names, hosts, ``host:port`` or addresses. Empty: wherever it is best.
    allow_other_workers : bool
        Prefer `workers`, or the holders of `near`, but use others when those are busy.
    near : str
        Run on the workers that hold this variable.
    retries : int
        How often an item, or the task, is tried again after it raised.
    priority : int
    resources : mapping of str to float
    limits : mapping of str to int
        Per name, how many items may run at once on the whole cluster: a `distributed.Semaphore` around each.
    rerun : bool
        Run again what ran on a worker that was lost.
    auto : bool
        Place large captured values rather than refuse them.
    stale : {"refresh", "error"}
        What to do about placed values that have changed.
    on_report : callable, optional
        Takes what tasks print and display, as it arrives: see `Report`. Called on the client's event loop.
    """

    workers: tuple[str, ...] = ()
    allow_other_workers: bool = False
    near: str = ""
    retries: int = 0
    priority: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    rerun: bool = True
    auto: bool = True
    stale: Stale = "refresh"
    on_report: Callable[[Report], None] | None = None

    def __post_init__(self) -> None:
        for name, leases in self.limits.items():
            if leases < 1:
                raise InputError(f"A limit of {leases} for {name} would let nothing run.", f"Write: {name}=1, or more.")
        if self.retries < 0:
            raise InputError(
                f"retries={self.retries}: it cannot be tried a negative number of times.", "Write 0 or more."
            )


class Submitter:
    """Runs code on one cluster.

    Parameters
    ----------
    backend : Backend
        The cluster.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.runtime = WorkerRuntime(backend.client)

    def submit(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        options: Options | None = None,
        *,
        key: Any = None,
        pure: bool = True,
    ) -> Future[Any]:
        """Run ``function(*args, **kwargs)`` as one task and return its future.

        Parameters
        ----------
        function : callable
        args, kwargs
        options : Options, optional
        key : str or tuple, optional
            Dask key of the task.
        pure : bool
            The same call, made again while its future is alive, is the same task.

        Raises
        ------
        InputError, StaleError, LostError
            Nothing was run.
        """
        call = (function, args, dict(kwargs or {}))
        name = getattr(function, "__name__", None) or type(function).__name__
        return self._task(call, name, options or Options(), key=key, pure=pure)

    def cell(
        self,
        source: str,
        namespace: dict[str, Any],
        options: Options | None = None,
        *,
        filename: str = "<cell>",
        first_line: int = 1,
        names: tuple[str, ...] = (),
    ) -> Future[Any]:
        """Run the body of a cell as one task and return the future of its value.

        Parameters
        ----------
        source : str
            The body, below the line of the magic.
        namespace : dict
            The notebook's variables; only those that the body needs are taken along.
        options : Options, optional
        filename, first_line
            For tracebacks; see `compile_cell`.
        names : tuple of str
            The variables that shall get the result. If the body does not end with an expression, their values as
            it leaves them are the result; of several, the result is a tuple.

        Raises
        ------
        SyntaxError
            As the notebook shows it, at the right line.
        InputError, StaleError, LostError
            Nothing was run.
        """
        cell, absent = self.compile(source, namespace, filename=filename, first_line=first_line, names=names)
        captured = {"globals_": namespace, "absent": absent}
        return self._task((cell, (), {}), "cell", options or Options(), pure=False, captured=captured)

    def compile(
        self,
        source: str,
        namespace: dict[str, Any],
        *,
        filename: str = "<cell>",
        first_line: int = 1,
        target: str = "",
        names: tuple[str, ...] = (),
    ) -> tuple[Cell, dict[str, Any]]:
        """Return the body with what it captures of the notebook, and what it reads that only the cluster has."""
        compiled = compile_cell(source, filename, first_line=first_line, target=target)
        captured = {name: namespace[name] for name in compiled.reads if name in namespace}
        return Cell(compiled.code, captured, names), self._absent(compiled.reads, namespace)

    def evaluate(self, source: str, namespace: dict[str, Any], filename: str = "<cell>") -> Any:
        """Return the value of an expression of the notebook, in which placed variables may be named too.

        Raises
        ------
        SyntaxError, and whatever the expression raises.
        """
        code = compile(source.strip(), filename, "eval", dont_inherit=True)
        return eval(code, namespace | self._absent(global_names(code), namespace))

    def _absent(self, names: Iterable[str], namespace: dict[str, Any]) -> dict[str, Any]:
        """Return the placed variables among `names` that the notebook does not have, as futures."""
        found = {}
        for name in names:
            if name not in namespace and not hasattr(builtins, name):
                try:
                    found[name] = self.backend.by_name(name)
                except KeyError:  # Python says so where it is read, if it is
                    continue
        return found

    def close(self) -> None:
        """Take the worker side off the cluster."""
        self.runtime.uninstall()

    def _task(
        self,
        call: tuple[Any, tuple[Any, ...], dict[str, Any]],
        name: str,
        options: Options,
        *,
        key: Any = None,
        pure: bool,
        captured: Mapping[str, Any] | None = None,
    ) -> Future[Any]:
        self.runtime.install()
        payload = prepare(call, self.backend, auto=options.auto, stale=options.stale, **(captured or {}))
        if key is None:
            key = f"{name}-{digest(payload) if pure else uuid.uuid4().hex}"
        client = self.backend.client
        if pure and key in client.futures:
            return Future(key, client)
        chosen = where(self.backend, options, payload.keys)
        run = uuid.uuid4().hex
        wire = {"run": run, "topic": self.runtime.topic, "key": key, "limits": dict(options.limits)}
        wire["once"] = not options.rerun
        future: Future[Any] = client.get(
            {key: self.runtime.task(key, "call", payload.data, wire, depends=payload.keys)},
            key,
            sync=False,
            workers=chosen.addresses or None,
            allow_other_workers=chosen.soft or None,
            retries=options.retries or None,
            priority=options.priority,
            resources=dict(options.resources) or None,
        )
        if options.on_report is not None:
            # Kept by the future: reports are of no use without it.
            future._moorage_listener = self.runtime.listen(run, options.on_report)  # type: ignore[attr-defined]
        return future


@dataclass(frozen=True, slots=True)
class Where:
    """On which workers tasks may run.

    Attributes
    ----------
    addresses : list of str
        Empty: any.
    soft : bool
        Others may be used too.
    """

    addresses: list[str]
    soft: bool = False


def where(backend: Backend, options: Options, keys: Iterable[Any]) -> Where:
    """Return where tasks that use `keys` may run: as asked for, else as the pins of those keys demand.

    Raises
    ------
    UnknownWorkerError, UnknownVariableError
        Names those that there are.
    """
    workers = backend.workers()
    if options.workers:
        addresses = [
            w.address for w in workers if {w.name, w.host, w.address, w.address.split("://")[-1]} & {*options.workers}
        ]
        for asked in options.workers:
            if not any(asked in (w.name, w.host, w.address, w.address.split("://")[-1]) for w in workers):
                raise UnknownWorkerError(asked, [w.name for w in workers])
        return Where(addresses, options.allow_other_workers)
    if options.near:
        try:
            keys = _keys_in(backend.by_name(options.near))
        except KeyError:
            raise UnknownVariableError(options.near, ()) from None
        named = set().union(*backend.holders(keys).values())
        return Where([w.address for w in workers if w.name in named], options.allow_other_workers)
    allowed: set[str] | None = None
    for key in keys:
        match backend.placement(key):
            case OnWorkers(workers=pinned, allow_other_workers=False):
                of_key = {w.name for w in workers if w.name in pinned or w.host in pinned or w.address in pinned}
                allowed = of_key if allowed is None else allowed & of_key
    # Workers of a pin that are gone hold nothing: the data has taken refuge, and Dask sends the task after it.
    return Where([w.address for w in workers if allowed and w.name in allowed])


def digest(payload: Payload) -> str:
    """Return a hash of a payload: what it says and which keys it refers to."""
    hash_ = xxhash.xxh3_128(payload.data)
    hash_.update(repr(payload.keys).encode())
    return hash_.hexdigest()


def _keys_in(futures: Any) -> list[Any]:
    if isinstance(futures, Future):
        return [futures.key]
    if isinstance(futures, Mapping):
        return [key for part in futures.values() for key in _keys_in(part)]
    if isinstance(futures, Iterable):
        return [key for part in futures for key in _keys_in(part)]
    return []

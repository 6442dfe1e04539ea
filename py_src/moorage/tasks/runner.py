"""Runs functions and cells on a cluster, next to what is placed there: one task, or one item per element.

`Submitter` is what the cluster controller and the magics call. Here a call is read, checked and made into a task; the
capture is made in `capture`, the many items of a map are run by `map.run`.
"""

from __future__ import annotations

import functools
import sys
import uuid
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import xxhash
from distributed import Future

from moorage._dask import client as boundary
from moorage.errors import InputError, StaleError
from moorage.kernel.code.sending import CodeSender
from moorage.kernel.placement.variable import Variable
from moorage.kernel.values.keys import is_writable
from moorage.kernel.waiting import answer, dask_scheduler_of, wait_for
from moorage.pickling.cell_compiler import compile_cell
from moorage.pickling.code_pickler import Extended, Notebook
from moorage.pickling.functions import bound_names, global_names, submodules
from moorage.tasks.calls import begun_again, check_callable, check_key, name_of
from moorage.tasks.capture import prepare, unchanged
from moorage.tasks.collections.loops import parts_of
from moorage.tasks.computations import Computations
from moorage.tasks.each import OnEach
from moorage.tasks.locality import Locality, Located, where
from moorage.tasks.map.dispatch import Work
from moorage.tasks.map.feed import Feed, InOrder, WhereTheyAre
from moorage.tasks.map.results import Results
from moorage.tasks.map.run import Run
from moorage.tasks.map.source import Source
from moorage.tasks.options import Options
from moorage.tasks.placed_data import PlacedData
from moorage.tasks.references import Payload
from moorage.tasks.runtime import WorkerRuntime
from moorage.tasks.span import in_span
from moorage.wire.code import CodeVersion
from moorage.wire.tasks import CallOptions
from moorage.worker.unpickling.cell import Cell


class Submitter:
    """Runs code on one cluster.

    `backend`: the cluster. `computations`: where what runs is kept. `code`: sends the user's modules there.
    `comes_back`: waits until a scheduler that has died is back, and returns whether it comes back.
    """

    def __init__(
        self,
        backend: PlacedData,
        computations: Computations | None = None,
        code: CodeSender | None = None,
        comes_back: Callable[[], bool] = lambda: False,
    ) -> None:
        self.backend = backend
        self.computations = computations or Computations()
        self.runtime = WorkerRuntime(backend.client)
        self.code = code or CodeSender(backend.client, "the notebook")
        self.comes_back = comes_back
        self._on_each: list[OnEach] = []

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

        `key`: Dask key of the task. `pure`: the same call, made again while its future is alive, is the same task; but
        not with what tasks may write to. Raises InputError, StaleError or LostError; nothing was run then.
        """
        check_key(key)
        check_callable(function)
        call = (function, args, dict(kwargs or {}))
        name = name_of(function)
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

        Raises SyntaxError as the notebook shows it, at the right line. Raises InputError, StaleError or LostError;
        nothing was run then.

        Parameters
        ----------
        source : str
            The body, below the line of the magic.
        namespace : dict
            The notebook's variables; only those that the body needs are taken along.
        filename, first_line
            For tracebacks; see `compile_cell`.
        names : tuple of str
            The variables that should get the result. If the body does not end with an expression, their values as
            it leaves them are the result; of several, the result is a tuple.
        """
        cell = self.compile(source, namespace, filename=filename, first_line=first_line, names=names)
        return self._task((cell, (), {}), "cell", options or Options(), pure=False, notebook=self._notebook(namespace))

    def map(
        self,
        function: Callable[..., Any],
        *iterables: Iterable[Any],
        options: Options | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> Results:
        """Run ``function`` for each item of one or several iterables, as `map` does, in batches; do not wait.

        `iterables`: consumed as needed, by another thread. A list that was placed by element, and a list of futures:
        each item runs where it is. `kwargs`: further arguments, the same for each call. Raises InputError, StaleError
        or LostError; nothing was run then.
        """
        check_callable(function)
        program = functools.partial(function, **kwargs) if kwargs else function
        name = name_of(function)
        return self._map(program, iterables, name, options or Options())

    def cell_map(
        self,
        source: str,
        target: str,
        iterable: str,
        namespace: dict[str, Any],
        options: Options | None = None,
        *,
        filename: str = "<cell>",
        first_line: int = 1,
    ) -> Results:
        """Run the body of a cell ``for TARGET in ITERABLE``, one item per element; do not wait.

        `source`: the body, below the line of the magic. `target`, `iterable`: Python, as in the head of a loop. The
        iterable is evaluated here, and may be what only the cluster has. `namespace`, `options`, `filename`,
        `first_line`: as for `cell`.
        """
        items = self.evaluate(iterable, namespace, filename)
        cell = self.compile(source, namespace, filename=filename, first_line=first_line, target=target)
        return self._map(cell, (items,), "cell", options or Options(), self._notebook(namespace))

    def each(self, function: Callable[..., Any], *args: Any, options: Options | None = None, **kwargs: Any) -> OnEach:
        """Run ``function(*args, **kwargs)`` once on every worker, also on those that join later.

        It does so until `OnEach.cancel` is called, or `close`.
        """
        name = name_of(function)
        return self._each((function, args, kwargs), name, options or Options())

    def cell_each(
        self,
        source: str,
        namespace: dict[str, Any],
        options: Options | None = None,
        *,
        filename: str = "<cell>",
        first_line: int = 1,
        names: tuple[str, ...] = (),
    ) -> OnEach:
        """Run the body of a cell once on every worker, also on those that join later. Parameters as for `cell`."""
        cell = self.compile(source, namespace, filename=filename, first_line=first_line, names=names)
        return self._each((cell, (), {}), "cell", options or Options(), self._notebook(namespace))

    def compile(
        self,
        source: str,
        namespace: dict[str, Any],
        *,
        filename: str = "<cell>",
        first_line: int = 1,
        target: str = "",
        names: tuple[str, ...] = (),
    ) -> Cell:
        """Return the body with what it captures of the notebook, and futures of what only the cluster has."""
        compiled = compile_cell(source, filename, first_line=first_line, target=target)
        captured = {name: namespace[name] for name in compiled.reads if name in namespace}
        modules = submodules(compiled.code, captured.values())
        return Cell(compiled.code, captured | self._absent(compiled.reads, namespace), names, modules)

    def evaluate(self, source: str, namespace: dict[str, Any], filename: str = "<cell>") -> Any:
        """Return the value of what a loop of the notebook runs over, in which placed variables may be named too.

        Raises SyntaxError, and whatever the expression raises.
        """
        code = compile(f"({source.strip()}\n)", filename, "eval", dont_inherit=True)
        absent = self._absent(global_names(code), namespace)
        if not absent:
            return eval(code, namespace)
        extended = Extended(namespace | absent)
        value = eval(code, extended)
        namespace.update({name: extended[name] for name in bound_names(code) if name in extended})
        return value

    def _absent(self, names: Iterable[str], namespace: dict[str, Any]) -> dict[str, Any]:
        """Return the placed variables among `names` that the notebook does not have, as futures."""
        found = {}
        for name in names:
            if name not in namespace:
                try:
                    found[name] = self.backend.by_name(name)
                except KeyError:  # Python says so where it is read, if it is
                    continue
        return found

    def leave(self) -> None:
        """Stop running on workers that join and stop listening to tasks. The worker side stays, for what is kept."""
        while self._on_each:
            self._on_each.pop().cancel()
        self.runtime.leave()

    def come_back(self) -> None:
        """Put all on another scheduler, after one that has died."""
        self.runtime.install()
        for each in self._on_each:
            each.come_back()

    def close(self) -> None:
        """Take the worker side off the cluster."""
        self.leave()
        self.runtime.uninstall()

    @begun_again
    def _map(
        self,
        program: Callable[..., Any],
        iterables: tuple[Any, ...],
        name: str,
        options: Options,
        notebook: Notebook | None = None,
    ) -> Results:
        backend = self.backend
        self.runtime.install()
        self._say_what_it_waits_for(options)
        one_by_one = self._placed_items(iterables[0], options) if len(iterables) == 1 else None
        source = Source([one_by_one] if one_by_one is not None else iterables)
        notebook = notebook or self._notebook()
        payload = self._prepare(program, options, notebook, everywhere=True)
        feed: Feed
        if one_by_one is not None and not options.workers and not options.near:
            feed = WhereTheyAre(one_by_one, Located(backend, one_by_one))
        else:
            feed = InOrder(source, Locality(backend, options, payload.keys))
        code = self.code.version(payload.imports, options.say)
        work = Work(payload, digest(payload, code), name, notebook, code, spread=len(iterables) > 1)
        mapping = Run(backend, self.runtime, work, feed, options)
        mapping.start()
        begun = functools.partial(self.computations.begin, options.label or name)
        return Results(mapping, [future.key for future in one_by_one or ()], begun)

    @begun_again
    def _each(self, call: Any, name: str, options: Options, notebook: Notebook | None = None) -> OnEach:
        self.runtime.install()
        payload = self._prepare(call, options, notebook or self._notebook(), everywhere=True)
        code = self.code.version(payload.imports, options.say)
        each = OnEach(self.backend, self.runtime, payload, code, options, name)
        self._on_each.append(each)
        return each

    def _say_what_it_waits_for(self, options: Options) -> None:
        """Tell if no worker offers the resources that are asked for: one that comes later may."""
        asked = options.resources
        if not asked:
            return
        client = self.backend.client
        scheduler = dask_scheduler_of(client)
        workers = wait_for(client, lambda: answer(client, scheduler.identity(n_workers=-1)))["workers"].values()
        if not any(all(worker["resources"].get(name, 0) >= n for name, n in asked.items()) for worker in workers):
            wanted = ", ".join(f"{name}={n:g}" for name, n in asked.items())
            options.say(f"No worker offers {wanted}: waiting for one that does.")

    def _notebook(self, namespace: dict[str, Any] | None = None) -> Notebook:
        """Return what functions of the notebook, or of a plain script, see as their globals."""
        main = vars(sys.modules["__main__"])
        if namespace is None:
            namespace = self.backend.namespace
        return Notebook(main if namespace is None else namespace, self.backend.by_name, main)

    def _prepare(self, obj: Any, options: Options, notebook: Notebook, *, everywhere: bool) -> Payload:
        return prepare(
            obj,
            self.backend,
            notebook,
            everywhere=everywhere,
            auto=options.auto,
            stale=options.stale,
            say=options.say,
        )

    def _placed_items(self, items: Any, options: Options) -> list[Future[Any]] | None:
        """Return the futures that `items` are, if each is placed or a future by itself."""
        if (parts := parts_of(items, self.backend.client)) is not None:
            return parts
        if isinstance(items, Variable):
            items = items.futures
        if isinstance(items, Future):
            raise InputError(
                "This was placed as one value, so it has no elements to loop over.",
                "Gather it first to loop over its value, or place it by element: %scatter.",
            )
        keys = self.backend.elements(items)
        if keys is not None:
            changed = [key for key in keys if not unchanged(key, self.backend)]
            if changed and options.stale == "error":
                raise StaleError("The items have changed since they were placed.", "Place them again: %scatter")
            for key in changed:
                if key in (self.backend.elements(items) or ()):
                    self.backend.refresh(key)
            if (keys := self.backend.elements(items)) is not None:
                return [self.backend.future(key) for key in keys]
        if isinstance(items, list | tuple) and items and all(isinstance(item, Future) for item in items):
            return list(items)
        return None

    @begun_again
    def _task(
        self,
        call: tuple[Any, tuple[Any, ...], dict[str, Any]],
        name: str,
        options: Options,
        *,
        key: Any = None,
        pure: bool,
        notebook: Notebook | None = None,
    ) -> Future[Any]:
        self.runtime.install()
        self._say_what_it_waits_for(options)
        payload = self._prepare(call, options, notebook or self._notebook(), everywhere=False)
        pure = pure and not any(map(is_writable, payload.keys))  # it may be given something else the next time
        code = self.code.version(payload.imports, options.say)
        if key is None:
            key = f"{name}-{digest(payload, code) if pure else uuid.uuid4().hex}"
        client = self.backend.client
        if pure and (known := boundary.known_future(client, key)) is not None:
            return known
        workers = [worker.address for worker in where(self.backend, options, payload.keys)]
        run = uuid.uuid4().hex
        wire: CallOptions = {
            "run": run,
            "topic": self.runtime.topic,
            "key": key,
            "limits": dict(options.limits),
            "once": not options.rerun,
            "code": code,
        }
        listener = self.runtime.listen(run, options.on_report) if options.on_report is not None else None
        with in_span():
            future: Future[Any] = client.get(
                {key: self.runtime.task(key, "call", payload.data, wire, depends=payload.keys)},
                key,
                sync=False,
                workers=workers or None,
                allow_other_workers=(options.allow_other_workers and bool(workers)) or None,
                retries=options.retries or None,
                priority=options.priority,
                resources=dict(options.resources) or None,
            )
        future._moorage_listener = listener  # type: ignore[attr-defined]  # reports are of no use without the future
        if not options.rerun:
            weakref.finalize(future, self.runtime.unclaim, run).atexit = False
        return future


def digest(payload: Payload, code: CodeVersion) -> str:
    """Return a hash of a payload: what it says, which keys it refers to, and what modules it may refer to say."""
    hash_ = xxhash.xxh3_128(payload.data)
    hash_.update(repr(payload.keys).encode())
    hash_.update(code["id"].encode())
    return hash_.hexdigest()

"""Runs cells and functions of the notebook on a worker: one task, or a batch of items with an outcome each.

One `Runtime` per worker process, put there by `RuntimePlugin` under a module name that contains a hash of this code,
so that several versions get along. Tasks name it by that module; their graphs carry bytes and plain values only, and
neither the scheduler nor the workers need moorage. Where tasks run and what becomes of their outcomes is the
business of the notebook (``kernel/``).
"""

from __future__ import annotations

import builtins
import contextlib
import operator
import os
import pickle
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from distributed import Event, Semaphore, get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from tornado.ioloop import PeriodicCallback

from moorage.worker.batch import Items
from moorage.worker.code import ours
from moorage.worker.errors import Cancelled, survivable, users_frames
from moorage.worker.output import Display, Router, Sink, Sinks, figure_numbers
from moorage.worker.references import loads

TICK = 0.1
"""Seconds between looks at what tasks have printed."""
IDLE = 5.0
"""Seconds after which a program that no batch has used is let go."""


class Runtime:
    """What all tasks in this process share: routers of output, and programs that are loaded already."""

    def __init__(self, images: str) -> None:
        self.ours = ours()
        self._images = images
        self.sinks = Sinks()
        self.display = Display(self.sinks)
        # (hash, thread) -> when last used, the values it refers to, the function
        self.programs: dict[tuple[str, int], tuple[float, Sequence[Any], Callable[..., Any]]] = {}

    @property
    def images(self) -> Any:
        """The table of what has come to this process as an image, if there is one (``worker/images.py``)."""
        return getattr(sys.modules.get(self._images), "table", None)

    def call(self, payload: bytes, options: dict[str, Any], *values: Any) -> Any:
        """Run one task: ``payload`` is a pickled (function, args, kwargs). Raises what the function raises.

        Options: ``run`` identifies it; ``topic`` for reports; ``key`` of the task; ``limits``: leases by name;
        ``once``: refuse to run a second time.
        """
        worker = get_worker()
        with self.output(worker, options["topic"], options["run"]):
            figures = figure_numbers()
            try:
                if options["once"]:
                    claim(f"moorage-{options['run']}")
                function, args, kwargs = loads(payload, values, self.ours, self.images)
                limits = [semaphore(name, leases) for name, leases in options["limits"].items()]
                with leases_of(limits, worker, options["key"]):
                    result = function(*args, **kwargs)
                self.display.figures(figures)
                return result
            except BaseException as raised:
                error = survivable(raised)
                error.add_note(f"(raised on worker {worker.name})")
                raise error.with_traceback(users_frames(error.__traceback__)) from error.__cause__

    def batch(self, program: bytes, items: bytes, options: dict[str, Any], *values: Any) -> dict[str, Any]:
        """Run ``program`` for each of ``items``; return values, errors by position, and how long it took.

        Options: ``run`` and ``batch`` identify it; ``hash`` of the program; ``topic`` for reports; ``shared``: how
        many of `values` belong to the program; ``retries`` per item; ``limits``: leases by name; ``spread``:
        whether an item is a tuple of arguments; ``once``: refuse to run a second time; ``budget``: seconds after
        which it stops, and returns what it has.
        """
        worker = get_worker()
        shared = options["shared"]
        spread, key = options["spread"], options["key"]
        limits = [semaphore(name, leases) for name, leases in options["limits"].items()]

        def report(kind: str, **more: Any) -> None:
            message = {"kind": kind, "run": options["run"], "batch": options["batch"], "on": str(worker.name)}
            worker.log_event(options["topic"], message | more)

        def call(item: Any) -> Any:
            with leases_of(limits, worker, key):
                return loaded(*item) if spread else loaded(item)

        report("progress", done=0, failed=0)
        with self.output(worker, options["topic"], options["run"]) as sink:
            running = Items(options, lambda: wanted(worker, key), report, sink, worker)
            try:
                if options["once"]:
                    claim(f"moorage-{options['run']}-{options['batch'].partition('.')[0]}")
                loaded = self.program(program, options["hash"], values[:shared])
                elements = loads(items, values[shared:], self.ours, self.images)
            except Exception as error:
                running.fail(error)
            else:
                running.run(call if limits or spread else loaded, elements)
        return running.outcome()

    def program(self, payload: bytes, hash_: str, values: Sequence[Any]) -> Callable[..., Any]:
        """Return the function of a batch, loaded once per thread: a thread runs one item at a time.

        It is loaded anew if the worker has other copies of the values by now.
        """
        place = hash_, threading.get_ident()
        _, known, function = self.programs.get(place) or (0.0, (), None)
        if function is None or not all(map(operator.is_, known, values)):
            function = loads(payload, values, self.ours, self.images)
        self.programs[place] = time.monotonic(), values, function
        return function

    @contextlib.contextmanager
    def output(self, worker: Any, topic: str, run: str) -> Iterator[Sink]:
        """Send to `topic` what this thread prints meanwhile, and threads that it starts."""

        def send(message: dict[str, Any]) -> None:
            worker.log_event(topic, message | {"run": run, "on": str(worker.name)})

        sink = Sink(send)
        self.sinks.open(sink)
        try:
            yield sink
        finally:
            self.sinks.close()

    def tick(self) -> None:
        """Send what was printed, and let go of programs that are no longer used. On the worker's event loop."""
        for sink in self.sinks:
            sink.flush()
        old = time.monotonic() - IDLE
        running = self.sinks.threads()
        for place, (used, *_) in list(self.programs.items()):
            if used < old and place[1] not in running:
                self.programs.pop(place, None)


class RuntimePlugin(WorkerPlugin):
    """Puts a `Runtime` into a worker process, as module `name`, before the worker takes its first task.

    Parameters
    ----------
    name : str
        Name of the module and of the plugin.
    images : str
        Name of the module that knows images.
    """

    idempotent = True

    def __init__(self, name: str, images: str) -> None:
        self.name = name
        self._images = images

    def setup(self, worker: Any) -> None:
        """Called by Dask on each worker, newcomers included."""
        module = sys.modules.get(self.name)
        if module is None:
            runtime = Runtime(self._images)
            module = types.ModuleType(self.name, "What moorage runs on this worker.")
            module.runtime = runtime  # type: ignore[attr-defined]
            module.call, module.batch = runtime.call, runtime.batch  # type: ignore[attr-defined]
            module.each_item = each_item  # type: ignore[attr-defined]
            module.users = set()  # type: ignore[attr-defined]
            sys.modules[self.name] = module
            sys.stdout, sys.stderr = Router("stdout", runtime.sinks), Router("stderr", runtime.sinks)
            runtime.sinks.follow_threads()
            if not hasattr(builtins, "display"):
                builtins.display = runtime.display  # type: ignore[attr-defined]
            if os.environ.get("MPLBACKEND", "").startswith("module:"):
                os.environ["MPLBACKEND"] = "agg"  # a notebook's own, inherited; it needs the notebook
        module.users.add(worker.address)
        ticking = PeriodicCallback(module.runtime.tick, TICK * 1000)
        worker.periodic_callbacks[self.name] = ticking
        ticking.start()

    def teardown(self, worker: Any) -> None:
        """Called by Dask when the plugin is removed, and when the worker closes."""
        ticking = worker.periodic_callbacks.pop(self.name, None)
        if ticking is not None:
            ticking.stop()
        module = sys.modules.get(self.name)
        if module is None:
            return
        module.users.discard(worker.address)
        if module.users:
            return
        del sys.modules[self.name]
        module.runtime.sinks.leave_threads()
        for stream in ("stdout", "stderr"):
            router = getattr(sys, stream)
            if isinstance(router, Router) and router.sinks is module.runtime.sinks:
                setattr(sys, stream, router.original)
        if getattr(builtins, "display", None) is module.runtime.display:
            del builtins.display  # type: ignore[attr-defined]


def each_item(batch: dict[str, Any], index: int) -> Any:
    """Return the value of one item of a batch, or raise its error."""
    error = batch["errors"].get(index)
    if error is not None:
        raise pickle.loads(error["exception"])
    return batch["values"][index]


def wanted(worker: Any, key: Any) -> bool:
    """Whether the scheduler still wants the task that runs now."""
    task = worker.state.tasks.get(key)
    return task is not None and task.state not in ("cancelled", "released", "forgotten")


def claim(name: str) -> None:
    """Raise if the batch of that name has begun before, on a worker that was lost."""
    event: Any = Event(name)
    if event.is_set():
        raise RuntimeError("the worker that ran this was lost, and it is not to run twice")
    event.set()


def semaphore(name: str, leases: int) -> Any:
    """Return the cluster's semaphore for the limit `name`."""
    return Semaphore(max_leases=leases, name=f"moorage-limit-{name}")


@contextlib.contextmanager
def leases_of(limits: Sequence[Any], worker: Any, key: Any) -> Iterator[None]:
    """Hold a lease of each of `limits`, taken in one order by all, for as long as the task is wanted."""
    with contextlib.ExitStack() as stack:
        for limit in limits:
            while not limit.acquire(timeout=1):
                if not wanted(worker, key):
                    raise Cancelled
            stack.callback(limit.release)
        yield

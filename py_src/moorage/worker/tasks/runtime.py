"""Runs cells and functions of the notebook on a worker: one task, or a batch of items with an outcome each.

One `Runtime` per worker process, put there by `RuntimePlugin` under a module name that contains a hash of this code,
so that several versions get along. Tasks name it by that module; their graphs carry bytes and plain values only, and
neither the scheduler nor the workers need moorage. Where tasks run and what becomes of their outcomes is the
business of the notebook (``kernel/``).
"""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import sys
import threading
import time
import types
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from moorage._dask.errors import keep_errors_whole
from moorage._dask.parts import rely_on
from moorage._dask.server import every
from moorage._dask.worker import PARTS, is_wanted, objects_of, on_loop, scheduler_of, shadow_log_event
from moorage.images.format import Image
from moorage.naming import short_name
from moorage.wire.code import CodeVersion
from moorage.wire.saves import Restoring, SavedImage, Saving
from moorage.wire.scheduler import Turn, WorkerHandlers
from moorage.wire.tasks import OUTPUT_TOPIC, BatchOptions, CallOptions, Outcome
from moorage.worker.shared_module import join, leave
from moorage.worker.taking import taken
from moorage.worker.tasks.awaiting import awaited
from moorage.worker.tasks.batch import Items
from moorage.worker.tasks.earlier import warn_of_earlier_classes
from moorage.worker.tasks.errors import Cancelled, explain, survivable, users_frames
from moorage.worker.tasks.outcome import load, try_to_pickle
from moorage.worker.tasks.output import Display, Interception, Sink, Sinks, figure_numbers
from moorage.worker.tasks.program import Program
from moorage.worker.tasks.saving import restore_value, save_values
from moorage.worker.text import carried
from moorage.worker.unpickling.cell import Cell
from moorage.worker.unpickling.code import keep_file_names, ours
from moorage.worker.unpickling.references import loads

if TYPE_CHECKING:
    from moorage.worker.code.version import Version
    from moorage.worker.code.versions import Versions

TICK = 0.1
"""Seconds between looks at what tasks have printed."""
IDLE = 5.0
"""Seconds after which a program that no batch has used is let go."""
PATIENCE = 1.0
"""Seconds to wait for a lease until it is asked again whether the task is still wanted."""


class Runtime:
    """What all tasks in this process share: routers of output, and programs that are loaded already."""

    def __init__(self, images: str, code: str) -> None:
        self.ours = ours()
        self._code = code
        self._images = images
        self.sinks = Sinks()
        self.display = Display(self.sinks)
        self.interception = Interception(self.sinks, self.display)
        self.undo: list[Callable[[], None]] = []
        self.programs: dict[tuple[str, int], Program] = {}  # by hash and thread

    @property
    def images(self) -> Any:
        """The table of what has come to this process as an image, if there is one (``worker/images/plugin.py``)."""
        return getattr(sys.modules.get(self._images), "table", None)

    def call(self, payload: bytes, options: CallOptions, *values: Any) -> Any:
        """Run one task: ``payload`` is a pickled (function, args, kwargs). Raises what the function raises."""
        worker, key = get_worker(), options["key"]
        with self.output(worker, options["topic"], options["run"]):
            figures = figure_numbers()
            try:
                if options["once"]:
                    claim(worker, options, "")
                code = self.version(worker, options["code"])
                function, args, kwargs = loads(payload, values, self.ours, self.images, code=code)
                see(code, function)
                warn_of_earlier_classes(function, values, self.images)
                # an error that refuses attributes, such as a traceback, cannot leave a context manager as it is
                with leases_of(limits, worker, key) if (limits := options["limits"]) else contextlib.nullcontext():
                    result = function(*args, **kwargs)
                    if isinstance(result, types.CoroutineType):
                        result = awaited(result, worker, lambda: is_wanted(worker, key))
                self.display.figures(figures)
                try_to_pickle(result)
                return result
            except BaseException as raised:
                explain(raised, values, self.images)
                error = survivable(raised)
        with contextlib.suppress(Exception):  # some errors take no notes
            error.add_note(f"(raised on worker {short_name(str(worker.name))})")
        raise error.with_traceback(users_frames(error.__traceback__))

    def version(self, worker: Any, wanted: CodeVersion) -> Version | None:
        """Return the user's modules that a task needs. Raises CodeError if they cannot be had."""
        if not wanted["id"]:
            return None
        versions: Versions = taken(self._code, "versions")
        version = versions.version(worker, wanted)
        if version is not None:
            version.see_builtins()
        return version

    def batch(self, program: bytes, items: bytes, options: BatchOptions, *values: Any) -> Mapping[str, Any]:
        """Run ``program`` for each of ``items``; return their `Outcome`."""
        worker = get_worker()
        shared, packed = options["shared"], options["packed"]
        spread, limits, key = options["spread"], options["limits"], options["key"]

        def report(kind: str, **more: Any) -> None:
            message = {"kind": kind, "run": options["run"], "batch": options["batch"], "on": str(worker.name)}
            worker.log_event(options["topic"], message | more)

        def call(item: Any) -> Any:
            function = loaded.fresh()
            if packed:
                item = loads(item, values[shared:], self.ours, self.images, code=code)
            if not limits:
                return function(*item) if spread else function(item)
            with leases_of(limits, worker, key):
                value = function(*item) if spread else function(item)
                return running.settled(value)

        report("progress", done=0, failed=0)
        with self.output(worker, options["topic"], options["run"]) as sink:
            explained = functools.partial(explain, values=values, images=self.images)
            running = Items(options, lambda: is_wanted(worker, key), report, sink, worker, explained)
            try:
                if options["once"]:
                    claim(worker, options, options["batch"].partition(".")[0])
                code = self.version(worker, options["code"])
                loaded = self.program(program, options["hash"], values[:shared], code)
                warn_of_earlier_classes(loaded.fresh(), values, self.images)
                elements = loads(items, values[shared:], self.ours, self.images, code=code)
            except Exception as error:
                running.fail(error)
            else:
                running.run(call, elements)
        return OrderedDict(running.outcome())  # Dask takes a plain dict apart when it sends it

    def program(self, payload: bytes, hash_: str, values: Sequence[Any], code: Version | None) -> Program:
        """Return the program of a batch, kept per thread: a thread runs one item at a time.

        It is another one if the worker has other copies of the values by now.
        """
        place = hash_, threading.get_ident()
        program = self.programs.get(place)
        if program is None or not program.refers_to(values):

            def load(met: list[Any], own: list[tuple[Any, Image]]) -> Any:
                return see(code, loads(payload, values, self.ours, self.images, met, code, own))

            program = Program(load, values)
        self.programs[place] = program
        program.used = time.monotonic()
        return program

    def save(self, options: Saving, *values: Any) -> list[SavedImage]:
        """Write values into a file; see `save_values`."""
        return save_values(self.images, options, *values)

    def restore(self, options: Restoring) -> Any:
        """Return a value that was saved; see `restore_value`."""
        return restore_value(self.images, options)

    @contextlib.contextmanager
    def output(self, worker: Any, topic: str, run: str) -> Iterator[Sink]:
        """Send to `topic` what this thread prints meanwhile, and threads that it starts."""

        def send(message: dict[str, Any]) -> None:
            worker.log_event(topic, message | {"run": run, "on": str(worker.name)})

        sink = Sink(send)
        self.interception.begin()
        self.sinks.open(sink)
        try:
            yield sink
        finally:
            self.sinks.close()
            self.interception.end()

    def tick(self) -> None:
        """Send what was printed, and let go of programs that are no longer used. On the worker's event loop."""
        for sink in self.sinks:
            sink.flush()
        old = time.monotonic() - IDLE
        running = self.sinks.threads()
        for place, program in list(self.programs.items()):
            if program.used < old and place[1] not in running:
                self.programs.pop(place, None)


class RuntimePlugin(WorkerPlugin):
    """Puts a `Runtime` into a worker process, as module `name`, before the worker takes its first task.

    `name`: name of the module and of the plugin. `images`, `code`: names of the modules that know images, and the
    user's modules.
    """

    idempotent = True

    def __init__(self, name: str, images: str, code: str = "") -> None:
        self.name = name
        self._images = images
        self._code = code
        self._undo: list[Callable[[], Any]] = []

    def setup(self, worker: Any) -> None:
        """Called by Dask on each worker, newcomers included. One that lacks what is relied on is not touched."""
        rely_on(PARTS, *objects_of(worker))
        module = join(worker, self.name, self._fill)
        self._undo = [
            # A message that cannot be encoded breaks the connection, and with it the worker.
            shadow_log_event(worker, carried),
            every(worker, TICK, self.name, module.runtime.tick),
        ]

    def teardown(self, worker: Any) -> None:
        """Called by Dask when the plugin is removed, and when the worker closes."""
        if not self._undo:
            return  # it was not set up: the worker lacks what is relied on
        for undo in self._undo:
            undo()
        self._undo = []
        if module := leave(worker, self.name):
            for undo in module.runtime.undo:
                undo()

    def _fill(self, module: Any) -> None:
        module.runtime = runtime = Runtime(self._images, self._code)
        module.call, module.batch, module.each_item = runtime.call, runtime.batch, each_item
        module.save, module.restore = runtime.save, runtime.restore
        runtime.undo = [keep_file_names(), keep_errors_whole()]
        if os.environ.get("MPLBACKEND", "").startswith("module:"):
            os.environ["MPLBACKEND"] = "agg"  # a notebook's own, inherited; it needs the notebook


def see(code: Version | None, function: Any) -> Any:
    """Let a cell see the modules of that version where it imports them."""
    if code is not None and isinstance(function, Cell):
        function.namespace["__builtins__"] = code.builtins
    return function


def each_item(batch: Outcome, index: int) -> Any:
    """Return the value of one item of a batch, or raise its error."""
    error = batch["errors"].get(index)
    if error is not None:
        raise pickle.loads(error["exception"])
    return load(batch["values"][index])


def claim(worker: Any, options: CallOptions | BatchOptions, part: str) -> None:
    """Raise if that part of a run has begun before, on a worker that was lost."""
    client = options["topic"].removeprefix(OUTPUT_TOPIC)
    scheduler: WorkerHandlers = scheduler_of(worker)
    if not on_loop(worker, scheduler.moorage_claim, client=client, run=options["run"], part=part):
        raise RuntimeError("the worker that ran this was lost, and it is not to run twice")


@contextlib.contextmanager
def leases_of(limits: Mapping[str, int], worker: Any, key: Any) -> Iterator[None]:
    """Hold a lease of each of `limits`, waiting for them as long as the task is wanted."""
    lease = uuid.uuid4().hex
    scheduler: WorkerHandlers = scheduler_of(worker)

    def turn() -> Turn:
        return on_loop(
            worker,
            scheduler.moorage_acquire,
            limits=dict(limits),
            lease=lease,
            worker=worker.address,
            timeout=PATIENCE,
        )

    while (answer := turn())["status"] != "OK":
        if answer["status"] == "differs":
            name, most = answer["name"], answer["most"]
            raise ValueError(
                f"The limit {name} is {most} for what runs now, and {limits[name]} was asked for: "
                "wait until that has ended, or give the limit another name."
            )
        if not is_wanted(worker, key):
            raise Cancelled
    try:
        yield
    finally:
        on_loop(worker, scheduler.moorage_free, lease=lease)

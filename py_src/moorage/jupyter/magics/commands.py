"""The magics: each reads its line, calls the controller, and shows the outcome.

What a line means is ``arguments.py``, what is done is ``kernel/``, how it looks is ``jupyter/display.py``, and how a
shell gets the magics is ``jupyter/extension.py``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dask.base import is_dask_collection
from IPython.core.magic import line_cell_magic, line_magic, magics_class, output_can_be_silenced
from IPython.display import display as publish

from moorage.controller import registry
from moorage.controller.cluster import ClusterController
from moorage.errors import InputError, MoorageError, UnknownVariableError, WaitTimeoutError
from moorage.jupyter import display
from moorage.jupyter.binding import notebook_names
from moorage.jupyter.magics import arguments
from moorage.jupyter.magics.cells import ValueCell, show_from_users_code
from moorage.jupyter.magics.cluster import line as cluster_line
from moorage.jupyter.magics.cluster.commands import ClusterCommands
from moorage.jupyter.magics.collections.placing import counterpart, persisted, stays, wait_for_parts
from moorage.jupyter.magics.progress import ProgressLine
from moorage.jupyter.magics.reporting import Interrupted, reads, reported
from moorage.kernel.parts.named import collection_of
from moorage.kernel.waiting import gather, wait_for
from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers
from moorage.tasks.map.results import Results


@magics_class
class MoorageMagics(ClusterCommands):
    """The magics of moorage, for one shell."""

    # -- the cluster

    @line_magic
    @reads(cluster_line.cluster)
    def cluster(self, args: cluster_line.ClusterArguments, _: str | None) -> None:
        """Start, attach, scale, adapt, keep, leave or stop a cluster, or show it."""
        getattr(self, f"_cluster_{args.action.replace('-', '_')}")(args)

    # -- placing

    @line_cell_magic
    @reads(arguments.scatter)
    def scatter(self, args: arguments.ScatterArguments, cell: str | None) -> Awaitable[None] | None:
        """Place variables, their elements spread over workers."""

        def scatter(controller: ClusterController, name: str, value: Any, keep_origin: bool = True) -> None:
            controller.scatter(
                value,
                name,
                args.workers,
                args.copies or False,
                by=args.by,
                allow_other_workers=args.allow_other_workers,
                whole=args.whole,
                keep_origin=keep_origin,
                like=counterpart(args.like, controller, self.shell.user_ns),
                **args.how,
            )

        if cell is not None:
            return self._place_cell(args, cell, scatter)
        where = tuple(args.workers or ())
        placement = OnWorkers(where, False, args.allow_other_workers) if where else Anywhere(args.copies or 1)
        with self._placing(args) as (controller, values, others):
            for name, value in values.items():
                scatter(controller, name, value)
            if others:
                controller.place(others, placement, **args.how)
        return None

    @line_cell_magic
    @reads(arguments.broadcast)
    def broadcast(self, args: arguments.BroadcastArguments, cell: str | None) -> Awaitable[None] | None:
        """Place variables on every worker, or once per host."""

        def broadcast(controller: ClusterController, name: str, value: Any, keep_origin: bool) -> None:
            controller.broadcast(value, name, per_host=args.per_host, keep_origin=keep_origin, **args.how)

        if cell is not None:
            return self._place_cell(args, cell, broadcast)
        placement = OnePerHost() if args.per_host else Everywhere()
        with self._placing(args) as (controller, values, others):
            controller.place(others, placement, values=values, whole=True, **args.how)
        return None

    @line_cell_magic
    @reads(arguments.pin)
    def pin(self, args: arguments.PinArguments, cell: str | None) -> Awaitable[None] | None:
        """Keep variables on named workers."""

        def pin(controller: ClusterController, name: str, value: Any, keep_origin: bool) -> None:
            controller.pin(name, args.workers, args.allow_other_workers, value, keep_origin=keep_origin, **args.how)

        if cell is not None:
            return self._place_cell(args, cell, pin)
        placement = OnWorkers(tuple(args.workers), True, args.allow_other_workers)
        with self._placing(args) as (controller, values, others):
            controller.place(others, placement, values=values, whole=True, **args.how)
        return None

    @contextmanager
    def _placing(
        self, args: arguments.PlacingArguments
    ) -> Iterator[tuple[ClusterController, dict[str, Any], list[str]]]:
        """Show the progress of placing the named variables.

        Gives the cluster, the values that the notebook has, and the names of variables that only the cluster has.
        """
        controller = registry.current()
        self._check_known(args.names, controller, parts=True)
        values = {name: self.shell.user_ns[name] for name in args.names if name in self.shell.user_ns}
        if args.persist:
            values = persisted(controller, values, self.shell.user_ns)
        with self._watched(controller, args.names):
            yield controller, values, [name for name in args.names if name not in values]
            if args.persist:
                wait_for_parts(controller, args.names, args.timeout)

    def _place_cell(
        self, args: arguments.PlacingArguments, cell: str, place: Callable[[ClusterController, str, Any, bool], None]
    ) -> Awaitable[None] | None:
        """Place the value of the cell by `place`; if that awaits something, so must the caller."""
        controller = registry.current()
        name = args.the_name()
        body = ValueCell(self.shell, cell)

        async def wait_and_place() -> None:
            with reported(self.what_stands):
                self._place_value(controller, args, name, await body.waited_for(), place)

        if body.waits:
            return wait_and_place()
        self._place_value(controller, args, name, body.value(), place)
        return None

    def _place_value(
        self,
        controller: ClusterController,
        args: arguments.PlacingArguments,
        name: str,
        value: Any,
        place: Callable[[ClusterController, str, Any, bool], None],
    ) -> None:
        value = persisted(controller, {name: value}, {})[name] if args.persist else value
        if args.rebind:
            self.shell.user_ns[name] = value
        try:
            with self._watched(controller, [name]):
                place(controller, name, value, args.keep_local or args.rebind)
        except BaseException as error:
            self.shell.user_ns[name] = value  # what the cell has worked out must not be lost
            kept = f"The cell's value is in the notebook as {name!r}."
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted(f"{self.what_stands()} {kept}") from None
            if isinstance(error, MoorageError):
                error.remedy = f"{error.remedy} {kept}".strip()
            raise
        if args.rebind:
            return
        self.shell.user_ns.pop(name, None)  # as by an assignment: the name means the cell's value from now on
        if args.keep_local or stays(value):
            self.shell.user_ns[name] = value

    @line_magic
    @reads(arguments.release)
    def release(self, args: arguments.NamesArguments, _: str | None) -> None:
        """Release placed variables."""
        registry.current().release(*args.names)

    @line_magic
    @output_can_be_silenced
    @reads(arguments.gather)
    def gather(self, args: arguments.GatherArguments, _: str | None) -> Any:
        """Bring placed variables into the notebook."""
        controller = registry.current()
        self._check_known(args.names, controller)
        with self._progress() as progress:
            progress.update(f"gathering {', '.join(args.names)}")
            values = [self._gather(controller, name, args, progress) for name in args.names]
        return values[0] if len(values) == 1 else tuple(values)

    def _gather(
        self, controller: ClusterController, name: str, args: arguments.GatherArguments, progress: ProgressLine
    ) -> Any:
        if name not in controller:
            if args.map:
                raise InputError(
                    f"{name} is not placed, so there is nothing to map.", f"Gather a copy: %gather {name}."
                )
            return self._gather_job(controller, name, self.shell.user_ns[name], args.timeout, progress)
        try:
            value = controller.gather(name, map=args.map, timeout=args.timeout)
        except Exception as error:  # of the cell that computed it
            show_from_users_code(self.shell, error)
            raise
        if collection_of(name) or stays(self.shell.user_ns.get(name)):
            return value
        if controller.placer.record(name)["owner"] == controller.placer.owner:
            self.shell.user_ns[name] = value
            controller.placer.note_gathered(name, value)
        elif name.isidentifier() and name not in self.shell.user_ns:
            self.shell.user_ns[name] = value  # another notebook's must not take the place of what is here
        return value

    def _gather_job(
        self, controller: ClusterController, name: str, job: Any, timeout: float | None, progress: ProgressLine
    ) -> Any:
        """Return the values of what the notebook's variable `name` holds: results or futures."""
        try:
            if isinstance(job, Results):
                with progress.following(job):
                    if job.wait(timeout):
                        return job.gather()
            else:
                client = controller.client
                job = client.compute(job) if is_dask_collection(job) else job
                return wait_for(client, gather, client, job, within=timeout)
        except TimeoutError:
            pass
        except Exception as error:
            show_from_users_code(self.shell, error)
            raise
        raise WaitTimeoutError(
            f"{name} was not complete within {timeout:g} s.", "It goes on: wait again, or allow more with --timeout."
        )

    @line_magic
    @reads(arguments.placement)
    def placement(self, args: arguments.PlacementArguments, _: str | None) -> None:
        """Show where placed variables are."""
        controller = registry.current()
        states = controller.placement(*args.names)
        memory = controller.sharing(*states) if args.verbose and states else {}
        publish(display.placements(states, states.workers, memory), raw=True)

    # -- what they share

    def what_stands(self) -> str:
        """Describe what an interrupt leaves."""
        controllers = registry.all_controllers()
        if not controllers:
            return "interrupted. There is no cluster; nothing is left of one that was starting."
        states = {name: state for controller in controllers for name, state in controller.placer.states().items()}
        moving = [f"{name} ({state.state})" for name, state in states.items() if state.state != "held"]
        held = [name for name, state in states.items() if state.state == "held"]
        parts = [
            f"Held: {', '.join(held)}." if held else "",
            f"Still going on: {', '.join(moving)}." if moving else "",
            "" if states else "Nothing is placed.",
            "%cluster and %placement show more.",
        ]
        return display.printable(" ".join(["interrupted.", *filter(None, parts)]))

    @contextmanager
    def _watched(self, controller: ClusterController, names: Sequence[str]) -> Iterator[None]:
        """Show the progress of placing `names`, and at the end where they are."""

        def sentences() -> str:
            states = controller.placer.states()  # asks nobody: this runs on the client's event loop, too
            workers = len(states.workers)
            return "\n".join(display.sentence(name, states[name], workers) for name in names if name in states)

        with self._progress() as progress:
            progress.update(display.printable(f"placing {', '.join(names)}"))

            def tell(kind: str) -> None:
                arriving = dict(controller.placer.arriving)
                if kind == "arriving" and arriving:
                    lines = (f"placing {name}: {display.part_of(*arriving[name])}" for name in arriving)
                    progress.update("\n".join(map(display.printable, lines)))
                elif kind == "variables" and not arriving:
                    progress.update(sentences())

            unsubscribe = controller.subscribe(tell)
            try:
                yield
            finally:
                unsubscribe()
            progress.done({"text/plain": sentences()})

    def _check_known(self, names: Sequence[str], controller: ClusterController, *, parts: bool = False) -> None:
        for name in names:
            whole = (collection_of(name) if parts else None) or name
            if name not in controller and whole not in self.shell.user_ns and whole not in controller:
                known = {*notebook_names(self.shell), *controller}
                error = UnknownVariableError(name, known, "in the notebook or on the cluster")
                if name in {worker.name for worker in controller.workers()}:
                    error.remedy = f"{name} is a worker: --workers {name}."
                raise error

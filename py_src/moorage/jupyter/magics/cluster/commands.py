"""What `%cluster` does, action by action. Its line is ``line.py``."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics
from IPython.display import display as publish
from traitlets import Float

from moorage.controller import registry
from moorage.controller.cluster import ClusterController
from moorage.controller.start import attach, start
from moorage.errors import UnreachableError
from moorage.jupyter import display
from moorage.jupyter.binding import bind, check_free, end_lost
from moorage.jupyter.magics.cluster import line as cluster_line
from moorage.jupyter.magics.progress import PATIENCE_SECONDS, ProgressLine

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class ClusterCommands(Magics):
    """The actions of `%cluster`, for one shell."""

    shell: InteractiveShell

    progress_after = Float(PATIENCE_SECONDS, help="Seconds until a line of progress appears.").tag(config=True)

    def _cluster_status(self, _: cluster_line.ClusterArguments) -> None:
        controllers = registry.all_controllers()
        if not controllers:
            print("No cluster: start one with %cluster start, or attach to a running one with %cluster attach.")
        for controller in controllers:
            publish(show_cluster(controller), raw=True)
        if len(controllers) > 1:
            print(f"The magics use {controllers[-1].name}; %cluster attach VARIABLE switches to another.")

    def _cluster_start(self, args: cluster_line.StartArguments) -> None:
        check_free(self.shell.user_ns, args.variable)
        with self._progress() as progress:
            progress.update("starting a cluster")
            end_lost(self.shell.user_ns, args.variable)
            controller = start(
                keep=args.keep,
                using=args.using,
                options=dict(args.options or ()),
                insecure=args.insecure,
                on_progress=partial(_arrivals, progress),
                **given(
                    n_workers=args.n_workers,
                    threads_per_worker=args.threads,
                    memory_limit=args.memory,
                    names=args.names,
                    timeout=args.timeout,
                ),
            )
            bind(self.shell.user_ns, args.variable, controller)
            progress.done(show_cluster(controller))

    def _cluster_attach(self, args: cluster_line.AttachArguments) -> None:
        target: Any = args.target
        if target is not None and target in self.shell.user_ns:
            target = self.shell.user_ns[target]
        if isinstance(target, ClusterController) and not target.lost:  # of several, the one that is meant from now on
            publish(show_cluster(attach(target)), raw=True)
            return
        if args.target != args.variable:
            check_free(self.shell.user_ns, args.variable)
        with self._progress() as progress:
            progress.update("attaching")
            files = given(tls_ca=args.tls_ca, tls_cert=args.tls_cert, tls_key=args.tls_key)
            controller = attach(target, **files, **given(timeout=args.timeout))
            bind(self.shell.user_ns, args.variable, controller)
            progress.done(show_cluster(controller))

    def _cluster_scale(self, args: cluster_line.ScaleArguments) -> None:
        controller = registry.current()
        size = given(n=args.n, cores=args.cores, memory=args.total_memory, workers=args.remove, timeout=args.timeout)
        with self._progress() as progress:
            progress.update("scaling")
            saving = given(to=args.place, storage_options=dict(args.options) if args.options else None)
            size |= saving | {"overwrite": args.overwrite}
            controller.scale(force=args.force, on_progress=partial(_arrivals, progress), **size)
            progress.done(show_cluster(controller))

    def _cluster_adapt(self, args: cluster_line.AdaptArguments) -> None:
        controller = registry.current()
        controller.adapt(args.minimum, args.maximum)
        publish(show_cluster(controller), raw=True)

    def _cluster_keep(self, args: cluster_line.KeepArguments) -> None:
        controller = registry.current()
        controller.keep(not args.off)
        publish(show_cluster(controller), raw=True)

    def _cluster_leave(self, _: cluster_line.ClusterArguments) -> None:
        controller = registry.current()
        controller.leave()
        print(f"{controller.name}: left; it keeps running")

    def _cluster_stop(self, _: cluster_line.ClusterArguments) -> None:
        held = [value for value in self.shell.user_ns.values() if isinstance(value, ClusterController)]
        if held and not registry.all_controllers():  # such as by client.shutdown()
            print(f"{held[-1].name}: stopped already")
            return
        controller = registry.current()
        controller.stop()
        print(f"{controller.name}: stopped")

    def _cluster_sync(self, args: cluster_line.SyncArguments) -> None:
        controller = registry.current()
        with self._progress() as progress:
            progress.update("installing" if args.install is not None else "asking the workers")
            state = controller.sync(
                *(args.modules or ()), env=args.env or (), folder=args.folder or "", install=args.install
            )
        print(*map(display.printable, str(state).splitlines()), sep="\n")

    def _cluster_restart_workers(self, args: cluster_line.RestartArguments) -> None:
        controller = registry.current()
        with self._progress() as progress:
            progress.update("restarting workers")
            controller.restart_workers(
                args.workers or None, timeout=args.timeout, on_progress=partial(_arrivals, progress)
            )
            progress.done(show_cluster(controller))

    def _progress(self) -> ProgressLine:
        return ProgressLine(self.shell, self.progress_after)


def show_cluster(controller: ClusterController) -> display.Bundle:
    """Return what can be shown of a cluster, even of one that no longer answers."""
    workers = controller.link.mirror.infos()
    with suppress(UnreachableError):
        workers = controller.workers()
    return display.cluster(controller.status_info(), workers, controller.link.events.out_of_the_usual)


def _arrivals(progress: ProgressLine, arrived: int, requested: int) -> None:
    progress.update(f"{arrived} of {requested} workers are here")


def given(**options: Any) -> dict[str, Any]:
    """Return the options that are not None: for the others, the controller has its defaults."""
    return {name: value for name, value in options.items() if value is not None}

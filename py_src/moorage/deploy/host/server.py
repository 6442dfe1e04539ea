"""The life of a host process: start the cluster, serve it, end it and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import ipaddress
import logging
import os
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import dask.config
from distributed import Scheduler, Security
from distributed.deploy.spec import SpecCluster
from distributed.utils import format_dashboard_link, import_term

from moorage import config
from moorage._dask import pages as serving
from moorage._dask.nanny import fork_workers
from moorage._dask.refusal import check
from moorage._dask.scaling import PARTS, close
from moorage.deploy.clusters.jobqueue import shared_base, with_defaults
from moorage.deploy.clusters.local import local_cluster
from moorage.deploy.dashboard_gate import Access, guard_scheduler
from moorage.deploy.fdstore.client import StoreClient, end_at
from moorage.deploy.fdstore.client import start as start_store
from moorage.deploy.host import metrics, page
from moorage.deploy.host.channel import Channel
from moorage.deploy.host.control import Control
from moorage.deploy.host.lifetime import Lifetime
from moorage.deploy.host.parking import Parking
from moorage.deploy.host.preserving import Preserving
from moorage.deploy.processes import allow_open_files, kill_group
from moorage.deploy.reasons import cannot_listen
from moorage.deploy.scaling.scaler import Scaler
from moorage.deploy.scaling.supervisor import Supervisor
from moorage.deploy.scratch import LOG, Scratch, default_base, sweep
from moorage.deploy.security import from_texts
from moorage.deploy.spec import SSH_CLUSTER, HostSpec
from moorage.deploy.state_file import KeptCluster, StateFile
from moorage.errors import InputError, MoorageError, ScaleError, StartError
from moorage.images import segment
from moorage.wire.host import Facts, Order, ParkingOrder

logger = logging.getLogger(__name__)

LOCAL_GRACE = 2.0
QUEUE_GRACE = 20.0
"""Seconds for a cluster to end by itself: local workers, which can be killed, and jobs, which have to be cancelled."""

LOG_LIMIT = 16_000_000
"""Bytes. The output of all workers goes to the log as well."""


def run(channel: Channel, folders: list[Scratch]) -> NoReturn:
    """Serve the cluster that is ordered over `channel` until there is a reason to end, then end this process.

    The first of `folders` is for the files of the cluster; all are removed in the end.
    """
    code = 1
    try:
        order = channel.receive()
        if order is not None:
            code = asyncio.run(_serve(order, channel, folders))
    except BaseException:
        logger.exception("The host process failed")
    finally:
        _exit(code, folders)


def _exit(code: int, folders: Sequence[Scratch]) -> NoReturn:
    """End all that this process has started, and itself."""
    kill_group(os.getpgrp())
    segment.sweep()
    for folder in folders:
        folder.remove()
    # What multiprocessing and Dask would do at exit is done, and might wait for what is gone.
    os._exit(code)


async def _serve(order: Order, channel: Channel, folders: list[Scratch]) -> int:
    scratch = folders[0].path
    spec = HostSpec.from_wire(order["spec"])
    grace = LOCAL_GRACE if spec.is_local else QUEUE_GRACE
    lifetime = Lifetime(channel.reading, spec.idle_timeout, 2 * grace, lambda: _exit(1, folders))
    ended = asyncio.ensure_future(lifetime.wait())
    if not spec.is_local:
        folders.append(Scratch(shared_base()))  # its last is the one for credentials of workers elsewhere
    storing = asyncio.ensure_future(asyncio.to_thread(_store, spec, folders[-1].base))
    starting = asyncio.ensure_future(_start(spec, order, channel, scratch, folders[-1].path))
    await asyncio.wait({ended, starting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        # What it has started is in our process group, or a job that ends by itself for want of a scheduler.
        starting.cancel()
        with suppress(asyncio.CancelledError, TimeoutError, Exception):
            await asyncio.wait_for(starting, grace)
        return 1
    if error := starting.exception():
        logger.error("The cluster did not start", exc_info=error)
        channel.send_error(error)
        return 1
    cluster, access = starting.result()
    scheduler: Scheduler = cluster.scheduler

    metrics.offer(scheduler)
    scaler = Scaler(cluster, scheduler)
    supervisor = Supervisor(scaler)
    supervisor.install()
    facts = _facts(cluster, spec, access)
    store = await storing
    store_path = store.path if store is not None else ""
    state = StateFile(
        Path(order["runtime_dir"]),
        KeptCluster(**facts, host=socket.gethostname(), tls=order["tls"], store=store_path),
    )
    lifetime.on_keep = lambda keep: state.write() if keep else state.remove()
    parking = Parking(scaler, _parking_order(facts, spec, order), lambda parked: state.note(parked=parked))
    if spec.park:
        lifetime.on_idle = parking.begin
    control = Control(scaler, lifetime, facts, store_path, parking)
    control.install(scheduler)
    tasks = [
        asyncio.ensure_future(job) for job in (lifetime.watch(scheduler), supervisor.run(), _trim_log(scratch / LOG))
    ]
    if store is not None:
        await asyncio.to_thread(
            store.ask, "note", order=order, starter=os.getppid(), restart=bool(config.get("cluster.restart"))
        )
        preserving = Preserving(scheduler, store, control, lambda: lifetime.alone)
        parking.settle = preserving.note_files
        tasks.append(asyncio.ensure_future(preserving.run()))
    try:
        lifetime.set_keep(spec.keep)
        channel.send({"event": "ready", "info": control.info()})
        gc.freeze()  # what has been imported stays: the collector need not look through it again and again
    except MoorageError as error:
        channel.send_error(error)
        lifetime.end(error.message)
    for folder in folders:
        threading.Thread(target=sweep, args=(folder.base,), daemon=True).start()

    logger.info("The cluster ends: %s", await ended)
    control.end(lifetime.reason)
    state.remove()
    if store is not None:
        end_at(store.path)
    if lifetime.reason == "stopped":
        await asyncio.to_thread(parking.remove)
    for task in tasks:
        task.cancel()
    with suppress(TimeoutError):
        await asyncio.wait_for(close(cluster), grace)
    return 0


def _store(spec: HostSpec, base: Path) -> StoreClient | None:
    """Return what keeps the memory that workers of this host share; None if they share nothing, or cannot."""
    if not spec.is_local or not hasattr(os, "memfd_create"):
        return None
    short = base if len(str(base)) < 60 else default_base()  # of a socket
    try:
        store = StoreClient(spec.store) if spec.store else start_store(short)
        store.ask("take_over")  # it ends if this process does before the cluster is there
        return store
    except OSError as error:
        logger.warning("Nothing keeps what the workers share: %s", error)
        return None


async def _start(spec: HostSpec, order: Order, channel: Channel, scratch: Path, shared: Path) -> tuple[Any, Access]:
    _configure(order, scratch)
    access = Access.new()
    security = from_texts(order["tls"]) if not spec.insecure else None
    if spec.is_local:
        allow_open_files(len(spec.workers or ()) or spec.n_workers or len(spec.names))
        cluster: Any = local_cluster(spec, security, str(scratch), access)
    else:
        cluster = _create(spec, security, shared)
    check((*PARTS, *serving.PARTS), cluster)
    guard_scheduler(cluster, access, page.offer)
    progress = _StartProgress(cluster, channel)
    reporting = asyncio.ensure_future(progress.follow())
    try:
        await cluster
        progress.tell()
        if spec.is_job_queue and spec.n_workers:
            # A class of dask-jobqueue that is given a size submits in the background, where a refusal is only logged.
            await _submit(cluster, spec.n_workers)
    except BaseException as error:
        with suppress(Exception):
            await asyncio.wait_for(close(cluster), LOCAL_GRACE)
        if cannot_listen(error) and spec.scheduler_port:
            raise StartError(
                f"The scheduler cannot have port {spec.scheduler_port}: {cannot_listen(error)}.",
                "Choose another port, or none: then one that is free is found.",
            ) from error
        raise
    finally:
        reporting.cancel()
    if not isinstance(cluster.scheduler, Scheduler):
        await close(cluster)
        raise StartError(
            f"{spec.cluster_class} runs its scheduler elsewhere, where moorage cannot scale it without losing data.",
            "Create the cluster in the notebook and attach to it.",
        )
    return cluster, access


async def _submit(cluster: Any, n_workers: int) -> None:
    try:
        await Scaler(cluster, cluster.scheduler).scale(n_workers)
    except ScaleError as error:
        raise StartError(error.message, error.remedy) from error


def _configure(order: Order, scratch: Path) -> None:
    """Take over configuration and import path of the starter, so that workers find what the notebook finds."""
    dask.config.update(dask.config.config, order["dask_config"], priority="new")
    dask.config.set({"temporary-directory": str(scratch)})
    if "moorage.deploy.host.forkserver" in sys.modules:
        fork_workers()
    sys.path[:] = order["sys_path"]


def _create(spec: HostSpec, security: Security | None, shared: Path) -> Any:
    try:
        cls = import_term(spec.cluster_class)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"There is no cluster class {spec.cluster_class!r}: {error}.") from error
    options: dict[str, Any] = dict(spec.options)
    if spec.is_job_queue:
        options = with_defaults(cls, options, shared, spec.dashboard)
    elif spec.n_workers is not None:
        options["n_workers"] = spec.n_workers
    if spec.cluster_class == SSH_CLUSTER:
        pages = {"dashboard_address": "127.0.0.1:0"} if spec.dashboard else {"dashboard": False}
        options["scheduler_options"] = {**pages, **options.get("scheduler_options", {})}
        options["credentials"] = shared
    if spec.port:  # it has been there before
        options["scheduler_options"] = {**options["scheduler_options"], "port": spec.port}
    protocol = "tcp://" if security is None else "tls://"
    cluster: Any = cls(*spec.args, asynchronous=True, security=security, protocol=protocol, **options)
    if not isinstance(cluster, SpecCluster):
        raise StartError(
            f"{spec.cluster_class} cannot be scaled by moorage without losing data.", "Attach to it instead."
        )
    if spec.name:
        cluster.name = spec.name  # as an option it would change the names of workers, to which variables are pinned
    return cluster


def _facts(cluster: SpecCluster, spec: HostSpec, access: Access) -> Facts:
    link = _dashboard_link(cluster) if spec.dashboard else ""
    return {
        "name": cluster.name,
        "kind": spec.kind,
        "address": cluster.scheduler_address,
        "dashboard_link": access.link(link) if link else "",
        "pid": os.getpid(),
    }


def _parking_order(facts: Facts, spec: HostSpec, order: Order) -> ParkingOrder:
    place = f"{spec.park.rstrip('/')}/{facts['name']}" if spec.park else ""
    return {"name": facts["name"], "kind": facts["kind"], "address": facts["address"], "place": place, "order": order}


def _dashboard_link(cluster: SpecCluster) -> str:
    """Return where Dask's dashboard is: it may be on loopback though the scheduler is not, which Dask leaves out."""
    pages = serving.pages_of(cluster.scheduler)  # type: ignore[arg-type]  # it runs
    if pages is None or importlib.util.find_spec("bokeh") is None:
        return ""
    if ipaddress.ip_address(pages[0]).is_loopback:
        return str(format_dashboard_link(*pages))
    return str(cluster.dashboard_link)


class _StartProgress:
    """Tells the starter how many workers have arrived."""

    def __init__(self, cluster: SpecCluster, channel: Channel) -> None:
        self._cluster = cluster
        self._channel = channel
        self._told = -1

    async def follow(self) -> None:
        """Tell whenever it changes."""
        while True:
            self.tell()
            await asyncio.sleep(0.05)

    def tell(self) -> None:
        """Tell if it has changed."""
        scheduler = self._cluster.scheduler
        arrived = len(scheduler.workers) if isinstance(scheduler, Scheduler) else 0
        if scheduler is not None and arrived != self._told:
            self._told = arrived
            requested = len(self._cluster.worker_spec)
            self._channel.send({"event": "progress", "stage": "workers", "arrived": arrived, "requested": requested})


async def _trim_log(log: Path) -> None:
    """Keep the log below its limit. All who write to it append, so it can be cut under their hands."""
    while True:
        await asyncio.sleep(10.0)
        _cut(log)


def _cut(log: Path) -> None:
    if log.stat().st_size > LOG_LIMIT:
        os.truncate(log, 0)

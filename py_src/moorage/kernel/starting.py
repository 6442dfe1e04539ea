"""How a notebook or a script gets hold of a cluster: start one, attach to one, or only install placement on one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import dask.config
from distributed import Client
from distributed.deploy.cluster import Cluster

from moorage import config
from moorage.errors import InputError, UnreachableError
from moorage.host.spec import HostSpec
from moorage.kernel import session
from moorage.kernel.cluster import ClusterController
from moorage.kernel.launch import Progress, launch
from moorage.kernel.shipping import install_plugin


def start(
    n_workers: int | None = None,
    threads_per_worker: int | None = None,
    memory_limit: str | int | float | None = "auto",
    names: Sequence[str] | None = None,
    keep: bool = False,
    *,
    timeout: str | float | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ClusterController:
    """Start a cluster of local processes, encrypted and on loopback only, and connect to it.

    Parameters
    ----------
    n_workers : int, optional
        Default: one for each of `names`, or Dask's choice for this machine.
    threads_per_worker : int, optional
    memory_limit : str, int, float or None
        Of each worker: ``"2GB"``, bytes, or a fraction of this machine's memory; ``"auto"`` shares it evenly.
    names : sequence of str, optional
        Names of the first workers.
    keep : bool
        Let the cluster outlive this process.
    timeout : str or float, optional
    on_progress : callable, optional
        Called with the numbers of workers that are there and that are asked for.

    Returns
    -------
    ClusterController

    Raises
    ------
    InputError
        If an argument makes no sense.
    StartError
        If it does not start. Nothing of it is left.
    """
    spec = HostSpec(
        n_workers=n_workers,
        threads_per_worker=threads_per_worker,
        memory_limit=memory_limit,
        names=tuple(names or ()),
        keep=keep,
        dashboard=bool(config.get("cluster.dashboard")),
        idle_timeout=config.seconds("cluster.idle-timeout"),
    )
    with session.starting("", "local", n_workers or len(names or ())) as begun:

        def report(progress: Progress) -> None:
            begun.progress(progress.arrived, progress.requested)
            if on_progress is not None:
                on_progress(progress.arrived, progress.requested)

        handle = launch(spec, config.seconds("start-timeout", timeout), report)
        try:
            client = Client(handle.info.address, security=handle.info.security, timeout=config.get("connect-timeout"))
            return ClusterController(client, name=handle.info.name, kind="local", handle=handle)
        except BaseException:
            handle.kept = False
            handle.close()
            raise


def attach(target: Any = None, *, timeout: str | float | None = None) -> ClusterController:
    """Connect to a cluster that is there.

    Parameters
    ----------
    target : str, distributed.Client, Dask cluster object, ClusterController
        The address of a scheduler (``tcp://…``, ``tls://…``), its scheduler file, or an object of this process.
        Default: the setting ``scheduler-address`` of Dask.
    timeout : str or float, optional
        Default: 10 s.

    Returns
    -------
    ClusterController

    Raises
    ------
    InputError
        If `target` is none of these.
    UnreachableError
        If nobody answers at the address in time.
    """
    if isinstance(target, ClusterController):
        session.add(target)
        return target
    if isinstance(target, Client):
        if target._asynchronous:
            raise InputError("An asynchronous Client cannot be attached to.", "Attach to the address of its scheduler.")
        return ClusterController(
            target, name=_short(target), kind="attached", cluster=target.cluster, owns_client=False
        )
    client = _client_of(target, config.seconds("connect-timeout", timeout))
    cluster = target if isinstance(target, Cluster) else None
    kind = "attached" if cluster is None else type(cluster).__name__
    name = _short(client) if cluster is None else str(cluster.name)
    try:
        return ClusterController(client, name=name, kind=kind, cluster=cluster)
    except BaseException:
        client.close()
        raise


def _client_of(target: Any, limit: float) -> Client:
    if target is None:
        target = dask.config.get("scheduler-address", None)
    if not isinstance(target, str | Cluster) or not target:
        raise InputError(
            f"There is nothing to attach to: {target!r}." if target is not None else "There is nothing to attach to.",
            "Give the address of a scheduler (tcp://host:port), its scheduler file, a Client or a Dask cluster object.",
        )
    is_file = isinstance(target, str) and os.path.exists(target)
    try:
        return Client(scheduler_file=target, timeout=limit) if is_file else Client(target, timeout=limit)
    except (OSError, TimeoutError) as error:
        raise UnreachableError(
            f"No scheduler answers at {target} within {limit:g} s: {error}.",
            "Check address and port, and for tls:// the certificates in Dask's configuration (distributed.comm.tls).",
        ) from error
    except (ValueError, TypeError, RuntimeError, KeyError) as error:
        raise InputError(
            f"{target!r} cannot be attached to: {error}.",
            "An address looks like tcp://host:port. For tls:// the certificates are looked for in Dask's "
            "configuration (distributed.comm.tls).",
        ) from error


def install(client: Client) -> None:
    """Put placement on the scheduler of `client`, and nothing else.

    From then on plain ``client.scatter(x, broadcast=True)`` and ``client.replicate(futures, n)`` of any client hold:
    through Dask's memory manager, lost workers and new ones, for as long as the futures live.
    """
    client.sync(install_plugin, client)


def _short(client: Client) -> str:
    return str(client.scheduler.address).split("://")[-1] if client.scheduler is not None else "cluster"

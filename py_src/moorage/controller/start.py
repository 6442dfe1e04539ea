"""Ways for a notebook or a script to get a cluster: start one, attach to one, or only install placement on one."""

from __future__ import annotations

import socket
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dask.config
from distributed import Client, Security
from distributed.core import Status
from distributed.deploy.cluster import Cluster
from distributed.utils import clean_dashboard_address

from moorage import config
from moorage._dask.client import is_asynchronous
from moorage._dask.scaling import adaptive_of
from moorage.controller import registry
from moorage.controller.ahead import pickle_ahead
from moorage.controller.cluster import ClusterController
from moorage.deploy import kept
from moorage.deploy.factory import deployment
from moorage.deploy.host_process import StartProgress, launch
from moorage.deploy.security import from_texts
from moorage.deploy.spec import HostSpec
from moorage.deploy.state_file import KeptCluster
from moorage.errors import InputError, NoClusterError, UnreachableError
from moorage.kernel.connection.client import address_in, client_at, connected, credentials, is_open
from moorage.kernel.connection.worker_versions import Environment
from moorage.kernel.install import install_plugin
from moorage.kernel.waiting import address_of, wait_for
from moorage.tasks.saving.store import Store

_LOOK = 0.2  # seconds between looks at what nobody tells of


def start(
    n_workers: int | None = None,
    threads_per_worker: int | None = None,
    memory_limit: str | int | float | None = "auto",
    names: Sequence[str] | None = None,
    keep: bool = False,
    *,
    using: str | None = None,
    options: Mapping[str, Any] | None = None,
    insecure: bool = False,
    timeout: str | float | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ClusterController:
    """Start a cluster and connect to it.

    By default its workers are local processes, with TLS on loopback only. Other kinds of cluster take what `options`
    leaves out from Dask's configuration, such as ``jobqueue.sge``. This does not wait for jobs in a queue: see
    `ClusterController.wait_for_workers`.

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
    using : str, optional
        ``local``, ``ssh``, a queue (``sge``, ``slurm``, ``pbs``, ``lsf``, …), or the path of a Dask cluster class.
        Default: the setting ``moorage.cluster.factory``, or dask-labextension's ``labextension.factory``, else local.
    options : mapping, optional
        Further arguments of that class.
    insecure : bool
        Turn TLS off.
    timeout : str or float, optional
        Seconds, or such as ``"2 minutes"``. Default: the setting ``moorage.start-timeout``.
    on_progress : callable, optional
        Called with the number of workers that have arrived and the number requested.

    Returns
    -------
    ClusterController

    Raises
    ------
    InputError
        If an argument is invalid.
    StartError
        If the cluster does not start. Nothing of it is left behind.

    Notes
    -----
    Any thread may call this, and several at once: each starts a cluster of its own. The latest is what `attach` and
    the magics take for the current one. The methods of what it returns may be called from any thread, too.

    Examples
    --------
    >>> with moorage.start(n_workers=2, memory_limit="1GB") as cluster:
    ...     future = cluster.broadcast(flights, name="flights")
    ...     cluster.submit(len, future).result()
    1000

    Over SSH, one worker on each of two machines:

    >>> cluster = moorage.start(using="ssh", options={"hosts": ["alice", "bob"]})  # doctest: +SKIP
    """
    spec = deployment(
        using,
        options or {},
        n_workers=n_workers,
        threads_per_worker=threads_per_worker,
        memory_limit=memory_limit,
        names=names or (),
        keep=keep,
        insecure=insecure,
        dashboard=bool(config.get("cluster.dashboard")),
        idle_timeout=config.seconds("cluster.idle-timeout"),
        park=Store(parking).place["url"] if (parking := config.get("cluster.park")) else "",
    )
    with registry.starting("", spec.kind, spec.n_workers or len(spec.names)) as begun:

        def report(progress: StartProgress) -> None:
            begun.progress(progress.arrived, progress.requested)
            if on_progress is not None:
                on_progress(progress.arrived, progress.requested)

        pickle_ahead()
        handle = launch(spec, config.seconds("start-timeout", timeout), report)
        try:
            client = connected(handle.info.address, config.seconds("connect-timeout"), security=handle.info.security)
            controller = _controller(client, spec.is_local, name=handle.info.name, kind=spec.kind, handle=handle)
            if insecure:
                what = "has no TLS: whoever reaches it, such as every user of this machine, can run code as you"
                _warn(controller, what, "Leave out insecure=True, or --insecure, where that is not wanted.")
            _warn_of_another_port(controller, spec)
            return controller
        except BaseException:
            handle.kept = False
            handle.close()
            raise


def attach(
    target: Any = None,
    *,
    security: Security | None = None,
    tls_ca: str | None = None,
    tls_cert: str | None = None,
    tls_key: str | None = None,
    timeout: str | float | None = None,
) -> ClusterController:
    """Connect to a running cluster.

    Parameters
    ----------
    target : str, distributed.Client, Dask cluster object, ClusterController
        The address of a scheduler (``tcp://…``, ``tls://…``), its scheduler file, the name of a kept cluster, or an
        object of this process. Default: the cluster that was started here, if the connection to it is lost; else the
        one kept cluster of this user, else Dask's setting ``scheduler-address``, else the one that this process
        has, such as after ``%reset``.
    security : distributed.Security, optional
        Credentials. Default: those kept with the cluster, or Dask's configuration.
    tls_ca, tls_cert, tls_key : str, optional
        Credentials as paths of PEM files, instead.
    timeout : str or float, optional
        Default: 10 s.

    Returns
    -------
    ClusterController

    Raises
    ------
    InputError
        If `target` is none of these, or several clusters are kept and none is named.
    NoClusterError
        If there is no target, no kept cluster and no setting.
    UnreachableError
        If nobody answers at the address in time, or not with these credentials.
    VersionError
        If the scheduler is too old, or of another Python.

    Notes
    -----
    Any thread may call this. To attach once more to what this process is attached to gives the same controller.

    Examples
    --------
    >>> cluster = moorage.attach("tls://10.0.0.1:8786", tls_ca="ca.pem", tls_cert="me.pem")  # doctest: +SKIP

    To a cluster of plain Dask, by its client or its object:

    >>> with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as plain:
    ...     with moorage.attach(plain) as cluster:
    ...         cluster.broadcast(flights, name="flights").status
    'finished'
    """
    limit = config.seconds("connect-timeout", timeout)
    security = security or credentials(tls_ca=tls_ca, tls_cert=tls_cert, tls_key=tls_key)
    if target is None:
        configured = dask.config.get("scheduler-address", None)
        target = registry.adrift() or kept.only() or configured or registry.connected()
    match target:
        case None:
            raise NoClusterError(
                "There is nothing to attach to: no cluster is kept.",
                "Give the address of a scheduler (tcp://host:port), or start a cluster: %cluster start --keep.",
            )
        case ClusterController() if target.lost:
            return _attach_again(target, security, limit)
        case ClusterController() if target.status == "stopped":
            raise UnreachableError(f"The cluster {target.name} is stopped.", "Start a new one: %cluster start.")
        case ClusterController():
            registry.add(target)
            return target
        case Client() if isinstance(target.cluster, ClusterController):
            return attach(target.cluster, security=security, timeout=timeout)
        case Client():
            if is_asynchronous(target):
                raise InputError("Cannot attach to an asynchronous Client.", "Attach to the address of its scheduler.")
            # Two on one client would take each other's events away.
            if (known := _known(lambda one: one.client is target)) is not None:
                return known
            return _controller(target, name=_short(target), kind="attached", cluster=target.cluster, owns_client=False)
        case Cluster():
            return _attach_object(target, limit)
        case KeptCluster():
            return _attach_kept(target, security, limit)
        case str() if target and ("://" in target or _is_host_and_port(target)):
            return _attach_address(target, security, limit)
        case str() if target and (file := Path(target).expanduser()).exists():
            return _attach_address(address_in(file), security, limit)
        case str() if target:
            return _attach_kept(kept.named(target), security, limit)
    raise InputError(
        f"There is nothing to attach to: {target!r}.",
        "Give the address of a scheduler (tcp://host:port), its scheduler file, a Client or a Dask cluster object.",
    )


def _attach_object(cluster: Cluster, limit: float) -> ClusterController:
    kind = type(cluster).__name__
    if cluster.asynchronous:
        raise InputError(
            f"Cannot attach to an asynchronous {kind}.",
            "Attach to the address of its scheduler, or make a synchronous one.",
        )
    if cluster.status != Status.running:
        raise UnreachableError(f"The {kind} {cluster.name} is {cluster.status.name}.", "Create a new one.")
    if (known := _known(lambda one: one.dask_cluster is cluster)) is not None:
        return known
    controller = _controller(connected(cluster, limit), name=str(cluster.name), kind=kind, cluster=cluster)
    if (adaptive := adaptive_of(cluster)) is not None and adaptive.periodic_callback is not None:
        controller.link.notice(
            "warning",
            f"The {kind} adapts its size as Dask does, which closes workers even when their data cannot be moved.",
            "%cluster adapt MIN MAX does it without losing data.",
        )
    return controller


def _attach_again(lost: ClusterController, security: Security | None, limit: float) -> ClusterController:
    client = client_at(lost.address, security or lost.client.security, limit)
    controller = _controller(client, name=lost.name, kind=lost.kind, cluster=lost.dask_cluster)
    controller.placer.direct = lost.placer.direct
    return controller


def _attach_kept(cluster: KeptCluster, security: Security | None, limit: float) -> ClusterController:
    if (known := _known(lambda one: one.address == cluster.address)) is not None:
        return known
    security = security or (from_texts(cluster.tls) if cluster.tls else None)
    cluster = _come_back(cluster)
    try:
        client = client_at(cluster.address, security, limit)
    except UnreachableError:
        now = kept.named(cluster.name)
        if not now.returning and now.pid == cluster.pid:
            raise
        client = client_at(_come_back(now).address, security, limit)  # it had just died, and may be back by now
    _come_back(cluster)  # it may have died a moment ago, and begin to answer just now
    controller = _controller(client, name=cluster.name, kind=cluster.kind)
    controller.placer.direct = cluster.kind == "local" and cluster.host == socket.gethostname()
    return controller


def _come_back(cluster: KeptCluster) -> KeptCluster:
    """Wait, within bounds, as long as a cluster is being brought back: before that its host cannot be asked."""
    deadline = time.monotonic() + config.seconds("start-timeout")
    while (now := kept.named(cluster.name)).returning and time.monotonic() < deadline:
        time.sleep(_LOOK)
    return now


def _attach_address(address: str, security: Security | None, limit: float) -> ClusterController:
    client = client_at(address, security, limit)
    return _controller(client, name=_short(client), kind="attached")


def _controller(client: Client, same_environment: bool = False, **facts: Any) -> ClusterController:
    """Return the controller of a cluster, and make it the current one; if that fails, `client` is closed if it is ours.

    It says by notices that the cluster is open, and that its workers run other versions than this process. If the same
    cluster was lost before, this controller takes its place.
    """
    address = address_of(client)
    lost = [
        controller for controller in registry.all_controllers() if controller.lost and controller.address == address
    ]
    facts = {"handle": next((one.handle for one in lost if one.handle), None), **facts}
    controller = ClusterController(client, owner=registry.owner(), home=registry.home(), **facts)
    try:
        if not same_environment:
            environment = Environment(controller.link)
            controller.placer.on_values = environment.look_at
            wait_for(client, environment.watch)
        warn_if_open(controller)
    except BaseException:
        controller.let_go()
        raise
    for one in lost:
        one.let_go()
    registry.add(controller)
    return controller


def _known(is_it: Callable[[ClusterController], bool]) -> ClusterController | None:
    """Return the controller that is connected to a cluster already, and make it the current one."""
    for controller in registry.all_controllers():
        if is_it(controller) and controller.status == "connected" and not controller.lost:
            registry.add(controller)
            return controller
    return None


def _is_host_and_port(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return bool(colon and host) and port.isdecimal()


_warned: set[str] = set()


def warn_if_open(controller: ClusterController) -> None:
    """Warn, once for each cluster, if everybody who reaches its network may use it."""
    if is_open(controller.address):
        what = "is open: whoever reaches that address can run code on it"
        _warn(controller, what, "Where that is not wanted, start it with TLS (distributed.comm.tls).")


def _warn_of_another_port(controller: ClusterController, spec: HostSpec) -> None:
    """Warn if the dashboard is not at the port that was asked for: Dask takes one that is free instead."""
    asked = [each["port"] for each in clean_dashboard_address(spec.dashboard_address or 0)]
    port = urlsplit(controller.dashboard_link).port
    if all(asked) and port and port not in asked:
        what = f"serves its dashboard on port {port}: another process has port {asked[0]}"
        _warn(
            controller, what, f"Where it must be {asked[0]}, end that process, often another cluster, and start again."
        )


def _warn(controller: ClusterController, what: str, remedy: str) -> None:
    message = f"The cluster at {controller.address} {what}."
    if message in _warned:
        return
    _warned.add(message)
    controller.link.notice("warning", message, remedy)
    warnings.warn(f"{message} {remedy}", stacklevel=5)


def install(client: Client) -> Any:
    """Put placement on the scheduler of `client`, and nothing else.

    From then on plain ``client.scatter(x, broadcast=True)`` and ``client.replicate(futures, n)`` of any client hold:
    through Dask's memory manager, lost workers and new ones, for as long as the futures live.

    Returns
    -------
    None
        For an asynchronous client an awaitable, without which nothing is done: ``await moorage.install(client)``.

    Examples
    --------
    >>> moorage.install(client)
    >>> future = client.scatter(flights, broadcast=True)
    >>> len(client.who_has([future])[future.key])
    2
    """

    async def put() -> None:
        await install_plugin(client)

    return put() if client.asynchronous else wait_for(client, put)


def _short(client: Client) -> str:
    return address_of(client, "cluster").split("://")[-1]

"""The local cluster: Dask's own, with names for its workers, encrypted, and on loopback only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, count
from typing import Any

import dask.config
from distributed import LocalCluster, Nanny, Security

from moorage.deploy.dashboard_gate import Access, GuardedWorker
from moorage.deploy.spec import HostSpec

LOOPBACK = "127.0.0.1"


class PromptNanny(Nanny):
    """A nanny that ends its worker without waiting for the tasks that run on it: nobody waits for their results."""

    async def kill(self, timeout: float = 5.0, reason: str = "nanny-kill") -> None:
        """End the worker process; called by Dask to close and to restart it."""
        if self.process is not None:
            await self.process.kill(timeout=timeout, executor_wait=False, reason=reason)


class NamedLocalCluster(LocalCluster):
    """`distributed.LocalCluster` whose first workers have names, and the others numbers, as strings.

    Dask numbers them by integers, which ``workers=["2"]`` does not find. A name that is free, because its worker was
    scaled away, is given to the next worker that is added: data that is pinned to that name finds its place again.

    Parameters
    ----------
    names : sequence of str
        Names of the first workers.
    workers : sequence of str, optional
        Those to begin with, if they are others.
    access : Access
        Who may see the pages of the workers.
    **kwargs
        See `distributed.LocalCluster`.
    """

    def __init__(
        self, names: Sequence[str] = (), *, workers: Sequence[str] | None = None, access: Access, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self._names = tuple(names)
        self.new_spec["options"].update(worker_class=GuardedWorker, access=access)
        n_workers, self.worker_spec = len(self.worker_spec), {}
        if workers is not None:
            self.worker_spec = dict.fromkeys(workers, self.new_spec)
            return
        for _ in range(n_workers):
            self.worker_spec.update(self.new_worker_spec())

    def new_worker_spec(self) -> dict[str, Mapping[str, Any]]:
        """Return name and spec of the next worker."""
        taken = set(self.worker_spec)
        names = chain(self._names, map(str, count(len(self._names))))
        return {next(name for name in names if name not in taken): self.new_spec}


def local_cluster(spec: HostSpec, security: Security | None, scratch: str, access: Access) -> NamedLocalCluster:
    """Return the local cluster that `spec` describes, not started yet.

    Parameters
    ----------
    spec : HostSpec
    security : distributed.Security, optional
        Credentials of scheduler, workers and clients; without them, all is open to the users of this machine.
    scratch : str
        Folder for the files of the workers.
    access : Access
        Who may see the pages of the workers.
    """
    options: dict[str, Any] = {
        "worker_class": PromptNanny,
        "n_workers": (len(spec.names) or None) if spec.n_workers is None else spec.n_workers,
        "threads_per_worker": spec.threads_per_worker,
        "host": LOOPBACK,
        "protocol": "tls://" if security is not None else "tcp://",
        "dashboard_address": f"{LOOPBACK}:0",
        "local_directory": scratch,
        **({"name": spec.name, "scheduler_port": spec.port} if spec.name else {}),
        **spec.options,
    }
    if spec.memory_limit not in (None, "auto"):
        options["memory_limit"] = spec.memory_limit
    if not spec.dashboard:
        # Dask serves pages even without its dashboard: metrics, logs, proxies. An empty list leaves none.
        dask.config.set({f"distributed.{server}.http.routes": [] for server in ("scheduler", "worker")})
        options["scheduler_kwargs"] = {"dashboard": False, **options.get("scheduler_kwargs", {})}
    ours: dict[str, Any] = {"names": spec.names, "workers": spec.workers, "access": access}
    return NamedLocalCluster(asynchronous=True, security=security, **ours, **options)

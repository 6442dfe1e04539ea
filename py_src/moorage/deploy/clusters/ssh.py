"""Workers on other machines by SSH, with the scheduler in this process.

Dask's own ``SSHCluster`` puts the scheduler on one of those machines, too, where it cannot be scaled without loss, and
names its workers by their address. What is taken from it is how a worker is started. The machines share the home folder
of the user: there the workers find their credentials.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dask.config
from distributed import Scheduler, Security
from distributed.deploy.spec import SpecCluster
from distributed.deploy.ssh import Worker

from moorage.deploy.security import to_texts
from moorage.errors import InputError

_PATIENCE = {"connect_timeout": 15, "login_timeout": 30, "keepalive_interval": 10}
"""Seconds. A host that is cut off must not hold up the others; see ``asyncssh.connect``."""

_START_SECONDS = 90.0
"""How long a worker may take to start, with its interpreter on a slow file system."""


class NamedWorker(Worker):
    """A worker by SSH that is called what the cluster calls it."""

    def __init__(self, scheduler: str, *, name: object, kwargs: Mapping[str, Any], **options: Any) -> None:
        super().__init__(scheduler, name=name, kwargs={**kwargs, "name": str(name)}, **options)

    async def start(self) -> None:
        """Start it; called by the cluster, which starts no other one meanwhile."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                await super().start()  # type: ignore[no-untyped-call]
        except BaseException:
            await self.close()  # type: ignore[no-untyped-call]
            raise


class SSHCluster(SpecCluster):
    """A scheduler here and workers on `hosts`.

    Parameters
    ----------
    hosts : sequence of str
        Names or addresses of the machines, without the one of the scheduler. One that is named twice takes twice as
        many workers.
    n_workers : int, optional
        Default: one for each of `hosts`.
    connect_options : dict
        Of ``asyncssh.connect``.
    worker_options, scheduler_options : dict
        Of ``distributed.Nanny`` and ``distributed.Scheduler``.
    remote_python : str, optional
        Default: the path of this Python.
    credentials : Path
        Folder on a file system that all the machines have.
    security : distributed.Security, optional
    **kwargs
        See `distributed.SpecCluster`.

    Raises
    ------
    InputError
        If no host is named.
    """

    def __init__(
        self,
        hosts: Sequence[str] = (),
        n_workers: int | None = None,
        connect_options: Mapping[str, Any] | None = None,
        worker_options: Mapping[str, Any] | None = None,
        scheduler_options: Mapping[str, Any] | None = None,
        remote_python: str | None = None,
        *,
        credentials: Path,
        security: Security | None = None,
        protocol: str | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(hosts, str) or not hosts:
            raise InputError("No hosts are named.", 'Name the machines: --option hosts=\'["alice", "bob"]\'.')
        self._hosts = list(hosts)
        if "n_workers" in (worker_options or {}):
            raise InputError("Each mention of a host starts one worker on it.", "Leave n_workers out.")
        self._options = {
            "connect_options": {**_PATIENCE, **(connect_options or {})},
            "remote_python": remote_python,
            "kwargs": {"dashboard": False, **(worker_options or {})},
        }
        # Workers take over the configuration of this process.
        dask.config.set({"temporary-directory": None, "distributed.worker.http.routes": []})
        if security is not None:
            dask.config.set({"distributed.comm.tls": _write(security, credentials)})
            dask.config.set({"distributed.comm.require-encryption": True})
        options = {"protocol": protocol, "security": security, **(scheduler_options or {})}
        super().__init__(  # type: ignore[no-untyped-call]
            scheduler={"cls": Scheduler, "options": options}, security=security, **kwargs
        )
        for _ in range(len(hosts) if n_workers is None else n_workers):
            self.worker_spec.update(self.new_worker_spec())

    def new_worker_spec(self) -> dict[str, Mapping[str, Any]]:
        """Return name and spec of the next worker, on the host that has the fewest."""
        there = Counter(spec["options"]["address"] for spec in self.worker_spec.values())
        share = Counter(self._hosts)
        address = min(self._hosts, key=lambda host: there[host] / share[host])
        name = next(str(n) for n in range(len(self.worker_spec) + 1) if str(n) not in self.worker_spec)
        return {name: {"cls": NamedWorker, "options": {"address": address, **self._options}}}


def _write(security: Security, folder: Path) -> dict[str, Any]:
    """Write the credentials of workers to `folder`, and return the configuration that names the files."""
    texts = to_texts(security)
    paths = {}
    for part in ("ca_file", "worker_cert", "worker_key"):
        path = folder / part
        path.touch(mode=0o600)
        path.write_text(texts[f"tls_{part}"])
        paths[part] = str(path)
    return {
        "ca-file": paths["ca_file"],
        "worker": {"cert": paths["worker_cert"], "key": paths["worker_key"]},
    }

"""The last checks: a small cluster that is started and used, and the versions of a cluster that is there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from distributed import Client
from distributed.versions import get_versions

from moorage import config
from moorage.cli.finding import Finding
from moorage.controller.start import start
from moorage.deploy import kept
from moorage.deploy.security import from_texts
from moorage.kernel.code.packages import ALWAYS
from moorage.kernel.connection.client import address_in, client_at, is_open
from moorage.kernel.connection.worker_versions import differences, in_words


def small_cluster() -> Iterator[Finding]:
    """Yield whether a cluster of one worker starts, holds a value and ends."""
    began = time.monotonic()
    with start(n_workers=1, threads_per_worker=1, memory_limit=0, using="local") as cluster:
        value = np.zeros(1 << 18)
        cluster.broadcast(value, name="value")
        state = cluster.placement()["value"]
        total = cluster.submit(np.sum, cluster["value"].future).result(timeout=config.seconds("answer-timeout"))
    if state.state != "held" or total != 0:
        yield Finding("fault", f"A value that was placed on a small cluster is {state.state}: {state.reason}.")
    else:
        yield Finding("ok", f"a small cluster started, held a value and ended in {time.monotonic() - began:.1f} s")


def cluster(target: str) -> Iterator[Finding]:
    """Yield what is wrong with the cluster at `target`: an address, a scheduler file, or the name of a kept one."""
    with _client(target) as client:
        address = client.scheduler.address
        versions = client.get_versions(check=False)
        ours = get_versions([])["packages"]
        of_scheduler = versions["scheduler"]["packages"]
        yield Finding("ok", f"the scheduler at {address}: distributed {of_scheduler['distributed']}")
        if is_open(address):
            yield Finding(
                "warning",
                f"The cluster at {address} is open: whoever reaches that address can run code on it.",
                "Start it with TLS (distributed.comm.tls), or let moorage start it.",
            )
        workers = {worker: told["packages"] for worker, told in versions["workers"].items()}
        if found := differences(ours, {"the scheduler": of_scheduler, **workers}, ALWAYS):
            yield Finding(
                "warning",
                f"The cluster does not run what is here: {in_words(found)}.",
                "Install the same versions on both sides, or start the notebook in the environment of the workers.",
            )
        elif workers:
            yield Finding("ok", f"versions of its {len(workers)} worker{'s' * (len(workers) != 1)}")
        else:
            yield Finding("warning", f"The cluster at {address} has no workers.", "What is placed waits for them.")


def _client(target: str) -> Client:
    limit, file = config.seconds("connect-timeout"), Path(target).expanduser()
    if "://" in target or file.is_file():
        return client_at(target if "://" in target else address_in(file), None, limit)
    known = kept.named(target)
    return client_at(known.address, from_texts(known.tls) if known.tls else None, limit)

"""Brings a kept cluster back whose host has died while no notebook lived that would: with all its variables.

Started by the cluster's file descriptor store, as ``python -m moorage.controller.unattended.returning SOCKET``. It does
as the notebook that started a cluster does (``reviving.py``), with what the store has, and leaves the cluster to
itself. What has become of it is told to whoever attaches next.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import dask.config

from moorage import config
from moorage.controller.cluster import ClusterController
from moorage.controller.reviving import SETTLE, became
from moorage.deploy.fdstore.client import StoreClient
from moorage.deploy.host_process import launch
from moorage.deploy.security import from_texts
from moorage.deploy.spec import HostSpec
from moorage.errors import MoorageError
from moorage.kernel.connection.client import connected
from moorage.kernel.placement.again import place_all
from moorage.kernel.waiting import wait_for
from moorage.tasks.saving.parking import refile
from moorage.wire.host import HostInfo, Order
from moorage.wire.scheduler import VariableRecord

OWNER = "moorage"


def main(path: str) -> None:
    """Bring back the cluster of the store whose socket is at `path`."""
    begun, when = time.monotonic(), time.strftime("%H:%M")
    store = StoreClient(path)
    facts = store.ask("facts")
    order: Order = facts["order"]
    info: HostInfo = facts["info"]
    records: dict[str, VariableRecord] = facts.get("records", {})
    sys.path[:] = order["sys_path"]
    dask.config.update(dask.config.config, order["dask_config"], priority="new")
    parked = info.get("parked")
    workers, adapt = (parked["workers"], parked["adapt"]) if parked else (info["requested"], info["adapt"])
    changes = {"name": info["name"], "port": int(info["address"].rpartition(":")[2]), "workers": workers}
    spec = replace(HostSpec.from_wire(order["spec"]), keep=True, store=path, **changes)  # type: ignore[arg-type]
    security = from_texts(order["tls"]) if order["tls"] else None
    handle = launch(spec, config.seconds("start-timeout"), security=security)
    client = connected(handle.info.address, config.seconds("start-timeout"), security=handle.info.security)
    controller = ClusterController(client, name=spec.name, kind=spec.kind, owner=OWNER, home=OWNER, handle=handle)
    link = controller.link

    refile(controller.placer, controller.submitter, facts.get("files", {}))

    async def place() -> str:
        await place_all(controller.placer, records.values())
        await link.settled(records, SETTLE)
        return became(link, list(records))[0]

    try:
        what = wait_for(client, place)
    except MoorageError as error:
        what = f"its variables could not be placed again: {error.message}"
    if adapt is not None:
        controller.adapt(adapt["minimum"], adapt["maximum"])
    took = time.monotonic() - begun
    story = f"The scheduler died at {when}, while nobody was attached, and was back after {took:.1f} s: {what}."
    store.ask("note", story=story)
    controller.close()


if __name__ == "__main__":
    main(sys.argv[1])

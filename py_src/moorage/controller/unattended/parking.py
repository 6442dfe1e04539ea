"""Parks a kept cluster that nobody uses: saves all that its workers have, and has them end.

Started by its host process (``deploy/host/parking.py``), as ``python -m moorage.controller.unattended.parking`` with a
`ParkingOrder` as JSON; it prints why the cluster could not be parked, if so.
"""

from __future__ import annotations

import json
import sys

import dask.config

from moorage import config
from moorage.controller.cluster import ClusterController
from moorage.deploy.security import from_texts
from moorage.errors import MoorageError
from moorage.kernel.connection.client import connected
from moorage.kernel.waiting import answer, scheduler_of, wait_for
from moorage.tasks.saving.parking import save_all
from moorage.tasks.saving.store import Store
from moorage.wire.host import ParkingOrder

OWNER = "moorage"


def main(parking: ParkingOrder) -> None:
    """Park a cluster. Raises MoorageError if that is not possible; it goes on then."""
    order = parking["order"]
    sys.path[:] = order["sys_path"]
    dask.config.update(dask.config.config, order["dask_config"], priority="new")
    security = from_texts(order["tls"]) if order["tls"] else None
    client = connected(parking["address"], config.seconds("connect-timeout"), security=security)
    controller = ClusterController(client, name=parking["name"], kind=parking["kind"], owner=OWNER, home=OWNER)
    try:
        save_all(
            controller.placer,
            controller.submitter,
            Store(parking["place"]),
            overwrite=True,
            timeout=config.seconds("wait-timeout"),
            progress=lambda *_: None,
            everybody=True,
        )
        limit = config.seconds("start-timeout")
        wait_for(client, lambda: answer(client, scheduler_of(client).moorage_host(command="park"), limit))
    finally:
        controller.close()


if __name__ == "__main__":
    try:
        main(json.load(sys.stdin))
    except MoorageError as failure:
        print(failure.message)
        sys.exit(1)

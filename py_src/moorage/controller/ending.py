"""Ending a cluster of another process after the connection to it was lost."""

from __future__ import annotations

import asyncio

from distributed import Security
from distributed.comm.core import connect
from distributed.core import send_recv

from moorage._dask.connecting import connecting
from moorage.errors import UnreachableError
from moorage.kernel.connection.client import in_thread, is_gone


def stop_host(address: str, security: Security, limit: float) -> None:
    """Let the host process of moorage's at `address` end, if there is one.

    `address`: of its scheduler. `security`: credentials of a client. `limit`: seconds. Raises UnreachableError if
    somebody listens there who does not answer in time.
    """

    async def stop() -> None:
        with connecting():
            comm = await connect(address, timeout=limit, **security.get_connection_args("client"))
        try:
            await send_recv(comm, op="moorage_host", command="stop")
        finally:
            comm.abort()

    if is_gone(address, limit):  # Dask would try again and again
        return
    try:
        in_thread(asyncio.wait_for(stop(), limit))
    except OSError as error:
        if not is_gone(address, limit):
            raise UnreachableError(
                f"The cluster at {address} does not answer ({type(error).__name__}), so it may still be running.",
                "Stop it where it was started, or end its process.",
            ) from error

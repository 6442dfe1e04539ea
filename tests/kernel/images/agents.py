"""Workers that take no part in what hosts send each other, or not to the end, and what they have sent on."""

import asyncio
import contextlib
import os

import numpy as np
import xxhash
from distributed.comm.core import connect
from distributed.protocol.serialize import to_serialize

from moorage.images.blocks import PIECE
from moorage.worker.images.spreading import Spreading


def refuse(dask_worker):
    async def receive(comm, transfer, sizes, digests, **_):
        await comm.write({"error": "it does not take part"})

    dask_worker.handlers["moorage_receive_"] = dask_worker.handlers["moorage_receive"]
    dask_worker.handlers["moorage_receive"] = receive


def take_part(dask_worker):
    dask_worker.handlers["moorage_receive"] = dask_worker.handlers.pop("moorage_receive_")


def know_nothing_of_it(dask_worker):
    """Be as a worker to which the code has not come."""
    dask_worker.handlers["moorage_receive_"] = dask_worker.handlers.pop("moorage_receive")


def be_silent(dask_worker):
    """Be as a worker that is too busy to answer."""

    async def receive(comm, **_):
        await asyncio.Event().wait()

    dask_worker.handlers["moorage_receive_"] = dask_worker.handlers["moorage_receive"]
    dask_worker.handlers["moorage_receive"] = receive


def give_nothing(dask_worker):
    """Close connections over which others ask for pieces."""

    async def give(comm, transfer):
        comm.abort()
        return "dont_reply"

    dask_worker.handlers["moorage_pieces_"] = dask_worker.handlers["moorage_pieces"]
    dask_worker.handlers["moorage_pieces"] = give


def give(dask_worker):
    dask_worker.handlers["moorage_pieces"] = dask_worker.handlers.pop("moorage_pieces_")


def forwarded(dask_worker):
    """Return to how many workers of other hosts a worker has sent something block-wise, from the first call on."""
    if not hasattr(dask_worker, "forwarded"):
        dask_worker.forwarded, forward = [], dask_worker.handlers["moorage_forward"]

        async def noted(**message):
            answer = await forward(**message)
            dask_worker.forwarded += answer["there"]
            return answer

        dask_worker.handlers["moorage_forward"] = noted
    return len(dask_worker.forwarded)


def total_forwarded(cluster):
    return sum(cluster.client.run(forwarded).values())


def die_while_sending(path, dask_worker):
    """Have the first worker die that is to send something on."""
    forward = dask_worker.handlers["moorage_forward"]

    async def dies(**message):
        sending = asyncio.ensure_future(forward(**message))
        if path.exists():
            return await sending
        path.touch()
        await asyncio.wait([sending], timeout=0.1)
        os._exit(1)

    dask_worker.handlers["moorage_forward"] = dies


@contextlib.contextmanager
def progress_of(cluster, name, tell):
    """Call `tell` with the bytes of a variable that each host has, and all, whenever more have arrived."""
    arriving = cluster.placer.arriving
    stop = cluster.subscribe(lambda kind: tell(*arriving[name]) if kind == "arriving" and name in arriving else None)
    try:
        yield
    finally:
        stop()


def spread(cluster, agents, digests, until=None):
    """Spread a buffer to workers, until `until` of its bytes are there; return why it failed."""
    buffer = memoryview(np.random.default_rng(13).random(3_000_000)).cast("B")

    async def run():
        halfway = asyncio.Event()

        def progress(done, total):
            if until is not None and done > until * total:
                halfway.set()

        args = cluster.client.connection_args
        with Spreading([buffer], digests or [xxhash.xxh3_128_digest(buffer)], agents, args, progress) as spreading:
            running = asyncio.ensure_future(spreading.run())
            if until is not None:
                await asyncio.wait_for(halfway.wait(), 30)
                running.cancel()
                await asyncio.wait([running])
            else:
                await asyncio.wait_for(running, 30)
                assert spreading.handles.keys() | spreading.failed.keys() == set(agents)
        return set(spreading.failed.values())

    return cluster.client.sync(run)


def send_twice(cluster, agent):
    """Send the first of two pieces twice; return what the agent says of it each time."""
    buffer = memoryview(bytes(PIECE + 1))

    async def acknowledged(comm):
        while not (have := (await comm.read()).get("have")):
            pass
        return have

    async def run():
        comm = await connect(agent, **cluster.client.connection_args)
        try:
            await comm.write(
                {
                    "op": "moorage_receive",
                    "reply": False,
                    "close": True,
                    "transfer": "twice",
                    "sizes": [buffer.nbytes],
                    "digests": [xxhash.xxh3_128_digest(buffer)],
                }
            )
            assert (await comm.read())["ready"]
            told = []
            for _ in range(2):
                await comm.write({"piece": 0, "data": to_serialize(buffer[:PIECE])})
                told.append(await asyncio.wait_for(acknowledged(comm), 30))
            return told
        finally:
            comm.abort()

    return cluster.client.sync(run)

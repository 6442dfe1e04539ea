"""The verbs in asynchronous code: each returns an awaitable if it is told to."""

import asyncio

from distributed import Client, LocalCluster

import moorage
from moorage.model import Everywhere
from moorage.scheduler.plugin import NAME


def test_every_verb_can_be_awaited(cluster):
    async def use():
        now = {"asynchronous": True}
        await cluster.broadcast(b"x" * 100, name="x", **now)
        await cluster.scatter([1, 2, 3], name="parts", **now)
        await cluster.pin("y", ["alice"], value=b"y", **now)
        await cluster.pin("y", ["bob"], **now)
        await cluster.place("y", Everywhere(), **now)
        assert (await cluster.placement("y", **now))["y"].holders == ["alice", "bob"]
        assert await cluster.gather("x", **now) == b"x" * 100
        assert await cluster.gather("x", "parts", **now) == (b"x" * 100, [1, 2, 3])
        assert await cluster["y"].gather(**now) == b"y"
        await cluster.release("x", "y", **now)
        assert set(await cluster.placement(**now)) == {"parts"}
        seen = []
        await cluster.scale(3, on_progress=lambda *numbers: seen.append(numbers), **now)
        assert (3, 3) in seen
        await cluster.wait_for_workers(3, **now)
        adapting = await cluster.adapt(2, 3, **now)
        assert adapting.maximum == 3
        await cluster.adapt(**now)
        await cluster.scale(2, **now)
        await cluster.keep(True, **now)
        await cluster.keep(False, **now)

    asyncio.run(use())


def test_others_go_on_while_one_is_awaited(cluster):
    async def use():
        waiting = asyncio.ensure_future(cluster.wait_for_workers(5, timeout=30, asynchronous=True))
        assert await cluster.scatter(1, name="one", asynchronous=True)
        waiting.cancel()

    asyncio.run(use())


def test_placement_is_installed_by_an_asynchronous_client():
    async def use():
        async with (
            LocalCluster(n_workers=0, processes=False, asynchronous=True, dashboard_address=":0") as cluster,
            Client(cluster, asynchronous=True, set_as_default=False) as client,
        ):
            assert NAME not in cluster.scheduler.plugins
            await moorage.install(client)
            assert NAME in cluster.scheduler.plugins

    asyncio.run(use())


def test_an_end_can_be_awaited():
    async def use():
        cluster = await asyncio.to_thread(moorage.start, n_workers=0)
        await cluster.stop(asynchronous=True)
        await cluster.close(asynchronous=True)
        return cluster

    assert asyncio.run(use()).status == "stopped"

"""Without a part of Dask that is relied on nothing is touched, and the error names it: each is broken on purpose."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from distributed import Client, LocalCluster, Nanny

from moorage._dask import client as of_clients
from moorage._dask import nanny as of_nannies
from moorage._dask import pages, scaling
from moorage._dask import scheduler as of_schedulers
from moorage._dask import worker as of_workers
from moorage._dask.parts import Part, changed
from moorage._dask.refusal import check
from moorage.errors import VersionError
from moorage.kernel import install
from moorage.kernel.images.sending import MODULE
from moorage.scheduler.plugin import PlacementSchedulerPlugin
from moorage.tasks.runtime import WorkerRuntime
from moorage.worker.images.nanny import SharedMemoryNannyPlugin
from moorage.worker.images.plugin import ImagesPlugin
from moorage.worker.tasks.runtime import RuntimePlugin


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def nanny(cluster: LocalCluster) -> Nanny:
    """A nanny that starts no worker."""

    async def make() -> Nanny:
        return Nanny(cluster.scheduler_address)

    made: Nanny = cluster.sync(make)
    return made


def on_loop(cluster: LocalCluster, call: Callable[[], Any]) -> Any:
    """Call where scheduler and worker run, so that neither meets what is broken for a moment."""

    async def run() -> Any:
        return call()

    return cluster.sync(run)


def owner_of(part: Part) -> Any:
    module, _, kind = part.owner.partition(":")
    owner: Any = importlib.import_module(module)
    return getattr(owner, kind) if kind else owner


@contextmanager
def without(part: Part, *objects: Any) -> Iterator[None]:
    owner = owner_of(part)
    if part.live:
        owner = next(each for each in objects if isinstance(each, owner))
    elif isinstance(owner, type):
        owner = next(each for each in owner.__mro__ if part.name in vars(each))
    if part.entry:
        entries = getattr(owner, part.name)
        before = entries.pop(part.entry)
        try:
            yield
        finally:
            entries[part.entry] = before
    else:
        before = getattr(owner, part.name) if part.live else vars(owner)[part.name]
        delattr(owner, part.name)
        try:
            yield
        finally:
            setattr(owner, part.name, before)


@contextmanager
def with_other_parameters(part: Part) -> Iterator[None]:
    owner = owner_of(part)
    inherited = part.name not in vars(owner)
    before = vars(owner).get(part.name)
    setattr(owner, part.name, lambda self, one_more: None)
    try:
        yield
    finally:
        if inherited:
            delattr(owner, part.name)
        else:
            setattr(owner, part.name, before)


def anatomy(server: Any) -> dict[str, Any]:
    """Return the attributes of a scheduler or a worker, and what is in those that are dicts."""
    return {name: dict(value) if isinstance(value, dict) else value for name, value in vars(server).items()}


def objects_of(cluster: LocalCluster, client: Client, nanny: Nanny) -> tuple[Any, ...]:
    worker = of_workers.objects_of(cluster.workers[0])
    return cluster, cluster.scheduler, cluster.scheduler.rpc, client, *worker, nanny, nanny.memory_manager


SERVERS = (*of_schedulers.PARTS, *of_workers.PARTS, *of_nannies.PARTS)
ALL = tuple(dict.fromkeys((*SERVERS, *of_clients.PARTS, *scaling.PARTS, *pages.PARTS)))


def is_removable(part: Part) -> bool:
    """Whether nothing inherited is found in its place."""
    owner = owner_of(part)
    return part.live or not isinstance(owner, type) or sum(part.name in vars(each) for each in owner.__mro__) == 1


CALLED = [part for part in ALL if part.takes is not None]


@pytest.mark.parametrize("part", [*filter(is_removable, ALL)], ids=str)
def test_a_missing_part_is_named(part: Part, cluster: LocalCluster, client: Client, nanny: Nanny) -> None:
    objects = objects_of(cluster, client, nanny)

    def look() -> str:
        assert not changed([part], *objects)
        with without(part, *objects):
            fault = changed([part], *objects)
        assert not changed([part], *objects)
        return fault

    fault = on_loop(cluster, look)
    assert str(part) in fault
    assert part.subject in fault


@pytest.mark.parametrize("part", CALLED, ids=str)
def test_other_parameters_are_named(part: Part, cluster: LocalCluster) -> None:
    def look() -> str:
        with with_other_parameters(part):
            return changed([part])

    assert f"{part} that takes" in on_loop(cluster, look)
    assert not changed([part])


@pytest.mark.parametrize("part", [*filter(is_removable, of_schedulers.PARTS)], ids=str)
def test_the_scheduler_plugin_touches_nothing_without(part: Part, cluster: LocalCluster) -> None:
    scheduler = cluster.scheduler

    async def start() -> None:
        before = anatomy(scheduler)
        with without(part, scheduler, scheduler.rpc):
            broken = anatomy(scheduler)
            with pytest.raises(RuntimeError, match=r"rests$") as caught:
                await PlacementSchedulerPlugin().start(scheduler)
            assert anatomy(scheduler) == broken
        assert str(part) in str(caught.value)
        assert anatomy(scheduler) == before

    cluster.sync(start)


@pytest.mark.parametrize("part", of_workers.PARTS, ids=str)
@pytest.mark.parametrize("plugin", [RuntimePlugin("moorage_worker_test", MODULE), ImagesPlugin(MODULE)], ids=type)
def test_a_worker_is_not_touched_without(part: Part, plugin: Any, cluster: LocalCluster) -> None:
    worker = cluster.workers[0]

    def set_up() -> None:
        with without(part, *of_workers.objects_of(worker)):
            before = anatomy(worker)
            with pytest.raises(RuntimeError) as caught:
                plugin.setup(worker)
            assert anatomy(worker) == before
        assert str(part) in str(caught.value)

    on_loop(cluster, set_up)


@pytest.mark.parametrize("part", of_nannies.PARTS, ids=str)
def test_a_nanny_is_not_touched_without(part: Part, cluster: LocalCluster, nanny: Nanny) -> None:
    plugin = SharedMemoryNannyPlugin()

    def set_up() -> None:
        with without(part, nanny, nanny.memory_manager):
            before = anatomy(nanny)
            with pytest.raises(RuntimeError, match="on which moorage's care for nannies rests"):
                plugin.setup(nanny)
            assert anatomy(nanny) == before

    on_loop(cluster, set_up)
    plugin.teardown(nanny)


def part_named(parts: tuple[Part, ...], name: str, entry: str = "") -> Part:
    return next(part for part in parts if (part.name, part.entry) == (name, entry))


def test_the_notebook_is_told_what_its_scheduler_lacks(cluster: LocalCluster, client: Client) -> None:
    part = part_named(of_schedulers.PARTS, "remove_all_replicas")
    with without(part), pytest.raises(VersionError, match=r"Scheduler\.remove_all_replicas"):
        client.sync(install.install_plugin, client)
    assert "moorage" not in cluster.scheduler.plugins
    assert "moorage" not in cluster.scheduler.extensions


def test_the_notebook_is_told_what_its_own_client_lacks(cluster: LocalCluster, client: Client) -> None:
    with without(part_named(of_clients.PARTS, "_scatter")), pytest.raises(VersionError, match=r"Client\._scatter"):
        client.sync(install.install_plugin, client)
    assert "moorage" not in cluster.scheduler.plugins


def test_the_notebook_is_told_what_a_worker_lacks(cluster: LocalCluster, client: Client) -> None:
    part = part_named(of_workers.PARTS, "handlers", "get_data")
    client.sync(install.install_plugin, client)
    runtime = WorkerRuntime(client)
    with without(part, cluster.workers[0]), pytest.raises(VersionError, match=r"Worker\.handlers\['get_data'\]"):
        runtime.install()
    left = [name for name in cluster.scheduler.worker_plugins if name.startswith("moorage")]
    assert not left, "a worker that comes later would fail to start"


def test_a_cluster_object_is_refused_that_lacks_something() -> None:
    part = part_named(scaling.PARTS, "_threads_per_worker")
    with without(part), pytest.raises(VersionError, match="SpecCluster") as caught:
        check(scaling.PARTS)
    assert "version" in caught.value.remedy


def test_a_module_that_is_gone_is_named() -> None:
    assert "has no dask._no_such_module" in changed([Part("tasks", "dask._no_such_module:Task", "func")])
    assert "has no distributed.scheduler.Gone" in changed([Part("tasks", "distributed.scheduler:Gone", "func")])


class Newer:
    """What a later version may make of a function."""

    def optional(self, key: str, finish: str, more: int = 0, *, deep: bool = False) -> None: ...

    def anything(self, **kwargs: Any) -> None: ...

    def swapped(self, finish: str, key: str) -> None: ...

    def needs_more(self, key: str, finish: str, why: str) -> None: ...


@pytest.mark.parametrize(
    ("name", "good"), [("optional", True), ("anything", True), ("swapped", False), ("needs_more", False)]
)
def test_only_what_breaks_a_caller_is_a_change(name: str, good: bool) -> None:
    part = Part("tests", f"{__name__}:Newer", name, ("key", "finish"))
    assert (not changed([part])) is good

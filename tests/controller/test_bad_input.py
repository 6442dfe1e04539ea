"""Whatever is wrong is said in a message with a remedy, and nothing has changed; what is only not there yet waits."""

import gc
import re
import threading

import dask.config
import numpy as np
import pytest

import moorage
from moorage.errors import (
    DoesNotFitError,
    InputError,
    InvalidNameError,
    MoorageError,
    NotPlaceableError,
    UnknownVariableError,
    UnknownWorkerError,
    UnpicklableError,
    WaitTimeoutError,
)
from moorage.model import Anywhere, Everywhere, OnWorkers
from tests.helpers import eventually


@pytest.fixture(scope="module", autouse=True)
def private():
    """Copies take memory of the workers here, as where they cannot share it."""
    with dask.config.set({"moorage.images.share": False}):
        yield


@pytest.fixture
def refused(cluster):
    """Check that something is refused, with a remedy, and that all is as before."""
    cluster.scatter(["kept", "as", "it", "is"], "kept")
    gc.collect()  # futures in the frames of the test before
    eventually(lambda: set(cluster.client.who_has()) == set(cluster["kept"].keys))  # what was there before is gone

    def check(call, error, *texts):
        before = cluster.placement(), set(cluster.client.who_has()), len(cluster.placer.origins)
        with pytest.raises(error) as caught:
            call()
        assert isinstance(caught.value, MoorageError)
        assert caught.value.remedy
        for text in texts:
            assert text in str(caught.value)
        after = cluster.placement(), set(cluster.client.who_has()), len(cluster.placer.origins)
        assert repr(before[0]) == repr(after[0])
        assert before[1:] == after[1:]
        return caught.value

    return check


VERBS = {
    "scatter": lambda cluster, value, name, **options: cluster.scatter(value, name, **options),
    "broadcast": lambda cluster, value, name, **options: cluster.broadcast(value, name, **options),
    "pin": lambda cluster, value, name, **options: cluster.pin(name, ["alice"], value=value, **options),
    "place": lambda cluster, value, name, **options: cluster.place([], Everywhere(), values={name: value}, **options),
}
each_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))


# ---- workers


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.scatter([1], "v", workers="alicia"),
        lambda c: c.pin("v", ["alicia"], value=1),
        lambda c: c.pin("kept", ["bob", "alicia"]),
        lambda c: c.place(["kept"], OnWorkers(("alicia",))),
        lambda c: c.scatter([1], "v", workers=["bob", "alicia"]),
    ],
)
def test_an_unknown_worker_names_the_nearest_and_all(cluster, refused, call):
    refused(lambda: call(cluster), UnknownWorkerError, "'alicia'", "Did you mean 'alice'?", "alice, bob")


def test_the_traceback_of_a_refusal_is_short(cluster):
    for call in (lambda: cluster.scatter([1, 2], workers="bobby"), lambda: cluster.scatter(1, timeout="nonsense")):
        with pytest.raises(InputError) as refusal:
            call()
        assert len(refusal.traceback) <= 6
        assert not [entry for entry in refusal.traceback if "site-packages" in str(entry.path)]
        assert refusal.value.__cause__ is None


def test_a_pin_names_at_least_one_worker(cluster, refused):
    for workers in ([], None):
        refused(lambda workers=workers: cluster.pin("kept", workers), InputError, "worker")


@pytest.mark.parametrize(
    "placement",
    ["everywhere", None, Anywhere(copies=0), OnWorkers(()), OnWorkers("bob"), OnWorkers(["bob"]), Everywhere],
)
def test_what_is_no_placement(cluster, refused, placement):
    refused(lambda: cluster.place(["kept"], placement), InputError, "is not a placement", "Everywhere()")


# ---- variables


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.pin("kepd", ["alice"]),
        lambda c: c.place(["kept", "kepd"], Everywhere()),
        lambda c: c.release("kept", "kepd"),
        lambda c: c.gather("kept", "kepd"),
        lambda c: c.placement("kepd"),
        lambda c: c["kepd"],
    ],
    ids=["pin", "place", "release", "gather", "placement", "[]"],
)
def test_an_unknown_variable_names_the_nearest_and_all(cluster, refused, call):
    error = refused(lambda: call(cluster), UnknownVariableError, "'kepd'", "Did you mean 'kept'?", "variables: kept")
    assert isinstance(error, KeyError)


@each_verb
@pytest.mark.parametrize("name", ["two words", "1st", "", "a-b", "x.y", "class", "None", 5, b"x", "<img onerror>"])
def test_a_name_that_is_no_identifier(cluster, refused, verb, name):
    refused(lambda: verb(cluster, 1, name), InvalidNameError, repr(name))


def test_names_of_any_alphabet_are_identifiers(cluster):
    for name in ("größe", "数据", "_", "x1"):
        cluster.broadcast(1, name)
        assert cluster.gather(name) == 1


# ---- values


class Model:
    def __init__(self):
        self.layers = [{"name": "first"}, {"lock": threading.Lock()}]


@each_verb
def test_a_value_that_cannot_be_pickled_names_the_attribute(cluster, refused, verb):
    refused(lambda: verb(cluster, Model(), "model"), UnpicklableError, "model.layers[1]['lock']")


def test_an_element_that_cannot_be_pickled(cluster, refused):
    refused(lambda: cluster.scatter([1, threading.Lock()], "v"), UnpicklableError, "lock")


class Counter:
    n = 0

    def increment(self):
        self.n += 1
        return self.n


@each_verb
def test_an_actor_cannot_be_placed_and_lives_on(cluster, refused, verb):
    future = cluster.client.submit(Counter, actor=True)
    counter = future.result(60)
    refused(lambda: verb(cluster, counter, "counter"), NotPlaceableError, "actor", "cannot be copied")
    refused(lambda: cluster.scatter([counter], "counters"), NotPlaceableError, "actor")
    refused(lambda: verb(cluster, future, "future"), NotPlaceableError, "actor")
    assert counter.increment().result() == 1


@each_verb
def test_what_fits_on_no_worker_is_refused_with_numbers(cluster, refused, verb):
    huge = np.zeros(150_000_000)  # of no real memory
    texts = ["huge needs 1.12 GiB", "MiB free", "The most that a worker has free is", "force=True"]
    error = refused(lambda: verb(cluster, huge, "huge"), DoesNotFitError, *texts)
    assert re.search("(alice|bob) has", error.message)


def test_what_fits_elsewhere_is_refused_with_where(cluster, refused):
    ballast = np.ones(60_000_000)
    cluster.pin("ballast", ["alice"], value=ballast)
    try:
        eventually(lambda: next(i for i in cluster.workers() if i.name == "alice").process > 4e8)
        value = np.ones(50_000_000)
        refused(lambda: cluster.pin("v", ["alice"], value=value), DoesNotFitError, "alice has", "It would fit on bob.")
        cluster.pin("v", ["bob"], value=value)
        refused(lambda: cluster.pin("v", ["alice"]), DoesNotFitError, "alice has")
        assert cluster.placement()["v"].holders == ["bob"]
    finally:
        cluster.release("ballast")
        eventually(lambda: next(i for i in cluster.workers() if i.name == "alice").process < 4e8)


def test_several_that_fit_one_by_one_but_not_together(cluster, refused):
    values = {"a": np.zeros(60_000_000), "b": np.zeros(60_000_000)}
    refused(lambda: cluster.place([], Everywhere(), values=values), DoesNotFitError, "Placing a, b")


def test_force_places_what_does_not_seem_to_fit(cluster):
    value = b"x" * 80_000_000
    with moorage.start(names=["small"], threads_per_worker=1, memory_limit="400MB") as small:
        with dask.config.set({"distributed.worker.memory.pause": 0.3}):  # of the worker as the notebook sees it
            with pytest.raises(DoesNotFitError):
                small.broadcast(value, "v")
            small.broadcast(value, "v", force=True)
        assert small.gather("v") == value


def test_a_collection_that_is_not_computed(cluster, refused):
    import dask.array

    refused(lambda: cluster.scatter(dask.array.ones(10), "x"), NotPlaceableError, "not been computed", "persist")


def test_a_future_that_has_failed_or_was_cancelled(cluster, refused):
    failed = cluster.client.submit(lambda: 1 / 0, pure=False)
    failed.exception(10)
    refused(lambda: cluster.broadcast(failed, "f"), InputError, "error")
    cancelled = cluster.client.scatter("to be cancelled", hash=False)
    cancelled.cancel()
    refused(lambda: cluster.broadcast(cancelled, "c"), InputError, "cancelled")


@pytest.mark.parametrize("by", ["bytes", "", None])
def test_dealing_out_in_an_unknown_way(cluster, refused, by):
    refused(lambda: cluster.scatter([1], "v", by=by), InputError, "cores, workers, memory or blocks")


def test_a_dict_whose_keys_dask_cannot_use(cluster, refused):
    refused(lambda: cluster.scatter({None: 1}, "d"), InputError, "None", "whole")
    refused(lambda: cluster.scatter({frozenset([1]): 1}, "d"), InputError, "frozenset", "whole")
    cluster.scatter({None: 1}, "d", whole=True)
    assert cluster.gather("d") == {None: 1}


def test_several_are_placed_all_or_none(cluster, refused):
    call = lambda: cluster.place(["kept"], OnWorkers(("bob",)), values={"good": 1, "bad": iter([])})  # noqa: E731
    refused(call, NotPlaceableError)
    assert cluster.placement()["kept"].placement == Anywhere()


# ---- two of the same


def test_two_variables_of_the_same_content_are_two(cluster):
    value = np.arange(1000)
    cluster.broadcast(value, "one")
    cluster.pin("two", ["alice"], value=np.arange(1000))
    cluster.scatter(value, "three")
    states = cluster.placement()
    assert states["one"].holders == ["alice", "bob"]
    assert states["two"].holders == ["alice"]
    cluster.release("one")
    assert np.array_equal(cluster.gather("two"), value)
    assert np.array_equal(cluster.gather("three"), value)


# ---- not there yet


def test_an_empty_cluster_takes_placements_and_enacts_them_when_workers_come():
    with moorage.start(n_workers=0, threads_per_worker=1, memory_limit="500MB") as empty:
        future = empty.broadcast(np.arange(10), "v")
        empty.scatter([1, 2, 3], "parts")
        empty.pin("pinned", ["0"], value="x")
        for name, state in empty.placement().items():
            assert state.state == "waiting", name
            assert "worker" in state.reason, name
            assert not state.holders
        with pytest.raises(WaitTimeoutError, match=r"v did not arrive.*waiting"):
            empty.gather("v", timeout="200ms")
        empty.scale(2)
        eventually(lambda: {state.state for state in empty.placement().values()} == {"held"})
        assert empty.gather("parts") == [1, 2, 3]
        assert future.result(60).sum() == 45
        assert empty.placement()["v"].holders == ["0", "1"]
        assert empty.placement()["pinned"].holders == ["0"]
        assert empty.client.submit(len, future).result(60) == 10


def test_a_value_placed_before_there_are_workers_may_be_released_before_too():
    with moorage.start(n_workers=0, threads_per_worker=1, memory_limit="500MB") as empty:
        empty.broadcast(np.arange(10), "v")
        empty.release("v")
        assert not empty.placement()
        empty.scale(1)
        assert not empty.placement()
        assert not empty.client.who_has()


def test_a_known_worker_that_is_gone_is_waited_for():
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="500MB") as cluster:
        cluster.scale(workers=["bob"])
        cluster.pin("v", ["bob"], value=[1, 2])
        state = cluster.placement()["v"]
        assert (state.state, state.reason) == ("waiting", "no worker bob yet")
        assert cluster.gather("v") == [1, 2]  # it has taken refuge
        with pytest.raises(UnknownWorkerError):
            cluster.pin("w", ["carol"], value=1)


# ---- names of workers

STRANGE = ["a name with spaces", "quo\"te's", "<img src=x onerror=alert(1)>", "naïve — 数", "semi;colon,comma"]


def test_workers_of_strange_names():
    with moorage.start(names=STRANGE, threads_per_worker=1, memory_limit="500MB") as cluster:
        assert sorted(cluster.worker_names()) == sorted(STRANGE)
        for number, name in enumerate(STRANGE):
            cluster.pin(f"v{number}", [name], value=number)
            assert cluster.placement()[f"v{number}"].holders == [name]
        cluster.broadcast("x", "everywhere")
        assert cluster.placement()["everywhere"].holders == sorted(STRANGE)
        with pytest.raises(UnknownWorkerError, match="Did you mean '<img src=x onerror=alert"):
            cluster.pin("v0", ["<img src=x onerror=alert(2)>"])
        cluster.scale(workers=[STRANGE[2]])
        assert sorted(cluster.worker_names()) == sorted(set(STRANGE) - {STRANGE[2]})
        assert cluster.gather("v2") == 2

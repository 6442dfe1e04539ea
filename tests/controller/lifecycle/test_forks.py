"""What a forked child can do with its parent's cluster: nothing, at once."""

import json
import os
import select
import time
import warnings

import pytest

from moorage.controller import registry

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def in_child(function):
    """Return what `function` returns in a forked child, within 20 s."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child of a process with threads
        child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    try:
        assert select.select([reading], [], [], 20)[0], "the child waits"
        return json.loads(os.read(reading, 100_000) or b"null")
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(reading)


def test_a_child_that_uses_the_cluster_gets_an_error_and_not_a_wait(cluster):
    cluster.broadcast(b"x", name="x")
    future = cluster["x"].future
    attempts = {
        "broadcast": lambda: cluster.broadcast(b"y", name="y", timeout="5s"),
        "gather": lambda: cluster.gather("x"),
        "submit": lambda: cluster.submit(len, [1]),
        "map": lambda: cluster.map(len, [[1]]),
        "compute": lambda: cluster.compute([], workers="alice"),
        "scale": lambda: cluster.scale(3),
        "awaitable": lambda: cluster.gather("x", asynchronous=True),
        "client": lambda: cluster.client.submit(len, [1]).result(),
        "future": lambda: future.result(),
    }

    def attempt():
        told = {}
        for name, act in attempts.items():
            begun = time.monotonic()
            try:
                told[name] = repr(act())
            except Exception as error:
                told[name] = f"{type(error).__name__}: {error}"
            assert time.monotonic() - begun < 5, name
        return told

    told = in_child(attempt)
    assert told.keys() == attempts.keys()
    assert [name for name, text in told.items() if "Error" not in text] == []
    for name in ("broadcast", "gather", "submit", "map", "compute", "scale", "awaitable"):
        assert "forked" in told[name], told[name]
    assert cluster.gather("x") == b"x"


def test_a_child_that_leaves_the_cluster_ends_nothing(cluster):
    def leave():
        with cluster:
            pass
        cluster.stop()
        return [cluster.status, len(registry.all_controllers())]

    assert in_child(leave) == ["stopped", 0]
    assert cluster.handle.alive
    assert cluster.client.submit(len, [1, 2], pure=False).result(60) == 2

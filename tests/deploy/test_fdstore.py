"""The file descriptor store: what it keeps, when it lets go, and when it ends."""

import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from moorage.deploy.fdstore import client, process
from moorage.deploy.fdstore.client import StoreClient, facts_at, kept_at, start
from moorage.deploy.fdstore.process import MOST, Store
from moorage.deploy.kept import kept_clusters
from moorage.deploy.state_file import KeptCluster, StateFile
from moorage.images.room import SegmentError
from moorage.images.segment import Segment, attach
from tests.helpers import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

CONTENT = bytes(range(256)) * 4096
ORDER = {"runtime_dir": "", "tls": {}}
INFO = {"name": "here", "kind": "local", "address": "tcp://127.0.0.1:1", "dashboard_link": "", "keep": True}


def segment():
    made = Segment(len(CONTENT))
    made.write([(0, memoryview(CONTENT))], len(CONTENT))
    return made


def loan(handle):
    return {"stream": b"stream", "sizes": [len(CONTENT)], "handle": tuple(handle)}


def test_memory_outlives_whoever_wrote_it_until_it_is_dropped(store):
    written = segment()
    key = ("x", 0)
    assert store.ask("put", values={key: loan(written.handle), "small": {"stream": b"s", "sizes": [], "buffers": []}})
    written.close()
    kept = kept_at(store.path, [key, "small", "other"])
    assert kept["small"] == {"stream": b"s", "sizes": [], "buffers": []}
    assert bytes(attach(kept[key]["handle"]).memory) == CONTENT
    store.ask("drop", keys=[key])
    assert kept_at(store.path, [key]) == {}
    with pytest.raises(SegmentError):
        attach(kept[key]["handle"])


def test_what_is_gone_already_is_not_taken(store):
    written = segment()
    written.close()
    assert store.ask("put", values={"x": loan(written.handle)}) == []


def test_nobody_else_can_ask_it(store):
    folder = Path(store.path).parent
    assert folder.stat().st_mode & 0o077 == 0


def test_it_takes_no_message_that_is_too_long(store):
    with pytest.raises(OSError, match="too long"):
        store.ask("note", text=bytes(MOST))
    with socket.socket(socket.AF_UNIX) as careless:
        careless.connect(store.path)
        careless.sendall(struct.pack("!i", MOST + 1))
        assert careless.recv(1) == b""
    assert store.ask("get", keys=[]) == {}


def test_of_a_store_that_is_gone_nothing_is_had(tmp_path):
    path = str(tmp_path / "socket")
    assert (kept_at(path, ["x"]), facts_at(path), kept_at("", ["x"])) == ({}, {}, {})
    with pytest.raises(OSError, match="No such file"):
        StoreClient(path)


def test_it_goes_on_with_a_host_that_was_started_again(store):
    host = StoreClient(store.path)
    assert host.ask("take_over") == []
    host.ask("note", starter=os.getpid(), restart=True, info=INFO | {"keep": False})
    host.ask("put", values={"small": {"stream": b"s", "sizes": [], "buffers": []}})
    host.close()
    assert StoreClient(store.path).ask("take_over") == ["small"]


@pytest.mark.parametrize("info", [{}, {"keep": False}], ids=["before the cluster is there", "with its starter"])
def test_it_ends_with_its_host(tmp_path, info):
    host = start(tmp_path)
    host.ask("take_over")
    with subprocess.Popen(["true"]) as starter:
        pass
    host.ask("note", starter=starter.pid, restart=True, info=info)
    host.close()
    eventually(lambda: not Path(host.path).exists())


def test_it_ends_if_who_started_it_is_gone_at_once(tmp_path):
    code = "import sys; from moorage.deploy.fdstore.client import start; print(start(sys.argv[1]).path)"
    path = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, check=True).stdout
    eventually(lambda: not Path(path.decode().strip()).exists())


class Returning:
    """Stands for the process that brings a host back, and never does."""

    def poll(self):
        return None


@pytest.mark.parametrize(
    ("facts", "deaths", "end"),
    [
        ({"alone": True}, 1, "returning"),
        ({"alone": False}, 1, "waits"),
        ({"alone": True, "restart": False}, 1, "ended"),
        ({"alone": True, "info": INFO | {"keep": False}}, 1, "ended"),
        ({"alone": True}, process.DEATHS, "ended"),
    ],
)
def test_who_brings_a_host_back(tmp_path, facts, deaths, end):
    started = []
    store = Store(os.getppid(), lambda path: started.append(path) or Returning())
    store.note(order=ORDER | {"runtime_dir": str(tmp_path)}, info=INFO, restart=True, starter=os.getpid())
    store.note(**facts)
    for connection in range(deaths):
        store.take_over(connection)
        store.closed(connection)
    is_sought = store._info["keep"] and store.facts()["restart"]
    assert [cluster.returning for cluster in kept_clusters(tmp_path)] == [True] * is_sought
    store.tick()
    assert {"returning": started, "ended": store.ended, "waits": not (started or store.ended)}[end]
    assert store.facts()["returning"] == (end == "returning")
    store.close()
    assert kept_clusters(tmp_path) == []


def test_a_file_whose_host_has_died_stays_as_long_as_the_store_has_it_brought_back(tmp_path, store):
    facts = {name: INFO[name] for name in ("name", "kind", "address", "dashboard_link")}
    file = StateFile(tmp_path, KeptCluster(**facts, pid=1, host="here", tls={}, store=store.path))
    file.write()
    store.ask("note", order=ORDER, info=INFO, restart=True)
    file.leave()  # as the kernel does when the host dies, before the store notes that
    assert [(cluster.name, cluster.state) for cluster in kept_clusters(tmp_path)] == [("here", "coming back")]
    store.ask("note", restart=False)
    assert kept_clusters(tmp_path) == []
    assert not file.path.exists()


def test_a_store_that_hangs_is_not_waited_for_without_end(store, monkeypatch):
    monkeypatch.setattr(client, "LIMIT", 0.2)
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(store.path)
        pid, _, _ = struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    os.kill(pid, signal.SIGSTOP)
    try:
        assert facts_at(store.path) == {}
    finally:
        os.kill(pid, signal.SIGCONT)
    assert facts_at(store.path)

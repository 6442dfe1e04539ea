"""Attaching to schedulers that somebody else has started: by address, file and credentials, and what can be wrong."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import warnings

import dask.config as configuration
import pytest
from distributed import Client, Security

import moorage
from moorage.deploy.security import to_texts
from moorage.errors import InputError, MoorageError, UnreachableError, VersionError
from moorage.kernel.connection.client import is_open
from tests.controller.tools import LOCAL, address_of, dask
from tests.helpers import eventually


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Paths of a certificate authority, a certificate and its key, and options that name them."""
    folder = tmp_path_factory.mktemp("tls")
    texts = to_texts(Security.temporary())
    for name, field in (("ca", "ca_file"), ("cert", "client_cert"), ("key", "client_key")):
        (folder / name).write_text(texts[f"tls_{field}"])
    return {f"tls_{name}": str(folder / name) for name in ("ca", "cert", "key")}


def options(certificates):
    names = {"tls_ca": "--tls-ca-file", "tls_cert": "--tls-cert", "tls_key": "--tls-key"}
    return [word for name, path in certificates.items() for word in (names[name], path)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The scheduler file of a scheduler and two workers without TLS."""
    folder = tmp_path_factory.mktemp("plain")
    file = folder / "scheduler.json"
    with dask("scheduler", folder, *LOCAL, "--no-dashboard", "--scheduler-file", file):
        address = address_of(file)
        worker = ("--no-dashboard", "--nthreads", 1, "--memory-limit", "1GB", "--host", "127.0.0.1")
        with (
            dask("worker", folder, address, *worker, "--name", "alice"),
            dask("worker", folder, address, *worker, "--name", "bob"),
        ):
            yield file


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory, certificates):
    """The address of a scheduler with TLS."""
    folder = tmp_path_factory.mktemp("encrypted")
    file = folder / "scheduler.json"
    more = ("--protocol", "tls", "--no-dashboard", "--scheduler-file", file)
    with dask("scheduler", folder, *LOCAL, *more, *options(certificates)):
        yield address_of(file)


def test_by_scheduler_file_where_moorage_is_not_installed(plain, monkeypatch):
    monkeypatch.setenv("HOME", str(plain.parent))
    with moorage.attach(f"~/{plain.name}") as cluster:
        cluster.wait_for_workers(2, 60)
        cluster.broadcast({"a": 1}, name="x")
        cluster.pin("y", ["bob"], value=[1, 2])
        cluster.scatter(list(range(10)), name="rows")
        cluster.broadcast("z", name="z", per_host=True)
        states = cluster.placement()
        assert states["x"].holders == states["rows"].holders == ["alice", "bob"]
        assert states["y"].holders == ["bob"]
        assert len(states["z"].holders) == 1
        assert cluster.client.submit(len, cluster["y"].future).result(60) == 2
        y = cluster["y"].future
        assert cluster.map(lambda n: (n, y), range(3)).gather() == [(n, [1, 2]) for n in range(3)]
        bob = next(info.address for info in cluster.workers() if info.name == "bob")
        os.kill(cluster.client.run(os.getpid, workers=[bob])[bob], signal.SIGKILL)
        eventually(lambda: bob not in {info.address for info in cluster.workers()})
        eventually(lambda: {state.state for state in cluster.placement().values()} == {"held"})
        assert cluster.placement()["y"].holders == ["bob"]
        assert cluster.gather("x", "y", "rows", "z") == ({"a": 1}, [1, 2], list(range(10)), "z")
        assert (cluster.kind, cluster.scalable, cluster.secure) == ("attached", False, False)
        assert (cluster.leavable, cluster.stoppable) == (True, False)
        with pytest.raises(MoorageError, match="attached by its address"):
            cluster.stop()
        cluster.release("x", "y", "rows", "z")


def test_a_worker_that_has_a_deadline_leaves_its_data_behind(plain, tmp_path):
    address = json.loads(plain.read_text())["address"]
    worker = ("--no-dashboard", "--nthreads", 1, "--host", "127.0.0.1", "--name", "carol", "--lifetime", "8s")
    with moorage.attach(address) as cluster:
        cluster.wait_for_workers(2, 60)
        with dask("worker", tmp_path, address, *worker) as process:
            cluster.wait_for_workers(3, 60)
            held = cluster.client.scatter([os.urandom(100) for _ in range(20)], workers=["carol"])
            values = cluster.client.gather(held)
            cluster.scatter(values, name="spread")
            cluster.pin("x", ["carol"], value={"a": 1}, keep_origin=False)
            assert cluster.placement()["x"].holders == ["carol"]
            eventually(lambda: process.poll() is not None)
        assert sorted(cluster.worker_names()) == ["alice", "bob"]
        assert cluster.client.gather(held) == values
        assert cluster.gather("x", "spread") == ({"a": 1}, values)
        eventually(lambda: cluster.placement()["x"].state == "waiting")
        assert cluster.placement()["spread"].state == "held"
        cluster.release("x", "spread")


def test_by_address_with_and_without_protocol(plain):
    address = json.loads(plain.read_text())["address"]
    for target in (address, address.removeprefix("tcp://")):
        with moorage.attach(target) as cluster:
            assert cluster.address == address


def test_tls_by_files_by_security_and_by_dask_s_configuration(encrypted, certificates):
    with moorage.attach(encrypted, **certificates) as cluster:
        assert cluster.secure
        security = cluster.client.security
    with moorage.attach(encrypted, security=security) as cluster:
        assert cluster.secure
    parts = {"ca-file": "tls_ca", "client.cert": "tls_cert", "client.key": "tls_key"}
    settings = {f"distributed.comm.tls.{part}": certificates[name] for part, name in parts.items()}
    with configuration.set(settings), moorage.attach(encrypted) as cluster:
        assert cluster.secure


def test_two_of_three_files_are_not_enough(certificates):
    with pytest.raises(InputError, match="--tls-key is not given"):
        moorage.attach("tls://127.0.0.1:1", tls_ca=certificates["tls_ca"], tls_cert=certificates["tls_cert"])
    with pytest.raises(InputError, match=r"tls-ca.* cannot be read"):
        moorage.attach("tls://127.0.0.1:1", **{**certificates, "tls_ca": "/no/such/file"})


def test_other_certificates_are_named_as_the_reason(encrypted):
    with pytest.raises(UnreachableError, match="certificates") as caught:
        moorage.attach(encrypted, security=Security.temporary(), timeout=3)
    assert "--tls-ca" in caught.value.remedy


def test_no_certificates_are_named_as_the_reason(encrypted):
    with pytest.raises(InputError, match="tls://") as caught:
        moorage.attach(encrypted, timeout=3)
    assert "--tls-ca" in caught.value.remedy


def test_tls_where_there_is_none_and_none_where_there_is(plain, encrypted, certificates):
    address = json.loads(plain.read_text())["address"]
    with pytest.raises(UnreachableError) as caught:
        moorage.attach(address.replace("tcp", "tls"), **certificates, timeout=3)
    assert "tcp://" in caught.value.remedy
    with pytest.raises(UnreachableError) as caught:
        moorage.attach(encrypted.replace("tls", "tcp"), timeout=3)
    assert "tls://" in caught.value.remedy


def test_nobody_there_names_what_was_tried():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        address = f"tcp://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(UnreachableError, match=address) as caught:
            moorage.attach(address, timeout=1)
        assert "1 s" in caught.value.message


def test_calls_run_on_a_scheduler_that_is_started_anew_at_the_same_address(tmp_path, capfd):
    file, first = tmp_path / "scheduler.json", contextlib.ExitStack()

    def start(stack, port):
        file.unlink(missing_ok=True)
        more = ("--host", "127.0.0.1", "--port", port, "--no-dashboard", "--scheduler-file", file)
        stack.enter_context(dask("scheduler", tmp_path, *more))
        worker = ("--host", "127.0.0.1", "--no-dashboard", "--no-nanny", "--nthreads", 1)
        stack.enter_context(dask("worker", tmp_path, address_of(file), *worker))
        return address_of(file)

    def use(cluster, i):
        cluster.wait_for_workers(1, 60)
        assert cluster.map(abs, [-1, -2]).gather() == [1, 2]
        assert cluster.submit(print, f"printed {i}").result(timeout=60) is None
        eventually(lambda: f"printed {i}" in capfd.readouterr().out)

    with first, contextlib.ExitStack() as then:
        address = start(first, 0)
        with moorage.attach(address, timeout=60) as cluster:  # it is sought that long
            use(cluster, 1)
            first.close()
            eventually(lambda: cluster.status == "lost")
            start(then, address.rpartition(":")[2])
            eventually(lambda: cluster.status == "connected")
            use(cluster, 2)


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2p1\r\n"])
def test_somebody_else_who_answers_is_no_scheduler(greeting):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            with server.accept()[0] as connection:
                connection.sendall(greeting)
                connection.recv(1 << 16)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(InputError, match="is not a Dask scheduler") as caught:
            moorage.attach(f"tcp://127.0.0.1:{server.getsockname()[1]}", timeout=5)
        assert "dashboard" in caught.value.remedy
        thread.join(10)


def test_a_port_that_there_cannot_be_is_refused_at_once():
    for target in ("127.0.0.1:99999", "tcp://127.0.0.1:0"):
        with pytest.raises(InputError, match="no port"):
            moorage.attach(target)


def test_somebody_who_does_not_answer_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(UnreachableError):
            moorage.attach(f"tcp://127.0.0.1:{silent.getsockname()[1]}", timeout=1)


@pytest.mark.parametrize("target", ["nonsense", "foo://bar:1", "tcp://", "", 3, "tcp://127.0.0.1:port"])
def test_what_is_no_address_is_refused(target):
    with pytest.raises(MoorageError):
        moorage.attach(target, timeout=1)


def test_a_worker_is_not_a_scheduler(plain):
    with moorage.attach(str(plain)) as cluster:
        cluster.wait_for_workers(2, 60)
        worker = cluster.workers()[0].address
    with pytest.raises(InputError, match="not of a scheduler"):
        moorage.attach(worker)


def test_a_file_that_is_no_scheduler_file(tmp_path):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match="not a scheduler file"):
        moorage.attach(str(tmp_path / "other.json"))


OLD = """
def dask_setup(scheduler):
    there = scheduler.handlers["versions"]

    def versions(*args, **kwargs):
        answer = there(*args, **kwargs)
        answer["packages"]["distributed"] = "2023.1.0"
        return answer

    scheduler.handlers["versions"] = versions
"""


def test_a_scheduler_that_is_too_old_is_refused_with_both_versions(tmp_path):
    (tmp_path / "old.py").write_text(OLD)
    file = tmp_path / "scheduler.json"
    more = ("--no-dashboard", "--scheduler-file", file, "--preload", tmp_path / "old.py")
    with dask("scheduler", tmp_path, *LOCAL, *more):
        address = address_of(file)
        with pytest.raises(VersionError, match=r"2023\.1\.0.*2026\.8"):
            moorage.attach(address)


OTHER_PYTHON = OLD.replace('["distributed"] = "2023.1.0"', '["python"] = "3.9.1.final.0"')
CHANGED = OLD.replace("2023.1.0", "2099.1.0") + "    del scheduler.handlers['update_data']\n"


@pytest.mark.filterwarnings("ignore::distributed.versions.VersionMismatchWarning")
@pytest.mark.parametrize(
    ("preload", "says"),
    [(OTHER_PYTHON, r"runs Python 3\.9, and this notebook Python 3\.\d"), (CHANGED, r"2099\.1\.0, this notebook 2026")],
)
def test_a_scheduler_that_cannot_run_placement_is_refused_with_both_versions(tmp_path, preload, says):
    (tmp_path / "other.py").write_text(preload)
    file = tmp_path / "scheduler.json"
    more = ("--no-dashboard", "--scheduler-file", file, "--preload", tmp_path / "other.py")
    with dask("scheduler", tmp_path, *LOCAL, *more):
        address = address_of(file)
        with pytest.raises(VersionError, match=says) as caught:
            moorage.attach(address)
        assert caught.value.remedy
        with Client(address, set_as_default=False) as client, pytest.raises(VersionError, match=says):
            moorage.install(client)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("tcp://127.0.0.1:8786", False),
        ("tcp://localhost:8786", False),
        ("tcp://[::1]:8786", False),
        ("tcp://10.0.0.7:8786", True),
        ("tcp://head.cluster:8786", True),
        ("tls://10.0.0.7:8786", False),
        ("inproc://10.0.0.7/1/2", False),
    ],
)
def test_open_is_what_others_reach_without_credentials(address, expected):
    assert is_open(address) is expected


def outer_address():
    """An address of this machine that is not on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        return probe.getsockname()[0]


@pytest.mark.skipif(outer_address() is None, reason="this machine has no address but loopback")
def test_an_open_cluster_is_warned_of_once(tmp_path):
    file = tmp_path / "scheduler.json"
    more = ("--no-dashboard", "--scheduler-file", file)
    with dask("scheduler", tmp_path, "--host", outer_address(), "--port", "0", *more):
        address = address_of(file)
        with pytest.warns(UserWarning, match="is open"), moorage.attach(address) as cluster:
            assert "is open" in next(iter(cluster.notices.values()))["message"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            moorage.attach(address).close()


def test_without_a_target_it_is_the_cluster_that_this_process_has():
    with moorage.start(n_workers=1) as cluster, moorage.start(n_workers=1) as other:
        assert moorage.attach() is other  # the notebook has lost its name, as after `%reset`
        other.stop()
        assert moorage.attach() is cluster

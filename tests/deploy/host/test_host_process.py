"""Starting a cluster in a process of its own: what it is given, who reaches it, and what is said where it cannot be."""

from __future__ import annotations

import os
import re
import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dask.config
import psutil
import pytest
from distributed import Client, Security

from moorage.deploy import host_process
from moorage.deploy.host_process import HostHandle, HostSpec, StartProgress, launch
from moorage.deploy.scratch import default_base
from moorage.deploy.security import MemorySecurity, to_texts
from moorage.errors import InputError, StartError
from tests.deploy.tools import (
    client_of,
    command,
    gone,
    infos,
    living,
    scratch_root,
    started,
    workers_of,
)
from tests.helpers import eventually

pytestmark = pytest.mark.usefixtures("root")


def test_where_no_process_can_be_started_that_is_what_is_said(tmp_path, monkeypatch):
    forbidden = tmp_path / "python"
    forbidden.touch(mode=0o600)
    monkeypatch.setattr(sys, "executable", str(forbidden))
    with pytest.raises(StartError, match=r"No process can be started here: .*Permission denied") as caught:
        launch(HostSpec(n_workers=1))
    assert "%cluster attach" in caught.value.remedy


def test_a_port_that_is_taken_is_named(root):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"cannot have port {port}: another process has it") as caught:
            launch(HostSpec(n_workers=1, options={"scheduler_port": port}))
    assert "one that is free" in caught.value.remedy


def test_closing_leaves_no_process_and_no_file(root):
    seen: list[StartProgress] = []
    handle = launch(HostSpec(n_workers=2), on_progress=seen.append)
    assert handle.alive
    assert seen[-1] == StartProgress(arrived=2, requested=2)
    assert Path(handle.info.scratch).is_relative_to(root)
    assert len(living(handle.info.pid)) >= 4  # the host, what it forks from, two workers
    mapped = Path(f"/proc/{handle.info.pid}/maps").read_text()
    assert "/pandas/" not in mapped  # only workers need it
    semaphores = set(re.findall(r"/dev/shm/\S+", mapped))
    assert semaphores
    handle.close()
    assert not handle.alive
    eventually(lambda: gone(handle.info.pid, handle.info.scratch))
    assert not [path for path in semaphores if Path(path).exists()]
    handle.close()


@pytest.fixture(scope="module")
def handle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostHandle]:
    """One for all that is only looked at, in a scratch folder of its own."""
    beside = tmp_path_factory.mktemp("notebook")
    (beside / "beside_the_notebook.py").write_text("def answer(): return 42\n")
    options = {"n_workers": 3, "names": ["alice", "Bob's <b>"], "threads_per_worker": 3, "memory_limit": "300MB"}
    with pytest.MonkeyPatch.context() as patch, scratch_root():
        patch.syspath_prepend(beside)
        with dask.config.set({"distributed.worker.memory.target": 0.123}), started(**options) as handle:
            yield handle


def test_the_first_workers_have_the_names_given_and_the_others_numbers(handle):
    with client_of(handle) as client:
        info = command(client)
        assert list(info["requested"]) == ["alice", "Bob's <b>", "2"]
        assert sorted(info["arrived"]) == sorted(info["requested"])
        assert client.submit(os.getpid, workers=["Bob's <b>"]).result() > 0
        assert client.submit(os.getpid, workers=["alice"]).result() > 0


def test_workers_are_started_by_spawning_if_asked():
    with started(n_workers=1, start_method="spawn") as handle:
        assert len(workers_of(handle)) == 1
    eventually(lambda: gone(handle.info.pid, handle.info.scratch))


def test_threads_and_memory_are_as_asked(handle):
    with client_of(handle) as client:
        for _, info in infos(client):
            assert info["nthreads"] == 3
            assert info["memory_limit"] == 300_000_000


def test_workers_import_what_the_starter_imports_and_share_its_configuration(handle):
    from beside_the_notebook import answer  # type: ignore[import-not-found]

    with client_of(handle) as client:
        assert client.submit(answer).result() == 42
        assert client.submit(dask.config.get, "distributed.worker.memory.target").result() == 0.123


def test_every_socket_is_on_loopback(handle):
    host = psutil.Process(handle.info.pid)
    listening = [
        connection.laddr.ip
        for process in [host, *host.children(recursive=True)]
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 4  # scheduler, nannies, workers
    assert set(listening) == {"127.0.0.1"}


def test_a_client_without_the_credentials_is_refused(handle):
    with pytest.raises((OSError, TimeoutError)):
        Client(handle.info.address.replace("tls", "tcp"), timeout=2, set_as_default=False)
    other = Security.temporary()
    with pytest.raises((OSError, TimeoutError, ssl.SSLError)):
        Client(handle.info.address, security=other, timeout=2, set_as_default=False)
    with client_of(handle) as client:
        assert client.submit(sum, [1, 2]).result() == 3


def test_no_secret_is_on_a_command_line_in_an_environment_or_on_disk(handle):
    secret = to_texts(handle.info.security)["tls_client_key"].splitlines()[1]
    host = psutil.Process(handle.info.pid)
    for process in [host, *host.children(recursive=True)]:
        shown = " ".join(process.cmdline()) + " ".join(process.environ().values())
        assert secret not in shown
    root = Path(handle.info.scratch).parents[1]
    assert default_base(str(root)).stat().st_mode & 0o777 == 0o700
    files = [path for path in root.rglob("*") if path.is_file()]
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_without_dashboard_no_page_is_served(handle):
    def pages(handle):
        host = psutil.Process(handle.info.pid)
        found = []
        for process in [host, *host.children(recursive=True)]:
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    for page in ("health", "metrics", "info/main/workers.html"):
                        try:
                            urllib.request.urlopen(
                                f"http://127.0.0.1:{connection.laddr.port}/{page}", timeout=2
                            ).close()
                            found.append(page)
                        except urllib.error.HTTPError as error:
                            error.close()
                        except OSError:
                            pass  # not HTTP
        return found

    assert "health" in pages(handle)  # the others are for who has the link
    with started(n_workers=1, dashboard=False) as handle:
        assert handle.info.dashboard_link == ""
        assert pages(handle) == []


def test_a_start_that_takes_too_long_is_given_up(root):
    with pytest.raises(StartError, match=r"within 0\.1 s"):
        launch(HostSpec(n_workers=2), timeout=0.1)
    # what keeps its memory may just have started, and ends once it sees that it is alone
    eventually(lambda: not [path for path in root.glob("moorage-*/*") if path.is_dir()])


def test_a_host_that_dies_before_it_has_told_of_its_folder_leaves_none(root, monkeypatch):
    def die(dialogue, event):
        dialogue._process.kill()
        raise StartError("It was killed.", "")

    monkeypatch.setattr(host_process._Dialogue, "_take", die)
    with pytest.raises(StartError, match="killed"):
        launch(HostSpec(n_workers=1))
    assert not [path for path in root.glob("moorage-*/*") if path.is_dir()]


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"cluster_class": "distributed.NoSuchCluster"}, InputError, "NoSuchCluster"),
        ({"cluster_class": "no_such_module.Cluster"}, InputError, "no_such_module"),
        ({"cluster_class": "builtins.dict"}, StartError, "builtins.dict"),
        ({"n_workers": 1, "options": {"preload": ["no_such_preload"]}}, StartError, "no_such_preload"),
        ({"n_workers": 1, "options": {"no_such_option": 1}}, StartError, "no_such_option"),
    ],
)
def test_what_cannot_be_started_says_why(options, error, says):
    with pytest.raises(error, match=says):
        launch(HostSpec(**options))


def test_a_host_that_ends_at_once_says_why(monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # no interpreter can start
    with pytest.raises(StartError, match="ended while it started") as caught:
        launch(HostSpec(n_workers=1))
    assert "encodings" in caught.value.remedy


def test_credentials_touch_no_disk(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr("tempfile.TemporaryDirectory", lambda *args, **kwargs: written.append(args))
    security = MemorySecurity.temporary()
    for role in ("client", "scheduler", "worker"):
        context = security.get_connection_args(role)["ssl_context"]
        assert context.verify_mode == ssl.CERT_REQUIRED
    assert written == []


def test_a_long_path_for_scratch_files_works(tmp_path):
    deep = tmp_path / ("deep" * 20)
    with dask.config.set({"temporary-directory": str(deep)}), started(n_workers=1) as handle:
        assert Path(handle.info.scratch).is_relative_to(deep)
        assert len(workers_of(handle)) == 1
    eventually(lambda: gone(handle.info.pid, handle.info.scratch))

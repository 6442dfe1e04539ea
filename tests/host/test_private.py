"""Nobody else on this machine reaches a cluster or reads what belongs to it: tried as another user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dask.config
import psutil
import pytest

import moorage
from moorage.kernel.kept import state_folder
from tests.host.tools import scratch_root

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")

NOBODY = 65534

ATTEMPTS = """
import encodings.idna, json, os, socket, ssl, sys

os.setgroups([])
os.setgid(NOBODY)
os.setuid(NOBODY)
order = json.loads(sys.stdin.read())
got = []

for host, port in order["ports"]:
    # Dask's own greeting is not answered in plain text, and a handshake without a certificate of this cluster fails.
    with socket.create_connection((host, port), timeout=5) as plain:
        plain.settimeout(10)
        try:
            plain.sendall((1).to_bytes(8, "little") + b"x")
            if plain.recv(100):
                got.append(f"plain answer at port {port}")
        except OSError:
            pass
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=5) as raw, context.wrap_socket(raw) as secure:
            secure.settimeout(5)
            secure.sendall(b"x" * 100)
            if secure.recv(100):
                got.append(f"encrypted answer at port {port}")
    except OSError:
        pass

for path in order["paths"]:
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read()
    except OSError:
        continue
    got.append(path)

print(json.dumps({"uid": os.getuid(), "got": got}))
""".replace("NOBODY", str(NOBODY))


def as_nobody(within=(), **order):
    """Return what another user gets; `within` is a command that runs another one, on another host for instance."""
    command = [*within, sys.executable, "-S", "-c", ATTEMPTS]
    done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["uid"] == NOBODY
    return told["got"]


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    runtime = tmp_path / "runtime"
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/") and folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)  # nothing above is what keeps others out
    with scratch_root() as root:
        root.chmod(0o755)
        with moorage.start(n_workers=1, threads_per_worker=1) as cluster:
            cluster.keep()
            cluster.broadcast(b"secret" * 1000, name="x")
            yield cluster
            cluster.keep(False)


def processes(cluster):
    host = psutil.Process(cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"])
    return [host, *host.children(recursive=True)]


def test_scheduler_workers_and_nannies_answer_nobody_else(cluster):
    ports = {
        (connection.laddr.ip, connection.laddr.port)
        for process in processes(cluster)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    dashboards = {("127.0.0.1", int(link.split(":")[2].split("/")[0])) for link in [cluster.dashboard_link] if link}
    identity = cluster.client.sync(cluster.client.scheduler.identity)
    pages = {("127.0.0.1", port) for port in [identity["services"].get("dashboard")] if port}
    pages |= {("127.0.0.1", port) for worker in identity["workers"].values() for port in worker["services"].values()}
    ports -= dashboards | pages
    assert len(ports) >= 3  # scheduler, nanny, worker
    assert as_nobody(ports=sorted(ports), paths=[]) == []


def test_state_files_scratch_folders_and_environments_are_closed_to_others(cluster):
    (state,) = state_folder().iterdir()
    paths = [str(state_folder()), str(state)]
    assert "PRIVATE KEY" in state.read_text()
    (base,) = Path(dask.config.get("temporary-directory")).glob("moorage-*")
    paths += [str(base), *(str(path) for path in base.rglob("*"))]
    assert len(paths) > 4
    for process in processes(cluster):
        paths += [f"/proc/{process.pid}/environ", f"/proc/{process.pid}/mem", f"/proc/{process.pid}/fd"]
    assert as_nobody(ports=[], paths=paths) == []


def test_command_lines_hold_no_secret(cluster):
    secret = json.loads(next(state_folder().iterdir()).read_text())["tls"]["tls_client_key"].splitlines()[1]
    for process in processes(cluster):
        assert secret not in " ".join(process.cmdline())


def test_what_is_open_is_found(cluster, tmp_path):
    """The attempts above would find something if there were something."""
    (tmp_path / "open").write_text("all may read this")
    (tmp_path / "open").chmod(0o644)
    assert as_nobody(ports=[], paths=[str(tmp_path / "open")]) == [str(tmp_path / "open")]
    with moorage.start(n_workers=1, insecure=True) as other:
        port = int(other.address.rpartition(":")[2])
        assert as_nobody(ports=[("127.0.0.1", port)], paths=[]) == [f"plain answer at port {port}"]

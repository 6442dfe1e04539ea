"""Nobody else on this machine reaches a cluster or reads what belongs to it: tried as another user."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import dask.config
import psutil
import pytest

import moorage
from moorage.deploy.kept import state_folder
from tests.deploy.tools import scratch_root
from tests.helpers import worker_infos

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")

NOBODY = 65534
PAGES = [
    *("/", "/status", "/status/ws", "/status/autoload.js?bokeh-autoload-element=1", "/individual-exceptions"),
    *("/info/main/workers.html", "/info/main/exceptions.html", "/info/logs.html", "/json/identity.json"),
    *("/metrics", "/sitemap.json", "/statics/css/base.css", "/jupyter/lab", "/no/such/page"),
]

ATTEMPTS = r"""
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

for host, port, headers in order["pages"]:
    for page in PAGES:
        try:
            with socket.create_connection((host, port), timeout=5) as plain:
                plain.settimeout(10)
                request = [f"GET {page} HTTP/1.1", *headers]
                plain.sendall("\r\n".join([*request, "", ""]).encode())
                answer = plain.recv(10_000)
        except OSError:
            continue
        if answer and not answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400")):
            got.append(f"page {page} at port {port}: {answer[:40]}")

for path in order["sockets"]:
    address = chr(0) + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX) as unix:
            unix.settimeout(5)
            unix.connect(address)
    except OSError:
        continue
    got.append(f"socket {path}")

for path in order["paths"]:
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read()
    except OSError:
        continue
    got.append(path)

print(json.dumps({"uid": os.getuid(), "got": got}))
""".replace("NOBODY", str(NOBODY)).replace("PAGES", repr(PAGES))


def as_nobody(within=(), *, ports=(), pages=(), sockets=(), paths=()):
    """Return what another user gets; `within` is a command that runs another one, on another host for instance."""
    command = [*within, sys.executable, "-S", "-c", ATTEMPTS]
    order = json.dumps({"ports": list(ports), "pages": list(pages), "sockets": list(sockets), "paths": list(paths)})
    done = subprocess.run(command, input=order, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["uid"] == NOBODY
    return told["got"]


def open_to_all(path):
    """Let nothing above `path` be what keeps others out."""
    for folder in (path, *path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/") and folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    runtime = tmp_path_factory.mktemp("private")
    open_to_all(runtime)
    with scratch_root() as root, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(runtime / "runtime"))
        root.chmod(0o755)
        with moorage.start(n_workers=1, threads_per_worker=1) as cluster:
            cluster.keep()
            cluster.broadcast(b"secret" * 1000, name="x")
            yield cluster
            cluster.keep(False)


def processes(cluster):
    host = psutil.Process(cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"])
    return [host, *host.children(recursive=True)]


def listening(processes):
    return {
        (connection.laddr.ip, connection.laddr.port)
        for process in processes
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def unix_sockets(processes):
    """Return those with a name: a path, or one that begins with @."""
    inodes = {
        match[1]
        for process in processes
        for fd in Path(f"/proc/{process.pid}/fd").iterdir()
        if fd.is_symlink() and (match := re.match(r"socket:\[(\d+)\]", os.readlink(fd)))
    }
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return {line[7] for line in lines if len(line) > 7 and line[6] in inodes}


def test_scheduler_workers_and_nannies_answer_nobody_else(cluster):
    here = listening([psutil.Process()])
    ports = listening(processes(cluster))
    assert len(ports) >= 5  # scheduler, nanny, worker, and the pages of two of them
    dashboard = urlsplit(cluster.dashboard_link).port
    (worker,) = worker_infos(cluster.client).values()
    pages = {("127.0.0.1", port) for port in (dashboard, worker["services"]["dashboard"])}
    assert pages < ports
    assert here.isdisjoint(ports)

    def raising():
        raise ValueError("secret exception")

    cluster.client.submit(raising, key="secret-key").exception()
    headers = [f"Host: 127.0.0.1:{dashboard}"]
    websocket = [*headers, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    websocket += ["Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==", "Sec-WebSocket-Protocol: bokeh, x"]
    tried = ([], headers, websocket, [*headers, "Authorization: Bearer x"], [*headers, "X-Forwarded-For: 127.0.0.1"])
    asked = [(host, port, headers) for host, port in sorted(pages) for headers in tried]
    assert as_nobody(ports=sorted(ports - pages), pages=asked) == []
    assert as_nobody(sockets=sorted(unix_sockets(processes(cluster)))) == []


def test_state_files_scratch_folders_and_environments_are_closed_to_others(cluster):
    (state,) = state_folder().iterdir()
    paths = [str(state_folder()), str(state)]
    assert "PRIVATE KEY" in state.read_text()
    assert parse_qs(urlsplit(cluster.dashboard_link).query)["token"][0] in state.read_text()
    (base,) = Path(dask.config.get("temporary-directory")).glob("moorage-*")
    paths += [str(base), *(str(path) for path in base.rglob("*"))]
    assert len(paths) > 4
    for process in processes(cluster):
        proc = Path(f"/proc/{process.pid}")
        paths += [str(proc / name) for name in ("environ", "mem", "fd", "maps")]
        paths += re.findall(r"/dev/shm/\S+", (proc / "maps").read_text())
        written = [file.path for file in process.open_files() if file.mode != "r"]
        paths += [path for path in written if not path.startswith("/dev/")]
    assert as_nobody(paths=paths) == []


def test_command_lines_hold_no_secret(cluster):
    key = json.loads(next(state_folder().iterdir()).read_text())["tls"]["tls_client_key"].splitlines()[1]
    (token,) = parse_qs(urlsplit(cluster.dashboard_link).query)["token"]
    for process in processes(cluster):
        for secret in (key, token):
            assert secret not in " ".join(process.cmdline())


def test_what_is_open_is_found(tmp_path):
    """The attempts above would find something if there were something."""
    open_to_all(tmp_path)
    (tmp_path / "open").write_text("all may read this")
    (tmp_path / "open").chmod(0o644)
    assert as_nobody(paths=[str(tmp_path / "open")]) == [str(tmp_path / "open")]
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "socket"))
        unix.listen()
        (tmp_path / "socket").chmod(0o777)
        assert as_nobody(sockets=[str(tmp_path / "socket")]) == [f"socket {tmp_path / 'socket'}"]
    with pytest.warns(UserWarning, match="has no TLS"):
        other = moorage.start(n_workers=1, insecure=True)
    with other:
        port = int(other.address.rpartition(":")[2])
        assert as_nobody(ports=[("127.0.0.1", port)]) == [f"plain answer at port {port}"]
        link = urlsplit(other.dashboard_link)
        (token,) = parse_qs(link.query)["token"]
        headers = [f"Host: {link.netloc}", f"Authorization: Bearer {token}"]
        assert len(as_nobody(pages=[("127.0.0.1", link.port, headers)])) > 10

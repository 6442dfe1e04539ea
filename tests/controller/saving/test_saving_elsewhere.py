"""Variables are saved to another machine, by SFTP, and restored from there, whatever becomes of it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from moorage.errors import SaveError

BIG = np.random.default_rng(0).normal(size=100_000)
PARTS = [np.full(30_000, i) for i in range(4)]


@pytest.fixture
def serve(tmp_path):
    """Return a function that starts the server, instead of one that runs, and returns the URL of a folder there."""
    pytest.importorskip("asyncssh")
    pytest.importorskip("sshfs")
    servers, port = [], "0"

    def start(dies_in=None):
        nonlocal port
        for server in servers:
            server.kill()
            server.wait()
        command = [sys.executable, Path(__file__).with_name("sftp_server.py"), port, tmp_path, *filter(None, [dies_in])]
        servers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        port = servers[-1].stdout.readline().strip()
        return f"ssh://somebody@127.0.0.1:{port}/saved"

    yield start
    for server in servers:
        server.kill()
        server.communicate()


def test_another_machine_is_written_to_and_read_by_workers(cluster, serve, tmp_path):
    place = serve()
    cluster.broadcast(BIG, name="big")
    cluster.scatter(PARTS, name="parts")
    cluster.save(to=place)
    cluster.release("big", "parts")
    with pytest.raises(SaveError, match="trust"):
        cluster.restore(from_=place)
    cluster.restore(from_=place, trust=True)
    np.testing.assert_array_equal(cluster.gather("big"), BIG)
    np.testing.assert_equal(cluster.gather("parts"), PARTS)
    cluster.save("parts", to=serve(), overwrite=True)  # by new connections
    cluster.release("big", "parts")
    assert cluster.restore(from_=place, trust=True) == ["parts"]
    np.testing.assert_equal(cluster.gather("parts"), PARTS)
    assert len(os.listdir(tmp_path / "saved")) == 1 + len(PARTS[:2])


@pytest.mark.parametrize("dies_in", [".images", "moorage.json", "moorage.json.before"])
def test_a_server_that_dies_at_any_moment_leaves_the_last_save_whole(cluster, serve, dies_in):
    place = serve()
    cluster.broadcast(BIG, name="x")
    cluster.save(to=place)
    cluster.broadcast(BIG + 1, name="x")
    serve(dies_in)
    with pytest.raises(SaveError, match="is unchanged"):
        cluster.save(to=place, overwrite=True)
    serve()
    cluster.release("x")
    cluster.restore(from_=place, trust=True)
    np.testing.assert_array_equal(cluster.gather("x"), BIG)
    cluster.broadcast(BIG + 2, name="x")
    cluster.save(to=place, overwrite=True)
    cluster.release("x")
    cluster.restore(from_=place, trust=True)
    np.testing.assert_array_equal(cluster.gather("x"), BIG + 2)

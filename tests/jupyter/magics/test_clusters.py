"""Clusters by magics: their status, their size, several of them, lost ones, and the variables of another notebook."""

import dask
import pytest
from distributed import Client

import moorage
from tests.helpers import eventually


def test_the_status_shows_cluster_and_workers(notebook):
    shown = notebook.run("%cluster")
    assert "2 workers, 2 threads" in shown
    assert "TLS" in shown
    assert "alice" in shown


def test_workers_are_let_go_by_name_and_their_data_stays(notebook, running):
    notebook.run("x = 'text'\n%pin x --workers bob\n%cluster scale --remove bob")
    assert running.worker_names() == ["alice"]
    assert running.placement()["x"].holders == ["alice"]
    assert "no worker 'carol'" in notebook.fail("%cluster scale --remove carol")[0].message
    notebook.run("%cluster scale 2")
    eventually(lambda: running.placement()["x"].holders == ["bob"])


def test_of_two_clusters_the_one_attached_last_is_meant(notebook, running):
    notebook.run("%cluster start -n 1 --as second")
    try:
        notebook.run("x = 'text'\n%broadcast x")
        assert list(notebook.names["second"]) == ["x"]
        assert list(running) == []
        shown = notebook.run("%cluster")
        assert f"The magics use {notebook.names['second'].name}" in shown
        notebook.run("%cluster attach cluster\n%broadcast x")
        assert list(running) == ["x"]
        notebook.run("%cluster attach second")
    finally:
        notebook.run("%cluster stop")
    assert notebook.names["second"].status == "stopped"
    assert "alice" in notebook.run("%cluster")


@pytest.fixture
def other_notebook(running):
    """Another notebook on the same cluster."""
    client = Client(running.address, security=running.client.security, set_as_default=False)
    with dask.config.set({"moorage.owner": "other.ipynb"}):
        controller = moorage.attach(client)
    moorage.attach(running)
    yield controller
    controller.close()
    client.close()


def test_another_notebook_s_variable_does_not_take_the_place_of_one_s_own(notebook, running, other_notebook):
    other_notebook.broadcast("theirs", name="x")
    notebook.run("x = 'mine'\n%broadcast x")
    assert "x@other.ipynb" in notebook.run("%placement")
    assert notebook.value("%gather x@other.ipynb") == "theirs"
    assert notebook.names["x"] == "mine"
    assert notebook.value("%gather x") == "mine"
    other_notebook.release("x")


def test_attach_to_nobody_says_what_was_tried(notebook):
    error, _ = notebook.fail("%cluster attach tcp://127.0.0.1:9 --timeout 2 --as other")
    assert type(error).__name__ == "UnreachableError"
    assert "127.0.0.1:9" in error.message
    assert "other" not in notebook.names


def test_a_lost_cluster_is_found_again_replaced_and_stopped(notebook, running):
    notebook.run("%cluster start -n 1 --threads 1 --as second")
    old = notebook.names["second"]
    old.client.close()
    assert "lost" in notebook.run("%cluster")
    assert "connected" in notebook.run("%cluster attach second --as second")
    again = notebook.names["second"]
    assert (again.address, again.handle.alive, old.status) == (old.address, True, "stopped")
    again.client.close()
    notebook.run("%cluster start -n 1 --threads 1 --as second")
    new = notebook.names["second"]
    assert (new.status, again.status, again.handle.alive) == ("connected", "stopped", False)
    assert new.address != again.address
    new.client.close()
    assert f"{new.name}: stopped" in notebook.run("%cluster stop")
    assert not new.handle.alive
    assert moorage.controller.registry.current() is running
    del notebook.names["second"]

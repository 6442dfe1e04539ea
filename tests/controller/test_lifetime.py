"""What is placed for a time is let go when that is over, with a word to the notebooks, or none attached."""

import numpy as np
import pytest

import moorage
from moorage.errors import InputError
from moorage.jupyter.display import sentence
from tests.helpers import eventually

X = np.arange(200_000)


@pytest.mark.parametrize("value", [X, list(range(10))])
def test_a_variable_is_let_go_when_its_time_is_over_and_its_notebook_told(cluster, value):
    cluster.scatter(value, name="x", lifetime="500 ms")
    cluster.broadcast(X, name="y")
    eventually(lambda: "x" not in cluster)
    assert cluster.placement()["y"].state == "held"
    assert any(notice["message"].startswith("x was let go") for notice in cluster.link.notices.values())
    assert any(event["message"].startswith("x was let go") for event in cluster.link.events)


def test_placing_it_again_without_a_time_cancels_it(cluster):
    cluster.broadcast(X, name="x", lifetime="1h")
    state = cluster.placement()["x"]
    assert " until " in sentence("x", state, 2)
    cluster.pin("x", workers=["bob"])
    state = cluster.placement()["x"]
    assert state.until == 0
    assert " until " not in sentence("x", state, 2)
    cluster.pin("x", workers=["bob"], lifetime="1h")
    assert cluster.placement()["x"].until > 0


def test_undo_gives_the_time_back(cluster):
    cluster.broadcast(X, name="x", lifetime="1h")
    until = cluster.placement()["x"].until
    cluster.pin("x", workers=["bob"])
    cluster.undo()
    assert cluster.placement()["x"].until == pytest.approx(until, abs=30)


def test_it_ends_for_all_notebooks_when_that_which_placed_it_is_gone(cluster):
    with moorage.attach(cluster.address, security=cluster.client.security) as other:
        other.placer.owner = other.link.events.owner = "other"
        other.broadcast(X, name="z", lifetime="1s")
        eventually(lambda: "z" in cluster)
    eventually(lambda: "z" not in cluster)
    eventually(lambda: any(event["message"].startswith("z@other was let go") for event in cluster.link.events))


@pytest.mark.parametrize("lifetime", [0, -1, "soon", float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(cluster, lifetime):
    with pytest.raises(InputError, match=r"lifetime|duration"):
        cluster.broadcast(X, name="x", lifetime=lifetime)
    assert "x" not in cluster

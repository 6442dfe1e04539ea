"""What was done last is taken back: moves, releases, new variables, sizes; and what would be lost is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.controller.undoing.history import History, Placed, Size
from moorage.errors import ClusterError, DoesNotFitError, InputError
from moorage.model import Anywhere, Everywhere, OnWorkers

PLACED = st.none() | st.builds(
    Placed, st.sampled_from([Everywhere(), Anywhere(), OnWorkers(("bob",))]), st.booleans(), st.just(("k",))
)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), PLACED, min_size=3), min_size=2, max_size=8))
def test_steps_taken_back_one_by_one_lead_to_the_beginning(states):
    history = History()
    for before, now in itertools.pairwise(states):
        history.placed(before, now)
    state = dict(states[-1])
    while history.words:
        step = history.last
        state.update(step.variables)
        history.taken_back(step)
    assert state == states[0]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ({"x": None}, "x released"),
        ({"x": Placed(Everywhere(), True, ())}, "x placed everywhere"),
        ({n: Placed(OnWorkers(("al",)), True, ()) for n in "abcde"}, "a, b, c and 2 more placed on al"),
    ],
)
def test_a_step_is_said_in_words(now, words):
    history = History()
    history.placed(dict.fromkeys(now, Placed(Anywhere(), True, ())), now)
    assert history.words == words


def test_what_changes_nothing_is_no_step():
    history = History()
    history.placed({"x": None}, {"x": None})
    history.resized(Size(2), Size(2))
    assert history.words == ""
    with pytest.raises(ClusterError, match="nothing to undo"):
        _ = history.last


def test_a_move_is_taken_back_and_then_what_was_before(cluster, names):
    x = names["x"] = np.arange(1000)
    cluster.pin("x", workers=["alice"], value=x)
    cluster.pin("x", workers=["bob"])
    cluster.broadcast(x, name="x")
    assert cluster.undoable == "x placed everywhere"
    assert cluster.undo() == "x placed everywhere"
    assert cluster.placement()["x"].holders == ["bob"]
    assert cluster.undo() == "x placed on bob"
    assert cluster.placement()["x"].holders == ["alice"]
    assert cluster.undo() == "x placed on alice"
    assert "x" not in cluster


def test_what_was_released_is_placed_again_as_it_was(cluster, names):
    x, parts = names["x"], names["parts"] = np.arange(1000), [1, 2, 3, 4]
    cluster.pin("x", workers=["bob"], value=x)
    cluster.scatter(parts, name="parts")
    cluster.release("x", "parts")
    assert cluster.undo() == "x, parts released"
    assert cluster.placement()["x"].holders == ["bob"]
    assert cluster.placement()["parts"].nkeys == 4
    assert cluster.gather("parts") == parts


def test_several_that_were_moved_together_go_back_together(cluster, names):
    values = {"x": np.arange(1000), "y": np.arange(2000)}
    names.update(values)
    cluster.pin("x", workers=["alice"], value=values["x"])
    cluster.broadcast(values["y"], name="y")
    cluster.place(["x", "y"], OnWorkers(("bob",)))
    assert cluster.undo() == "x, y placed on bob"
    states = cluster.placement()
    assert (states["x"].holders, states["y"].holders) == (["alice"], ["alice", "bob"])


def test_what_is_only_on_the_cluster_is_not_lost_by_undoing(cluster, names):
    made = cluster.submit(np.ones, 1000)
    made.result()
    cluster.pin("made", workers=["bob"], value=made)
    names["made"] = cluster["made"]
    with pytest.raises(InputError, match="would lose made") as refused:
        cluster.undo()
    assert "%gather made" in refused.value.remedy
    assert cluster.placement()["made"].holders == ["bob"]
    assert cluster.undoable == "made placed on bob"  # still
    cluster.release("made")
    del names["made"], made
    with pytest.raises(InputError, match="made cannot be placed again: it was only on the cluster"):
        cluster.undo()


def test_what_cannot_be_placed_is_not_a_step(cluster, names):
    names["x"] = x = np.arange(1000)
    cluster.pin("x", workers=["alice"], value=x)
    before = cluster.undoable
    with pytest.raises(DoesNotFitError):
        cluster.broadcast(np.zeros(4 * 10**9 // 8), name="huge")
    with pytest.raises(InputError):
        cluster.scatter(x, name="x", by="colour")
    assert cluster.undoable == before


def test_a_size_is_taken_back(cluster, names):
    names["x"] = x = np.arange(1000)
    cluster.broadcast(x, name="x")
    cluster.scale(3)
    assert cluster.undo() == "scaled to 3 workers"
    assert len(cluster.worker_names()) == 2
    cluster.adapt(2, 3)
    assert cluster.undo() == "adapted between 2 and 3 workers"
    assert cluster.status_info()["adapt"] == []
    assert cluster.placement()["x"].holders == ["alice", "bob"]

"""Placing by the panel on a real kernel with a real cluster: at all times, also while a cell runs."""

import pytest

from tests.jupyter.panel.live import BUSY, SLEEP, held, refused


@pytest.mark.parametrize("cell", [SLEEP, BUSY], ids=["sleep", "busy loop"])
def test_placing_works_while_a_cell_runs(panel, cell):
    panel.kernel.run("x = np.arange(1000)")
    with panel.kernel.running(cell):
        assert panel.place("x", workers=["alice"])["ok"]
        panel.see(held("x", "alice"))
        assert panel.place("x")["ok"]  # also after pushes have been sent meanwhile
        panel.see(held("x", "alice", "bob"))
        assert panel.ask("release", names=["x"])["ok"]
        panel.see(lambda state: "x" not in state["variables"])
    assert panel.kernel.run("print(x.sum())") == "499500\n"


def test_a_name_of_the_notebook_is_placed_by_its_value(panel):
    panel.kernel.run("x = list(range(5))\nx2 = {'a': 1}")
    assert panel.place("x", "x2", workers=["bob"])["ok"]
    panel.see(lambda state: held("x", "bob")(state) and held("x2", "bob")(state))
    assert panel.state["variables"]["x"]["nkeys"] == 1
    assert panel.ask("place", names=["x"], placement={"kind": "anywhere", "copies": 1}, force=False)["ok"]
    assert panel.kernel.run("print(cluster.gather('x'))") == "[0, 1, 2, 3, 4]\n"


def test_a_value_that_has_changed_is_placed_as_it_is_now(panel):
    panel.kernel.run("x = np.arange(3)\n%pin x --workers alice")
    panel.see(held("x", "alice"))
    panel.kernel.run("x = np.arange(4)")
    panel.see(lambda state: state["variables"]["x"]["stale"])
    assert panel.place("x", workers=["bob"])["ok"]
    state = panel.see(held("x", "bob"))
    assert not state["variables"]["x"]["stale"]
    assert panel.kernel.run("print(cluster.gather('x'))") == "[0 1 2 3]\n"


@pytest.fixture
def private(panel):
    """Copies take memory of the workers, as where they cannot share it."""
    switch = "import dask\ndask.config.set({{'moorage.images.share': {}}});"
    panel.kernel.run(switch.format(False))
    yield
    panel.kernel.run(switch.format(True))


def test_several_are_placed_all_or_none(panel, private):
    panel.kernel.run("x1 = np.ones(3)\nx2 = np.ones(150_000_000)\n%pin x1 --workers bob")
    panel.see(held("x1", "bob"))
    before = panel.ask("snapshot")["result"]["state"]["variables"]
    error = refused(panel.place("x1", "x2"), "DoesNotFitError", "x2")
    assert "force" in error["remedy"]
    refused(panel.place("x1", "nobody"), "UnknownVariableError", "nobody")
    refused(panel.place("x1", workers=["alice", "nobody"]), "UnknownWorkerError", "nobody")
    assert panel.ask("snapshot")["result"]["state"]["variables"] == before
    panel.kernel.run("del x2")


def test_what_would_fit_alone_but_not_together_is_refused(panel, private):
    panel.kernel.run("x1 = np.ones(50_000_000)\nx2 = np.ones(50_000_001)")
    refused(panel.place("x1", "x2", workers=["alice"]), "DoesNotFitError")
    panel.kernel.run("del x1, x2")


def test_what_was_done_last_is_taken_back(panel):
    panel.kernel.run("x = np.arange(10)\n%pin x --workers alice")
    assert panel.ask("place", names=["x"], placement={"kind": "everywhere"}, force=False)["ok"]
    panel.see(lambda state: state["undoable"] == "x placed everywhere")
    assert panel.ask("undo")["ok"]
    panel.see(held("x", "alice"))
    assert panel.state["undoable"] == "x placed on alice"
    assert panel.ask("release", names=["x"])["ok"]
    panel.see(lambda state: state["undoable"] == "x released")
    assert panel.kernel.run("%undo").strip() == "undone: x released"
    panel.see(held("x", "alice"))
    panel.kernel.run("%release x\ndel x")
    refused(panel.ask("undo"), "InputError", "only on the cluster")


def test_some_parts_are_placed_by_name_and_that_is_taken_back(panel):
    panel.kernel.run("import dask.array\nx = dask.array.ones((4, 6), chunks=(1, 2)).persist()")
    panel.place("x[0:2,1]", workers=["bob"])
    panel.see(held("x[0:2,1]", "bob"))
    panel.see(lambda state: state["undoable"] == "x[0:2,1] placed on bob")
    on_bob = "{part.block for part in cluster.parts('x') if 'bob' in part.workers}"
    assert panel.kernel.run(f"print({{(0, 1), (1, 1)}} <= {on_bob})").strip() == "True"
    refused(panel.place("x[9,9]", workers=["bob"]), "InputError", "4 x 3 blocks")
    refused(panel.place("nothing[0]", workers=["bob"]), "UnknownVariableError")
    assert panel.ask("release", names=["x[0:2,1]"])["ok"]
    panel.see(lambda state: state["undoable"] == "x[0:2,1] released")
    assert panel.ask("undo")["ok"]
    panel.see(held("x[0:2,1]", "bob"))
    assert panel.ask("undo")["ok"]
    panel.see(lambda state: "x[0:2,1]" not in state["variables"])


SLOW = """
import time
class Slow:
    def __init__(self, error=None):
        self.error = error
    def __reduce__(self):
        time.sleep(3)
        if self.error:
            raise self.error
        return Slow, ()
"""


def test_a_slow_value_is_shown_as_on_its_way_until_it_is_there(panel):
    panel.kernel.run(SLOW + "x = Slow()")
    assert panel.place("x", workers=["alice"])["ok"]
    state = panel.see(lambda state: "x" in state["variables"])
    assert state["variables"]["x"]["state"] == "moving"
    assert state["variables"]["x"]["pending"] == {"rest": 0, "others": {"alice": 1}}
    assert state["variables"]["x"]["held"] == {"rest": 0, "others": {}}
    panel.see(held("x", "alice"))


def test_what_fails_after_the_reply_becomes_a_notice_until_it_is_dismissed(panel):
    panel.kernel.run(SLOW + "x = Slow(RuntimeError('<b>broken</b>'))")
    assert panel.place("x", workers=["alice"])["ok"]
    state = panel.see(lambda state: state["notices"])
    (notice,) = state["notices"].values()
    assert notice["level"] == "error"
    assert notice["variable"] == "x"
    assert "x could not be placed" in notice["message"]
    assert "<b>broken</b>" in notice["message"]
    panel.see(lambda state: "x" not in state["variables"])
    panel.ask("dismiss", id=notice["id"])
    panel.see(lambda state: state["notices"] == {})

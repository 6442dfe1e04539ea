"""What assistants want changed: the user agrees in a panel, or nothing happens."""

from itertools import count

import pytest

from moorage.wire.scheduler import PROTOCOL_VERSION
from tests.jupyter.panel.live import LiveKernel, Page, held

EVERYWHERE = {"kind": "everywhere"}


@pytest.fixture(scope="module")
def kernel():
    kernel = LiveKernel()
    kernel.run("import numpy as np\n%load_ext moorage")
    kernel.run("%cluster start --names alice,bob --threads 1 --memory 1GB")
    yield kernel
    kernel.close()


@pytest.fixture
def panel(kernel):
    kernel.run("cluster.release(*cluster)\nx = np.ones(300_000)\ntry: del only\nexcept NameError: pass")
    panel = Page(kernel)
    panel.ask("decide", id="none", agreed=False)  # once it answers, the kernel has a panel to ask in
    yield panel
    panel.leave()


class Assistant:
    """What asks on a comm that may only look and propose."""

    _ids = count()

    def __init__(self, kernel):
        self._kernel = kernel
        self._comm = f"assistant-{next(self._ids)}"
        opened = {"protocol": PROTOCOL_VERSION, "tab": self._comm, "read_only": True}
        kernel.send("comm_open", {"comm_id": self._comm, "target_name": "moorage.rpc", "data": opened})

    def send(self, op, args):
        self._kernel.send("comm_msg", {"comm_id": self._comm, "data": {"id": 1, "op": op, "args": args}})

    def propose(self, op, **args):
        self.send("propose", {"op": op, "args": args})

    def leave(self):
        self._kernel.send("comm_close", {"comm_id": self._comm, "data": {}})

    @property
    def told(self):
        """What it has been told, or the refusal."""
        replies = self._kernel.wait(lambda: self._kernel.comms.get(self._comm), "the reply to an assistant")
        reply = replies[0][1]
        return reply["result"]["text"] if reply["ok"] else reply["error"]["message"]


@pytest.fixture
def assistant(kernel):
    return Assistant(kernel)


def asked(panel, line):
    """Return the proposal of a line, once the panel shows it."""
    panel.see(lambda state: line in [one["line"] for one in state["proposals"].values()])
    return next(one for one in panel.state["proposals"].values() if one["line"] == line)


def decide(panel, line, agreed):
    return panel.ask("decide", id=asked(panel, line)["id"], agreed=agreed)


# the first: no panel has been open before, which might still be leaving
def test_without_a_panel_that_may_change_something_nobody_can_agree(kernel, assistant):
    onlooker = Page(kernel, "onlooker", read_only=True)
    assistant.propose("scale", n=1)
    assert assistant.told == "No panel of this notebook is open, so nobody can agree to %cluster scale 1."
    onlooker.leave()


def test_it_happens_when_the_user_agrees_and_not_before(panel, assistant):
    assistant.propose("place", names=["x"], placement=EVERYWHERE, force=False)
    assert asked(panel, "%broadcast x")["note"] == "2.29 MiB a copy"
    assert "x" not in panel.state["variables"]
    assert decide(panel, "%broadcast x", True)["ok"]
    panel.see(held("x", "alice", "bob"))
    assert panel.state["proposals"] == {}
    assert assistant.told.startswith("Done: %broadcast x\n")
    assert "alice" in assistant.told or "2 of 2" in assistant.told


def test_nothing_happens_when_the_user_refuses(panel, assistant):
    assistant.propose("scale", n=1)
    assert decide(panel, "%cluster scale 1", False)["ok"]
    assert assistant.told == "The user refuses %cluster scale 1."
    panel.see(lambda state: not state["proposals"])
    assert panel.state["cluster"]["requested"] == 2


def test_the_user_is_told_what_would_be_lost(panel, assistant):
    panel.kernel.run("%%pin only --workers bob\nnp.ones(300_000)")
    assistant.propose("release", names=["only"])
    assert asked(panel, "%release only")["note"] == "The notebook has no value of only."
    assert decide(panel, "%release only", True)["ok"]
    assert assistant.told == "Done: %release only"
    panel.see(lambda state: "only" not in state["variables"])


def test_nobody_is_asked_for_what_cannot_be(panel, assistant):
    assistant.propose("place", names=["xx"], placement=EVERYWHERE, force=False)
    assert "There is no variable 'xx'" in assistant.told
    assert panel.state["proposals"] == {}


def test_what_the_cluster_refuses_both_are_told(panel, assistant):
    placement = {"kind": "workers", "workers": ["nobody"], "each": True}
    assistant.propose("place", names=["x"], placement=placement, force=False)
    reply = decide(panel, "%pin x --workers nobody", True)
    assert "nobody" in reply["error"]["message"]
    assert assistant.told == reply["error"]["message"]


def test_without_an_answer_nothing_happens(panel, assistant):
    panel.kernel.run("import dask; dask.config.set({'moorage.confirm-timeout': '200ms'})")
    try:
        assistant.propose("scale", n=1)
        assert assistant.told == "Nobody has agreed to %cluster scale 1 in the panel within 0.2 s."
    finally:
        panel.kernel.run("dask.config.set({'moorage.confirm-timeout': '45s'})")
    assert panel.ask("decide", id="proposal-1", agreed=True)["error"]["kind"] == "InputError"
    panel.see(lambda state: state["proposals"] == {})
    assert panel.state["cluster"]["requested"] == 2


def test_who_goes_away_waits_no_longer(panel, assistant):
    assistant.propose("scale", n=1)
    asked(panel, "%cluster scale 1")
    assistant.leave()
    panel.see(lambda state: state["proposals"] == {})


def test_assistants_cannot_agree_themselves(panel, kernel, assistant):
    assistant.propose("scale", n=1)
    other = Assistant(kernel)
    other.send("decide", {"id": asked(panel, "%cluster scale 1")["id"], "agreed": True})
    assert other.told == "This panel is read-only."
    assert decide(panel, "%cluster scale 1", False)["ok"]

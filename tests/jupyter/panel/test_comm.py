"""The panel's channel on a real kernel with a real cluster: at all times, also while a cell runs."""

import time

import pytest

from moorage.jupyter.panel.shapes import check
from moorage.wire.panel_requests import PanelParts
from moorage.wire.scheduler import PROTOCOL_VERSION
from tests.helpers import eventually
from tests.jupyter.panel.live import LiveKernel, Page, held
from tests.jupyter.panel.panel_rules import state_of

SLEEP = "import time\nwhile True: time.sleep(60)"
BUSY = "i = 0\nwhile True: i += 1"


@pytest.fixture(scope="module")
def kernel():
    kernel = LiveKernel()
    kernel.run("import numpy as np\n%load_ext moorage")
    yield kernel
    kernel.close()


@pytest.fixture(scope="module")
def cluster(kernel):
    """The kernel with a cluster of alice and bob."""
    kernel.run("%cluster start --names alice,bob --threads 1 --memory 1GB")
    return kernel


@pytest.fixture
def panel(cluster):
    cluster.run("cluster.release(*cluster)\nfor n in [n for n in globals() if n.startswith('x')]: del globals()[n]")
    panel = Page(cluster)
    yield panel
    panel.leave()


def refused(reply, kind, text=""):
    assert reply["ok"] is False
    assert reply["error"]["kind"] == kind, reply
    assert text in reply["error"]["message"]
    return reply["error"]


def test_a_kernel_without_a_cluster_says_so(kernel):
    panel = Page(kernel, "early")
    assert panel.state["cluster"] is None
    refused(panel.ask("scale", n=2), "NoClusterError")
    refused(panel.place("x"), "NoClusterError")
    panel.leave()


def test_the_first_message_is_all_there_is(panel):
    assert panel.version >= 0
    assert panel.state["cluster"]["status"] == "connected"
    assert set(panel.state["workers"]) == {"alice", "bob"}
    assert panel.state["workers"]["alice"]["memory_limit"] == 10**9


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


def test_a_push_from_a_cell_does_not_send_requests_behind_it(panel):
    """ipykernel sends what comes on a comm to the shell that published there last."""
    panel.kernel.run("x = 1\n%broadcast x")
    panel.see(held("x", "alice", "bob"))
    with panel.kernel.running("%release x\n" + SLEEP):
        panel.see(lambda state: "x" not in state["variables"])
        assert panel.ask("snapshot")["ok"]


def test_what_a_magic_does_is_shown_and_what_the_panel_does_is_seen_by_magics(panel):
    panel.kernel.run("x = np.arange(10)\n%pin x --workers bob")
    panel.see(held("x", "bob"))
    panel.place("x", workers=["alice"])
    panel.see(held("x", "alice"))
    assert panel.kernel.run("print(cluster.placement()['x'].holders)") == "['alice']\n"


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


def test_nothing_is_pushed_when_nothing_changes(panel):
    panel.kernel.run("x = 1\n%broadcast x")
    panel.see(held("x", "alice", "bob"))
    panel.see(lambda state: state["events"][max(state["events"], key=int)]["kind"] == "placed")
    panel.ask("watch", candidates=True, threshold=10**6)
    pushed = len(panel.updates())
    panel.kernel.run("y = 2\nx + y")
    panel.kernel.run("cluster.placement()")
    memory = {"managed", "process", "spilled", "host_shared", "host_free"}  # of a worker may change at any time
    later = [
        update
        for update in panel.updates()[pushed:]
        if set(update["changed"]) != {"workers"} or any(set(w) - memory for w in update["changed"]["workers"].values())
    ]
    assert later == []


def test_two_tabs_see_the_same(panel):
    other = Page(panel.kernel, "other")
    panel.kernel.run("x = 1")
    other.place("x", workers=["bob"])
    panel.see(held("x", "bob"))
    other.see(held("x", "bob"))
    reply = other.ask("snapshot")["result"]
    panel.see(lambda _: panel.version >= reply["version"])
    other.see(lambda _: other.version >= reply["version"])
    if panel.version == other.version:
        assert panel.state == other.state
    other.leave()


def test_a_reloaded_page_replaces_its_comms_and_leaks_none(panel):
    counts = "import threading, comm\nprint(len(comm.get_comm_manager().comms), threading.active_count())"
    assert panel.ask("snapshot")["ok"]  # its comms are open, both of them
    comms, threads = panel.kernel.run(counts).split()
    with panel.kernel.running(SLEEP):  # so that the comm_close of an old panel comes late
        for _ in range(10):
            older, panel.push_before = Page(panel.kernel, "reloaded"), panel.push
            younger = Page(panel.kernel, "reloaded")
            assert older.closed()["reason"] == "replaced"
            assert older.closed(older.rpc)["reason"] == "replaced"
            assert younger.ask("snapshot")["ok"]
            older.leave()
            younger.leave()
    eventually(lambda: panel.kernel.run(counts).split()[:1] == [comms])
    # half as many as there were pages: a pool has more threads the more happens at once
    eventually(lambda: int(panel.kernel.run(counts).split()[1]) < int(threads) + 10)
    assert panel.ask("snapshot")["ok"]


@pytest.mark.parametrize("target", ["moorage.push", "moorage.rpc"])
def test_what_a_page_sent_before_it_was_reloaded_and_comes_after_replaces_nothing(panel, target):
    assert panel.ask("snapshot")["ok"]
    content = {"comm_id": f"late {target}", "target_name": target, "data": panel.opened}
    panel.kernel.send("comm_open", content, subshell=panel.subshell, seconds_ago=10)
    assert panel.closed(content["comm_id"])["reason"] == "replaced"
    assert panel.ask("snapshot")["ok"]
    panel.kernel.run("x = 1\n%pin x --workers bob")
    panel.see(held("x", "bob"))


def test_another_version_is_refused_with_a_reason(cluster):
    panel = Page(cluster, "old", protocol=0, rpc=False)
    closed = panel.closed()
    assert closed["reason"] == "protocol"
    assert "version 0" in closed["message"]
    assert f"version {PROTOCOL_VERSION}" in closed["message"]
    assert len(cluster.comms[panel.push]) == 1
    panel.vanish()


def test_a_read_only_panel_cannot_act(panel):
    looking = Page(panel.kernel, "looking", read_only=True)
    panel.kernel.run("x = 1\n%pin x --workers bob")
    looking.see(lambda state: held("x", "bob")(state) and state["read_only"])
    panel.see(lambda state: held("x", "bob")(state) and not state["read_only"])
    for op, args in {
        "place": {"names": ["x"], "placement": {"kind": "everywhere"}, "force": True},
        "release": {"names": ["x"]},
        "start": {"n_workers": 1},
        "attach": {"target": ""},
        "scale": {"n": 1},
        "adapt": {},
        "leave": {},
        "stop": {},
        "restart": {"worker": "bob"},
    }.items():
        refused(looking.ask(op, **args), "ReadOnlyError")
    assert looking.ask("watch", candidates=True, threshold=1)["ok"]
    assert looking.ask("dismiss", id="1")["ok"]
    state = state_of(looking.ask("snapshot")["result"])
    assert held("x", "bob")(state)
    assert state["read_only"]
    # What everybody may do or not changes nothing for who may only look.
    panel.kernel.run("import dask\ndask.config.set({'moorage.read-only': True})")
    panel.see(lambda state: state["read_only"])
    panel.kernel.run("y = 1\n%pin y --workers bob\ndask.config.set({'moorage.read-only': False})")
    panel.see(lambda state: held("y", "bob")(state) and not state["read_only"])
    looking.see(lambda state: held("y", "bob")(state) and state["read_only"])
    looking.leave()


def test_the_setting_binds_every_panel(panel):
    panel.kernel.run("import dask\nx = 1\ndask.config.set({'moorage.read-only': True})")
    panel.see(lambda state: state["read_only"])
    refused(panel.place("x"), "ReadOnlyError")
    panel.kernel.run("dask.config.set({'moorage.read-only': False})")
    panel.see(lambda state: not state["read_only"])
    assert panel.place("x")["ok"]


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"id": 901, "op": "evaluate", "args": {"code": "1"}}, "evaluate"),
        ({"id": 902, "op": "__init__", "args": {}}, "__init__"),
        ({"id": 903, "op": "place", "args": {"names": "x"}}, "names"),
        ({"id": 904, "op": "place", "args": {"names": [], "placement": {"kind": "everywhere"}, "force": 0}}, "force"),
        ({"id": 905, "op": "scale", "args": {"n": "9"}}, "n"),
        ({"id": 906, "op": "scale"}, "args"),
        ({"id": 907}, "op"),
    ],
)
def test_a_request_made_by_hand_is_refused(panel, request_, says):
    panel.send(request_)
    messages = panel.kernel.comms
    (reply,) = panel.kernel.wait(
        lambda: [data for _, data in messages.get(panel.rpc, []) if data["id"] == request_["id"]], "a refusal"
    )
    assert says in refused(reply, "InputError")["message"]


def test_what_cannot_be_answered_is_ignored(panel):
    for nonsense in ({}, {"id": "1", "op": "stop"}, {"id": None}, {"op": "stop", "args": {}}):
        panel.send(nonsense)
    assert panel.ask("snapshot")["ok"]
    assert panel.state["cluster"]["status"] == "connected"


def test_it_is_told_what_the_notebook_has_no_value_of(panel):
    panel.kernel.run("x = 1\n%broadcast x")
    panel.kernel.run("get_ipython().run_cell_magic('broadcast', 'y', '[1]')")
    panel.kernel.run("get_ipython().run_cell_magic('submit', '-o z --broadcast', '1')")
    panel.kernel.run("nothing = None\n%broadcast nothing")
    state = panel.see(lambda state: set(state["variables"]) >= {"x", "y", "z", "nothing"})
    told = {name: state["variables"][name]["only_on_cluster"] for name in ("x", "y", "z", "nothing")}
    assert told == {"x": False, "y": True, "z": True, "nothing": False}
    panel.kernel.run("y = 5")
    panel.see(lambda state: not state["variables"]["y"]["only_on_cluster"])
    panel.kernel.run("%release x y z nothing")


def test_what_is_on_the_cluster_without_being_placed_is_told_while_somebody_watches(panel):
    panel.ask("watch", candidates=True, threshold=10**9)
    panel.kernel.run("import dask.array\nx_far = dask.array.random.random((8, 10**6), chunks=(1, -1)).persist()")
    state = panel.see(lambda state: any(row["nbytes"] == 64_000_000 for row in state["ledger"].values()))
    (row,) = (row for row in state["ledger"].values() if row["name"] == "x_far")
    assert (row["kind"], row["owner"], row["nkeys"]) == ("collection", "", 8)
    assert sum(worker["collections"] for worker in state["workers"].values()) == 64_000_000
    panel.kernel.run("del x_far")
    panel.see(
        lambda state: (
            all(row["name"] != "x_far" for row in state["ledger"].values())
            and not any(worker["collections"] for worker in state["workers"].values())
        )
    )
    panel.ask("watch", candidates=False, threshold=0)


def test_why_is_answered_while_a_cell_runs(panel):
    panel.kernel.run("x = np.arange(10)\nalice = 1\n%pin x --workers bob")
    with panel.kernel.running(SLEEP):
        told = panel.ask("why", kind="name", name="x")["result"]
        worker = panel.ask("why", kind="worker", name="alice")["result"]  # not the variable of that name
    assert told == {
        "subject": "x", "state": "held", "cause": "on bob, as asked.", "remedy": "", "line": "", "log": [],
        "others": [],
    }  # fmt: skip
    assert (worker["subject"], worker["state"]) == ("alice", "running")
    refused(panel.ask("why", kind="name", name="nothing"), "UnknownVariableError", "nothing")
    panel.kernel.run("del alice")


def test_a_loop_is_shown_while_its_cell_runs_and_ended_from_there(panel):
    with panel.kernel.running(f"cluster.map(time.sleep, [0.1] * 500).wait()\n{SLEEP}"):
        panel.see(lambda state: any(one["done"] and one["rate"] for one in state["computations"].values()))
        [loop] = panel.state["computations"].values()
        assert (loop["label"], loop["total"], loop["failed"]) == ("sleep", 500, 0)
        assert loop["execution"] > 0
        assert panel.ask("cancel", id=loop["id"])["ok"]
        panel.see(lambda state: state["computations"] == {})
    assert panel.ask("cancel", id=loop["id"])["ok"]  # it has ended already
    panel.kernel.run("%%submit -o squares for n in range(400)\nimport time\ntime.sleep(0.05)\nn / (n % 2)")
    panel.see(lambda state: any(one["failed"] for one in state["computations"].values()))
    [loop] = panel.state["computations"].values()
    assert loop["label"] == "for n in range(400)"
    panel.kernel.run("squares.cancel()")
    panel.see(lambda state: state["computations"] == {})


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


def test_what_workers_run_is_told_by_name_while_they_are_busy(panel):
    panel.kernel.run("%%submit -o slow for n in range(6)\nimport time\ntime.sleep(2)")
    panel.kernel.run("held = cluster.client.map(time.sleep, [3, 3.1, 3.2, 3.3, 3.4, 3.5], pure=False, workers='alice')")
    busy = panel.see(lambda state: state["tasks"].get("alice", {}).get("running", {}).get("for n in range(6)"))["tasks"]
    assert busy["alice"]["waiting"] > 0
    busy = panel.see(lambda state: state["tasks"].get("alice", {}).get("running", {}).get("sleep"))["tasks"]
    assert abs(busy["alice"]["since"] - time.time()) < 30
    panel.kernel.run("slow.stop()\ndel held")
    panel.see(lambda state: state["tasks"] == {})


SAY_AHOY = "lambda: __import__('logging').getLogger('distributed.worker').warning('ahoy')"


def test_a_worker_is_restarted_and_its_log_told(panel):
    begun = panel.kernel.run("import os\nprint(cluster.submit(os.getpid, workers='alice', pure=False).result())")
    panel.kernel.run(f"cluster.submit({SAY_AHOY}, workers='alice', pure=False).result()")
    assert any("ahoy" in line for line in panel.ask("why", kind="log", name="alice")["result"]["log"])
    assert panel.ask("restart", worker="alice")["ok"]
    panel.see(lambda state: any("alice left" in event["message"] for event in state["events"].values()))
    panel.see(lambda state: state["workers"].get("alice", {}).get("status") == "running")
    assert panel.kernel.run("print(cluster.submit(os.getpid, workers='alice', pure=False).result())") != begun
    refused(panel.ask("restart", worker="nobody"), "UnknownWorkerError", "nobody")
    refused(panel.ask("why", kind="log", name="nobody"), "UnknownWorkerError", "nobody")


def test_parts_are_told_page_by_page_also_of_what_is_not_placed(panel):
    panel.kernel.run("import dask.array\nx_parts = dask.array.ones((4, 6), chunks=(1, 2)).persist()")
    first = panel.ask("parts", name="x_parts", start=0, count=10)["result"]
    second = panel.ask("parts", name="x_parts", start=10, count=10)["result"]
    assert (first["shape"], first["total"], len(first["cells"]), len(second["cells"])) == ([4, 3], 12, 10, 2)
    panel.place("x_parts", workers=["bob"])
    panel.see(held("x_parts", "bob"))
    assert panel.state["variables"]["x_parts"]["collection"]
    placed = panel.ask("parts", name="x_parts", start=0, count=100)["result"]
    assert (placed["workers"], placed["counts"]) == (["bob"], [12])
    panel.kernel.run("x = dask.array.ones(3)")
    refused(panel.ask("parts", name="x", start=0, count=1), "NotPlaceableError")


def test_lists_and_dicts_of_futures_open_into_their_elements(panel):
    panel.kernel.run(
        "def work(n):\n    return 1 / n\n"
        "x_list = cluster.client.map(work, range(4), pure=False)\n"
        "x_dict = {'one': x_list[1], 2: [x_list[2], x_list[3]], 'here': 5}\n"
        "from distributed import wait\nwait(x_list)"
    )
    listed = panel.ask("parts", name="x_list", start=0, count=3)["result"]
    check(listed, PanelParts, "the page")
    assert (listed["total"], listed["states"], listed["labels"]) == (4, ["failed", "done", "done"], ["0", "1", "2"])
    assert "division by zero" in listed["errors"][0]
    assert sum(listed["counts"]) == 3
    assert panel.ask("parts", name="x_list", start=3, count=3)["result"]["states"] == ["done"]
    named = panel.ask("parts", name="x_dict", start=0, count=9)["result"]
    assert dict(zip(named["labels"], named["states"], strict=True)) == {"'one'": "done", "2": "done", "'here'": "local"}
    for label, state in zip(named["labels"], ("in memory", "in memory", "not placed"), strict=True):
        assert panel.ask("why", kind="name", name=f"x_dict[{label}]")["result"]["state"] == state
    panel.kernel.run("del x_list[0]; cluster.scatter(x_list, 'x_list', workers=['bob'])")
    placed = panel.ask("parts", name="x_list", start=0, count=9)["result"]
    assert (placed["workers"], placed["counts"]) == (["bob"], [3])


def test_results_are_one_row_under_however_many_names_they_stand(panel):
    panel.kernel.run("x_odd = x_again = cluster.map(lambda n: 1 / n, range(3), batch_size=1)\nx_odd.wait()")

    def rows(state):
        named = [(row["name"].split(", ")[0], row.get("items")) for row in state["ledger"].values()]
        return [row for row in named if row[0].startswith("x_")]

    items = {"total": 3, "done": 3, "failed": 1, "cancelled": 0, "computation": ""}
    panel.see(lambda state: rows(state) == [("x_odd", items)])


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


def test_candidates_are_listed_only_while_somebody_watches(panel):
    panel.kernel.run("x = np.ones(1_000_000)\nx_small = np.ones(10)")
    assert panel.state["candidates"] == {}
    with panel.kernel.running(SLEEP):  # the list does not wait for a cell to end
        panel.ask("watch", candidates=True, threshold=10**6)
        state = panel.see(lambda state: state["candidates"])
    assert state["candidates"] == {
        "x": {"name": "x", "typename": "ndarray", "detail": "(1000000,) float64", "nbytes": 8_000_000}
    }
    panel.kernel.run("x_more = bytes(2_000_000)")
    panel.see(lambda state: set(state["candidates"]) == {"x", "x_more"})
    panel.place("x")
    panel.see(lambda state: set(state["candidates"]) == {"x_more"} and "x" in state["variables"])
    panel.ask("watch", candidates=False, threshold=0)
    panel.see(lambda state: state["candidates"] == {})


def test_a_watching_tab_that_goes_is_forgotten(panel):
    other = Page(panel.kernel, "watcher")
    other.ask("watch", candidates=True, threshold=10**6)
    panel.kernel.run("x = np.ones(1_000_000)")
    panel.see(lambda state: "x" in state["candidates"])
    other.leave()
    panel.kernel.run("x = np.ones(1_000_001)")
    panel.see(lambda state: state["candidates"] == {})


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


def test_the_cluster_is_scaled_and_adapts_by_request(panel):
    assert panel.ask("scale", n=3)["ok"]
    panel.see(lambda state: len(state["workers"]) == 3 and state["cluster"]["requested"] == 3)
    assert panel.ask("adapt", minimum=2, maximum=4)["ok"]
    panel.see(lambda state: state["cluster"]["adapt"] == [2, 4])
    assert panel.ask("adapt")["ok"]
    panel.see(lambda state: state["cluster"]["adapt"] == [])
    assert panel.ask("scale", n=2)["ok"]
    panel.see(lambda state: len(state["workers"]) == 2)


def test_unloading_closes_and_loading_says_hello(panel):
    assert panel.ask("snapshot")["ok"]  # its comms are open, both of them
    hellos = panel.kernel.hellos
    panel.kernel.run("%unload_ext moorage")
    assert panel.closed()["reason"] == "unloaded"
    assert panel.closed(panel.rpc)["reason"] == "unloaded"
    panel.kernel.run("%load_ext moorage")
    panel.kernel.wait(lambda: panel.kernel.hellos == hellos + 1, "hello")
    again = Page(panel.kernel)
    assert again.state["cluster"]["status"] == "connected"
    again.leave()


def test_without_subshells_it_works_between_cells(panel):
    plain = Page(panel.kernel, "plain", subshell=False)
    panel.kernel.run("x = 1")
    assert plain.place("x")["ok"]
    plain.see(held("x", *panel.state["workers"]))
    plain.leave()


def test_a_cluster_is_started_and_stopped_by_request():
    kernel = LiveKernel()
    try:
        kernel.run("%load_ext moorage")
        panel = Page(kernel)
        assert panel.ask("kept")["result"] == {"clusters": []}
        local = panel.ask("kind", kind="")["result"]
        assert (local["path"], local["is_local"], local["parameters"]) == ("distributed.LocalCluster", True, [])
        assert {"ssh", "slurm"} <= {*local["kinds"]}
        hosts, *_ = panel.ask("kind", kind="ssh")["result"]["parameters"]
        assert hosts["name"] == "hosts"
        refused(panel.ask("kind", kind="slum"), "InputError", "slum")
        with kernel.running(SLEEP):
            options = {"threads_per_worker": "3", "memory_limit": "300MB"}
            assert panel.ask("start", n_workers=1, using="distributed.LocalCluster", options=options)["ok"]
            panel.see(lambda state: state["cluster"] is not None and state["cluster"]["status"] == "starting")
            refused(panel.ask("start", n_workers=1), "ClusterError", "starting")
            panel.see(lambda state: state["cluster"]["status"] == "connected" and len(state["workers"]) == 1)
            refused(panel.ask("start", n_workers=1), "ClusterError", "already running")
        assert kernel.run("print(cluster.n_workers)") == "1\n"
        (worker,) = panel.state["workers"].values()
        assert (worker["nthreads"], worker["memory_limit"]) == (3, 300_000_000)
        kernel.run("%cluster keep")
        (kept,) = panel.ask("kept")["result"]["clusters"]
        assert (kept["name"], kept["kind"]) == (panel.state["cluster"]["name"], "local")
        assert panel.ask("stop")["ok"]
        state = panel.see(lambda state: state["cluster"]["status"] == "stopped")
        assert state["workers"] == {}
        refused(panel.ask("start", n_workers=-1), "InputError")
        kernel.run("import dask\ndask.config.set({'moorage.start-timeout': '0.5s'})")
        assert panel.ask("start", n_workers=1)["ok"]
        state = panel.see(lambda state: state["notices"])
        (notice,) = state["notices"].values()
        assert "did not start" in notice["message"]
        assert state["cluster"]["status"] == "stopped"
        assert "did not start" in state["cluster"]["detail"]
        panel.leave()
    finally:
        kernel.close()

"""The panel's channel on a real kernel with a real cluster: at all times, also while a cell runs."""

import pytest

from moorage.wire.scheduler import PROTOCOL_VERSION
from tests.helpers import eventually
from tests.jupyter.panel.live import SLEEP, LiveKernel, Page, held, refused
from tests.jupyter.panel.panel_rules import state_of


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
        kernel.run("import dask\ndask.config.set({'moorage.start-timeout': '0.1s'})")
        assert panel.ask("start", n_workers=1)["ok"]
        state = panel.see(lambda state: state["notices"])
        (notice,) = state["notices"].values()
        assert "did not start" in notice["message"]
        assert state["cluster"]["status"] == "stopped"
        assert "did not start" in state["cluster"]["detail"]
        panel.leave()
    finally:
        kernel.close()

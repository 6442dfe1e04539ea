"""What the panel is told of a real kernel and cluster: what is placed or not, what runs, why, parts, logs."""

import time

from moorage.jupyter.panel.shapes import check
from moorage.wire.panel_requests import PanelParts
from tests.jupyter.panel.live import SLEEP, Page, held, refused


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

"""From facts to one cause and one remedy: nothing of a cluster is needed."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.kernel.ledger.advice import Shortage
from moorage.kernel.parts.named import chosen
from moorage.kernel.why.copies import LONG
from moorage.kernel.why.groups import names, why_each
from moorage.kernel.why.items import why_item, why_killed
from moorage.kernel.why.tasks import why_tasks
from moorage.kernel.why.variables import why_placed
from moorage.kernel.why.workers import LATELY, why_worker
from moorage.model import Anywhere, Everywhere, OnWorkers, PlacementState, WorkerInfo
from moorage.plan import ClusterView
from moorage.wire.why import CopyFacts, Ending, TaskFacts, TaskFate, WhyReply, WorkerEnd, WorkerFacts


def task(fate, **facts):
    task: TaskFacts = {
        "key": "k", "function": "load", "fate": fate, "error": "", "deaths": 0, "on": [], "worker": "",
        "seconds": 0.0, "ahead": 0, "wanted": [], "present": [], "resources": {}, "end": None,
    }  # fmt: skip
    return {**task, **facts}


def reply(fate="memory", away=1, workers=2, **facts) -> WhyReply:
    found = task(fate, **facts)
    return {
        "copy": None, "task": found, "away": away, "workers": workers, "threads": 2 * workers, "worker": None,
        "causes": [],
    }  # fmt: skip


def end(how="", **facts) -> WorkerEnd:
    known: WorkerEnd = {
        "worker": "carol", "how": how, "seconds": 0.0, "lost": 0, "code": None, "taken": 0, "lines": [],
    }  # fmt: skip
    return {**known, **facts}


def worker_facts(how="", tasks=0, running=(), **facts) -> WorkerFacts:
    return {"known": True, "here": True, "end": end(how, **facts), "tasks": tasks, "running": list(running)}


def info(name="alice", status="running", **more):
    return WorkerInfo(name, f"tcp://h:{name}", "h", status=status, **more)


VIEW = ClusterView([info("alice"), info("bob")])


# Tasks


@pytest.mark.parametrize(
    ("facts", "state", "cause", "remedy"),
    [
        (reply("memory", on=["alice", "bob"]), "in memory", "on alice, bob.", ""),
        (reply("running", worker="bob", seconds=3.21), "running", "load runs on bob for 3.2 s.", ""),
        (reply("erred", error="ValueError(1)"), "failed", "load raised ValueError(1).", "cluster.client.retry(x)"),
        (reply("killed"), "killed", "workers that ran load died one after another", "more memory"),
        (
            reply("killed", end=end("died", code=-9)),
            "killed",
            "the last was carol: its process was killed",
            "more memory",
        ),
        (reply("lost", error="its last copy went"), "lost", "its last copy went", "Place it again"),
        (reply("absent"), "forgotten", "it was cancelled", "Run the cell that makes it"),
        (reply("restoring"), "waiting", "notebook that placed it", "place it again"),
        (reply("no-worker", wanted=["carol"]), "waiting", "only on carol, and no such", "allow_other_workers"),
        (reply("no-worker", wanted=["bob"], present=["bob"]), "waiting", "only on bob, which takes no", "%why bob"),
        (reply("no-worker", resources={"GPU": 2.0}), "waiting", "resources GPU=2", "with these resources"),
        (reply("no-worker", workers=0), "waiting", "no running workers", "%cluster scale 2"),
        (reply("paused", worker="bob"), "waiting", "on bob, which is paused", "%why bob"),
        (
            reply("queued", ahead=7),
            "queued",
            "all 4 threads of 2 workers are busy, and 7 other tasks",
            "%cluster scale",
        ),
        (reply("behind", worker="bob", ahead=1), "queued", "bob has 1 other task to do", "%cluster scale"),
        (reply("behind", worker="bob"), "waiting", "it fetches what", "by itself"),
        (reply("released"), "waiting", "nobody held a future", "Run the cell that makes it"),
    ],
)
def test_each_fate_of_a_task_has_its_cause_and_remedy(facts, state, cause, remedy):
    found = why_tasks("x", ["k"], facts)
    assert found.state == state
    assert cause in found.cause
    assert remedy in found.remedy
    assert found.well == (not remedy)


def test_what_waits_for_another_task_names_that():
    assert "it needs load: load raised Oops" in why_tasks("x", ["other"], reply("erred", error="Oops")).cause
    assert "it waits for load: load runs on" in why_tasks("x", ["other"], reply("running", worker="bob")).cause


def test_a_task_whose_worker_has_ended_begins_again():
    found = why_tasks("x", ["k"], reply("running", worker="bob", deaths=1))
    assert (found.state, found.well) == ("retried", False)
    assert found.cause == "a worker died with it, so it starts again; load runs on bob."
    assert why_tasks("x", ["k"], reply("memory", on=["bob"], deaths=1)).well


def test_of_a_collection_it_says_how_many_parts_are_not_there():
    found = why_tasks("ddf", ["k", "l", "m"], reply("queued", away=2))
    assert found.cause.startswith("2 of 3 parts are not there; ")


@given(
    fate=st.sampled_from(get_args(TaskFate)),
    text=st.text(max_size=2000),
    names=st.lists(st.text(min_size=1, max_size=5), max_size=9),
    workers=st.integers(0, 3),
)
def test_every_fate_has_one_cause_and_what_is_not_well_has_a_remedy(fate, text, names, workers):
    facts = reply(fate, workers=workers, error=text, wanted=names, present=names[:1], on=names, worker="w")
    found = why_tasks("x", ["k"], facts)
    assert found.cause.endswith(".")
    assert len(found.cause) < 600
    assert found.well == (fate in ("memory", "running"))
    assert str(found).startswith("x is ")


# Several at once


def test_each_cause_has_a_line_with_those_that_it_holds_up_the_worst_first():
    causes = [
        {"of": [0, 1, 2, 5], "task": task("memory", key="k0", on=["alice"])},
        {"of": [3], "task": task("erred", key="k3", error="Oops")},
        {"of": [4], "task": task("running", key="other", worker="bob")},
    ]
    found = why_each("x", [(i,) for i in range(6)], [f"k{i}" for i in range(6)], {**reply(), "causes": causes})
    assert [line.split(":")[0] for line in str(found).splitlines() if " is " in line] == [
        "x[3] is failed",
        "x[4] is running",
    ]
    assert "x[0:3], x[5] are in memory: on alice." in str(found)
    assert "x[4] is running: it waits for load" in str(found)
    assert not found.well


@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1))
def test_positions_are_called_as_lines_call_them(positions):
    named = names("x", positions).split(", ")
    more = int(named.pop().split()[0].replace(",", "")) if named[-1].endswith(" more") else 0
    found = {divmod(at, 10) for name in named for at in chosen(name, (4, 10))}
    assert found <= positions
    assert len(found) + more == len(positions)


# Placed variables


def placed(state="held", placement=None, **more):
    return PlacementState("x", placement or Everywhere(), state, holders=["alice"], **more)


@pytest.mark.parametrize(
    ("state", "facts", "view", "says", "cause", "remedy"),
    [
        (placed(), reply(), VIEW, "held", "everywhere, as asked", ""),
        (placed("lost", reason="gone with bob"), reply("lost"), VIEW, "lost", "gone with bob", "%pin x"),
        (placed("lost", reason="failed"), reply("erred", error="E"), VIEW, "failed", "load raised E", "retry(x)"),
        (placed(stale=True), reply(), VIEW, "stale", "not the one that was placed", "%gather x"),
        (placed("waiting", OnWorkers(("carol",)), reason="no worker carol yet"), reply(), VIEW, "waiting",
         "no worker carol yet", "place it elsewhere: %pin x --workers W... (alice, bob)"),
        (placed("waiting", reason="the cluster has no running workers"), reply(workers=0), ClusterView([]), "waiting",
         "no running workers", "%cluster scale 2"),
        (placed("waiting", reason="worker bob is paused", pending={"bob": 1}), reply(),
         ClusterView([info(), info("bob", "paused")]), "waiting", "worker bob is paused", "%why bob"),
        (placed("waiting", Anywhere(3), reason="3 copies asked for, 2 workers there"), reply(), VIEW, "waiting",
         "3 copies", "%cluster scale 3"),
        (placed("waiting", reason="it is still being computed"), reply("queued", ahead=3), VIEW, "queued", "3 other",
         "%cluster scale"),
        (placed("waiting", reason="bob died when it took it"), reply(), VIEW, "waiting", "bob died", "%memory"),
        (placed("moving", reason="1 of 2 copies are there"), reply(), VIEW, "moving", "1 of 2", "%placement x"),
        (placed("moving", reason="coming"), reply("restoring"), VIEW, "moving", "coming", "that notebook answers"),
        (placed(placement=OnWorkers(("bob",))), reply(), VIEW, "surplus", "alice has a copy", "when that task ends"),
    ],
)  # fmt: skip
def test_each_state_of_a_variable_has_its_cause_and_remedy(state, facts, view, says, cause, remedy):
    found = why_placed("x", state, ["k"], facts, view)
    assert (found.state, found.well) == (says, not remedy)
    assert cause in found.cause
    assert remedy in found.remedy


def copy(**facts):
    known: CopyFacts = {
        "source": "alice", "target": "bob", "nbytes": 2**20, "seconds": 12.0, "usual": 0.01, "there": 2**20,
        "total": 4 * 2**20, "silent": "", "silence": 0.0, "sending": 0, "receiving": 0,
    }  # fmt: skip
    return {**known, **facts}


@pytest.mark.parametrize(
    ("facts", "cause", "remedy", "line"),
    [
        (copy(silent="bob", silence=9.0), "bob has said nothing for 9 s", "restart_workers(['bob'])", "%why bob"),
        (copy(sending=1), "alice has another copy to send", "released", ""),
        (copy(sending=7), "alice has 7 other copies to send", "released", ""),
        (copy(receiving=2**30), "bob is to receive 1.00 GiB more", "released", ""),
        (copy(), "usually takes 0.1 s", "%why alice and %why bob", "%why alice"),
    ],
)
def test_a_copy_that_takes_long_names_who_sends_what_to_whom_and_what_slows_it(facts, cause, remedy, line):
    found = why_placed("x", placed("moving", reason="1 of 4"), ["k"], {**reply(), "copy": facts}, VIEW)
    assert (found.state, found.line) == ("moving", line)
    assert "alice has been sending 1.00 MiB to bob for 12 s, and 1.00 MiB of 4.00 MiB are there" in found.cause
    assert cause in found.cause
    assert remedy in found.remedy


@pytest.mark.parametrize("facts", [copy(seconds=LONG), copy(seconds=60.0, usual=30.0)])
def test_a_copy_that_takes_as_long_as_usual_is_only_moving(facts):
    found = why_placed("x", placed("moving", reason="1 of 4"), ["k"], {**reply(), "copy": facts}, VIEW)
    assert (found.cause, found.line) == ("1 of 4.", "%placement x")


# The line of a remedy


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (why_placed("x", placed("waiting", OnWorkers(("erin",))), [], reply(), VIEW), "%pin x --workers alice"),
        (why_placed("x", placed("lost"), [], reply(), VIEW), "%broadcast x"),
        (
            why_placed("x", placed(placement=OnWorkers(("my worker",)), stale=True), [], reply(), VIEW),
            "%pin x --workers 'my worker'",
        ),
        (why_placed("x", placed("waiting"), [], reply(), ClusterView([])), "%cluster scale 2"),
        (why_placed("x", placed("moving"), [], reply(), VIEW), "%placement x"),
        (why_tasks("x", ["k"], reply("erred", error="E")), "cluster.client.retry(x)"),
        (why_tasks("x", ["k"], reply("paused", worker="al ice")), "%why 'al ice'"),
        (why_tasks("x", ["k"], reply("absent")), ""),
        (why_item("r[7]", "r", "E", "bob", 0, [], reply()), "r.retry()"),
    ],
)
def test_a_remedy_has_a_line_that_can_be_run(found, line):
    assert found.line == line


def test_a_name_that_no_line_can_hold_has_none():
    state = PlacementState("two\nlines", Everywhere(), "moving", reason="1 of 2")
    assert why_placed("it", state, [], reply(), VIEW).line == ""


# Items


def test_an_item_that_raised_says_where_and_how_to_run_it_again():
    found = why_item("r[7]", "r", "ZeroDivisionError: division by zero", "bob", 0, [], reply())
    assert (
        str(found)
        == "r[7] is failed: ZeroDivisionError: division by zero on bob.\nr.retry() runs what has failed again."
    )


def test_an_item_that_was_sent_again_says_so():
    found = why_item("r[7]", "r", "", "bob", 2, ["k"], reply("running", worker="alice"))
    assert (found.state, found.well) == ("retried", False)
    assert "2 workers died with it" in found.cause
    assert why_item("r[7]", "r", "", "bob", 2, ["k"], reply(on=["bob"])).state == "in memory"


# Workers


@pytest.mark.parametrize(
    ("facts", "there", "short", "state", "cause"),
    [
        (worker_facts("memory", seconds=12), None, None, "gone", "12 s ago because it took more memory"),
        (worker_facts("died", seconds=12, lost=3), None, None, "gone", "without being asked to. 3 tasks"),
        (worker_facts("asked", seconds=12), None, None, "gone", "told to leave 12 s ago"),
        (worker_facts("restarted", seconds=12), None, None, "gone", "told to restart 12 s ago"),
        (
            worker_facts("memory", taken=2**20),
            None,
            None,
            "gone",
            "because it took 1.00 MiB, more memory than its limit",
        ),
        (worker_facts("died", code=-9), None, None, "gone", "killed 0 s ago by signal 9 (SIGKILL)"),
        (worker_facts("died", code=-11), None, None, "gone", "crashed 0 s ago with signal 11 (SIGSEGV): a fault"),
        (worker_facts("died", code=-15), None, None, "gone", "killed 0 s ago by signal 15 (SIGTERM), sent by somebody"),
        (worker_facts("died", code=-99), None, None, "gone", "signal 99"),
        (worker_facts("died", code=3), None, None, "gone", "with exit code 3, without being asked to"),
        (worker_facts(), None, None, "gone", "has left"),
        (worker_facts("died", seconds=12), info(), None, "restarted", "without being asked to"),
        (worker_facts(), info(status="init"), None, "waiting", "just joined"),
        (worker_facts(), info(status="closing"), None, "closing", "about to leave"),
        (worker_facts(), info(status="paused"), None, "paused", "takes no tasks"),
        (worker_facts(), info(status="paused"), "is paused, at 1 of 2", "paused", "it is paused, at 1 of 2: big takes"),
        (worker_facts(), info(spilled=5), "writes data to its disk", "spilled", "big takes"),
        (worker_facts(), info(), "is about to pause", "short of memory", "it is about to pause"),
    ],
)
def test_each_state_of_a_worker_has_its_cause_and_a_remedy(facts, there, short, state, cause):
    shortage = Shortage("alice", short, "big takes 1 GB.", "`del big` frees that.") if short else None
    found = why_worker("alice", facts, there, shortage)
    assert found.state == state
    assert cause in found.cause
    assert not found.well
    assert not short or found.remedy == "`del big` frees that."


def test_a_worker_that_works_says_what_it_does():
    found = why_worker("alice", worker_facts(tasks=3, running=["load"]), info(), None)
    assert (str(found), found.well) == ("alice is running: it runs load; 3 tasks in all.", True)


def test_a_restart_that_was_asked_for_is_all_well():
    found = why_worker("alice", worker_facts("restarted", seconds=12, lost=3), info(), None)
    assert (found.state, found.well) == ("running", True)
    assert found.cause == "it was told to restart 12 s ago. 3 tasks or values went with it."


@given(ending=st.sampled_from(get_args(Ending)), seconds=st.floats(LATELY, 1e9))
def test_a_restart_long_ago_is_not_spoken_of(ending, seconds):
    assert why_worker("alice", worker_facts(ending, seconds=seconds), info(), None).well


def test_the_last_lines_of_a_log_stand_between_cause_and_remedy():
    found = why_worker("carol", worker_facts("died", code=1, lines=["12:00:00 WARNING low", "Fatal"]), None, None)
    assert str(found).splitlines()[1:4] == ["The last lines of its log:", "  12:00:00 WARNING low", "  Fatal"]
    assert str(found).splitlines()[4] == found.remedy


def test_an_item_whose_workers_ended_says_how_the_last_one_did():
    found = why_killed("results[7]", "results", end("memory", lines=["full"]))
    assert "the last was carol: its process was ended 0 s ago because it took more memory" in found.cause
    assert "results.retry()" in found.remedy
    assert found.log == ("full",)

"""What has happened on the cluster, as the notebook is told."""

import os
import re
import signal

import numpy as np
import pytest

from moorage.errors import NotPlaceableError
from moorage.kernel.connection.events import Events, worker_left_words
from tests.helpers import eventually

HERE = "here.ipynb"


def record(name, owner=HERE, on=("alice",)):
    return {"name": name, "owner": owner, "held": {"rest": 0, "others": dict.fromkeys(on, 1)}}


def left(restored=(), waiting=(), lost=(), expected=False, code=None, memory=False):
    return {
        "type": "worker-left",
        "worker": "bob",
        "expected": expected,
        "code": code,
        "memory": memory,
        "restored": list(restored),
        "waiting": list(waiting),
        "lost": list(lost),
        "seconds": 0.31,
    }


def words(event, **variables):
    return worker_left_words(event, variables, ["alice", "bob", "carol"], HERE)


def test_a_killed_worker_is_told_of_with_what_became_of_its_data(cluster):
    cluster.pin("x", "bob", value=np.arange(1000))
    before = {event["id"] for event in cluster.link.events}
    pid = cluster.client.submit(os.getpid, workers="bob", pure=False).result()
    os.kill(pid, signal.SIGKILL)
    event = eventually(lambda: told(cluster, "left", before))
    assert (event["level"], event["variables"]) == ("warning", ["x"])
    assert re.fullmatch(r"bob was killed \(signal 9\): x restored on \w+ after [\d.]+ s", event["message"])
    assert eventually(lambda: told(cluster, "joined", before))["message"] == "bob joined"


def told(cluster, kind, before=()):
    """Return the latest event of a kind."""
    events = [one for one in cluster.link.events if one["kind"] == kind and one["id"] not in before]
    return events[-1] if events else None


def test_a_loop_with_items_that_failed_or_were_cancelled_is_told_of(cluster):
    before = {event["id"] for event in cluster.link.events}
    cluster.map(lambda n: 1 / (n - 1), range(3)).wait_quietly()
    failed = eventually(lambda: told(cluster, "loop", before))
    assert failed["level"] == "warning"
    assert failed["message"].endswith(": 1 of 3 failed (ZeroDivisionError)")
    before.add(failed["id"])
    results = cluster.map(lambda _: __import__("time").sleep(0.3), range(100))
    results.stop()
    cancelled = eventually(lambda: told(cluster, "loop", before))
    assert re.search(r": \d+ of 100 cancelled$", cancelled["message"])
    cluster.map(len, [[]]).wait_quietly()
    assert told(cluster, "loop") == cancelled


def test_what_is_placed_moved_released_and_refused_is_told_with_its_magic(cluster):
    before = {event["id"] for event in cluster.link.events}
    cluster.pin("y", "alice", value=np.arange(1000))
    placed = eventually(lambda: told(cluster, "placed", before))
    assert placed["message"].startswith("y placed on alice")
    assert (placed["variables"], placed["line"]) == (["y"], "%pin y --workers alice")
    cluster.broadcast(name="y", value=cluster.gather("y"))
    assert eventually(lambda: (one := told(cluster, "placed")) and "everywhere" in one["message"])
    before = {event["id"] for event in cluster.link.events}
    cluster.release("y")
    assert eventually(lambda: told(cluster, "released", before))["message"] == "y released"
    before = {event["id"] for event in cluster.link.events}
    cluster.pin("brief", "alice", value=np.arange(1000), timeout=0)
    cluster.release("brief")  # before anybody was told that it is placed
    assert eventually(lambda: told(cluster, "released", before))["message"].endswith("brief released")
    with pytest.raises(NotPlaceableError) as caught:
        cluster.pin("numbers", "alice", value=iter([1, 2]))
    refused = told(cluster, "refused")
    assert (refused["variables"], refused["message"]) == (["numbers"], caught.value.message)
    assert refused["remedy"] == caught.value.remedy


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"code": -9}, "bob was killed (signal 9)"),
        ({"code": -11}, "bob crashed (signal 11)"),
        ({"code": 3}, "bob ended (exit code 3)"),
        ({"memory": True, "code": -15}, "bob was ended for taking more memory than its limit"),
        ({"expected": True, "code": 0}, "bob left"),
        ({}, "bob left unexpectedly"),
    ],
)
def test_it_is_told_how_a_worker_has_ended(how, said):
    assert words(left(**how)) == f"{said}: nothing placed is missing"


def test_several_of_a_kind_at_once_are_one_event():
    events = Events(HERE)
    for number in range(30):
        events.changed(changes(released=[f"{HERE}:x{number}"]), {}, ())
    (event,) = events
    assert event["message"] == "x0, x1, x2, x3 and 26 more released"
    assert event["variables"] == [f"x{number}" for number in range(20)]
    events.changed(changes(released=[f"{HERE}:~1"]), {}, ())  # a copy that a loop made for itself
    events.changed(changes(workers=["alice", "bob"]), {}, ("alice",))
    assert [one["message"] for one in events][1:] == ["bob joined"]


def test_what_waits_is_told_once_for_each_cause_and_not_for_each_part_that_comes():
    events, computed = Events(HERE), "it is still being computed ({} of 12 keys)"
    stands = {**record("x"), "placement": {"kind": "everywhere"}, "state": "waiting", "reason": computed.format(12)}
    events.changed({**changes(), "placed": {"x": stands}}, {}, ())
    reasons = [computed.format(n) for n in (11, 2)] + ["no worker bob yet", computed.format(1)]
    for state, reason in [*(("waiting", reason) for reason in reasons), ("held", "")]:
        stands |= {"state": state, "reason": reason}
        events.changed({**changes(), "changed": {"x": stands}}, {"x": stands}, ())
    assert [event["message"] for event in events] == [
        "x waits: it is still being computed",
        "x waits: no worker bob yet",
        "x placed everywhere",
    ]


def changes(released=(), workers=()):
    return {"placed": {}, "changed": {}, "released": released, "workers": dict.fromkeys(workers), "workers_gone": []}


def test_what_nobody_has_asked_for_is_not_pushed_out_by_what_is_usual():
    events = Events(HERE)
    events.worker_left(left(), {}, ["alice"])
    for number in range(200):
        events.changed(changes(released=[f"{HERE}:x{number}"], workers=[f"w{number}"]), {}, ())
    assert next(iter(events))["kind"] == "left"
    assert len(list(events)) == 101


def test_what_became_of_variables_is_said_of_each():
    event = left(["a", "b"], ["c"], ["d"])
    said = words(event, a=record("a"), b=record("b", "other.ipynb"), c=record("c", on=()), d=record("d", on=()))
    assert said == "bob left unexpectedly: a, b@other.ipynb restored on alice after 0.3 s; c waiting; d lost"


def test_where_copies_are_is_not_said_of_many_workers_or_of_what_was_released():
    event = left(["a", "released"], expected=True)
    assert words(event, a=record("a", on=("alice", "bob", "carol"))) == "bob left: a restored after 0.3 s"


def test_of_many_variables_some_are_named():
    names = [f"x{i}" for i in range(7)]
    said = words(left(lost=names), **{name: record(name, on=()) for name in names})
    assert said == "bob left unexpectedly: x0, x1, x2, x3 and 3 more lost"


def test_the_latest_are_kept():
    events = Events(HERE)
    for _ in range(120):
        events.worker_left(left(expected=True), {}, ["alice"])
    assert [event["id"] for event in events] == [str(number) for number in range(21, 121)]
    assert {event["message"] for event in events} == {"bob left: nothing placed is missing"}

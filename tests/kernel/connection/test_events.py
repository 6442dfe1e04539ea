"""What has happened on the cluster, as the notebook is told."""

import os
import re
import signal

import numpy as np

from moorage.kernel.connection.events import Events, worker_left_words
from tests.helpers import eventually

HERE = "here.ipynb"


def record(name, owner=HERE, on=("alice",)):
    return {"name": name, "owner": owner, "held": {"rest": 0, "others": dict.fromkeys(on, 1)}}


def left(restored=(), waiting=(), lost=(), expected=False):
    return {
        "type": "worker-left",
        "worker": "bob",
        "expected": expected,
        "restored": list(restored),
        "waiting": list(waiting),
        "lost": list(lost),
        "seconds": 0.31,
    }


def words(event, **variables):
    return worker_left_words(event, variables, ["alice", "bob", "carol"], HERE)


def test_a_killed_worker_is_told_of_with_what_became_of_its_data(cluster):
    before = {event["id"] for event in cluster.link.events}
    cluster.pin("x", "bob", value=np.arange(1000))
    pid = cluster.client.submit(os.getpid, workers="bob", pure=False).result()
    os.kill(pid, signal.SIGKILL)
    event = eventually(lambda: next((one for one in cluster.link.events if one["id"] not in before), None))
    assert event["level"] == "warning"
    assert re.fullmatch(r"bob left unexpectedly: x restored on \w+ after [\d.]+ s", event["message"])


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

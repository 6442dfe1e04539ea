"""The mirror follows the journal of the scheduler, whatever the order in which events and answers arrive."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.counts import expand, with_workers
from moorage.kernel.connection.mirror import GapError, Mirror, by_name, shown_names, state_of
from moorage.model import Everywhere, WorkerInfo
from moorage.scheduler.journal import Journal
from moorage.wire.scheduler import placement_to_dict

WORKERS = ("alice", "bob", "carol")


def counts(there):
    """Return how a variable of one key tells that some workers have it, or all but some: ``~bob``."""
    if any(name.startswith("~") for name in there):
        return {"rest": 1, "others": {name[1:]: 0 for name in there if name[1:]}}
    return {"rest": 0, "others": dict.fromkeys(there, 1)}


def record(vid, held=(), pending=(), state="held", reason="", nbytes=8):
    owner, _, name = vid.partition(":")
    return {
        "vid": vid, "name": name, "owner": owner, "keys": [f"{name}-key"], "placement": placement_to_dict(Everywhere()),
        "structure": {"kind": "value"}, "typename": "int", "detail": "", "nbytes": nbytes, "shared": 0, "durable": "",
        "state": state, "reason": reason, "until": 0.0, "held": counts(held), "pending": counts(pending),
    }  # fmt: skip


class Sent:
    """Takes the place of a scheduler: what the journal sends."""

    def __init__(self):
        self.events = []

    def client_send(self, client, message):
        self.events.append(message["event"])


class World:
    """A scheduler in little: what there is, a real journal of it, and answers as the plugin gives them."""

    def __init__(self):
        self.variables = {}
        self.workers = {}
        self.sent = Sent()
        self.journal = Journal(self.sent, lambda vid: self.variables.get(vid), lambda: list(self.workers.values()))

    def change(self, vid, new, placed=False):
        if new is not None:  # the scheduler counts on workers that it knows only
            gone = set(WORKERS) - self.workers.keys()
            new = with_workers(new, (), gone)
        if new is None:
            self.variables.pop(vid, None)
        else:
            self.variables[vid] = new
        if placed or new is None:
            self.journal.count()
        self.journal._dirty[vid] = None  # as `mark` does, without an event loop
        if placed:
            self.journal._placed.add(vid)

    def worker(self, name, status):
        """Let a worker come, change or, if its status is None, go."""
        come = {name} - self.workers.keys() if status else set()
        gone = {name} & self.workers.keys() if not status else set()
        if gone:  # the scheduler hears of each copy that goes with a worker
            self.journal._dirty |= {vid: None for vid, record in self.variables.items() if self.concerns(record, name)}
        if status is None:
            self.workers.pop(name, None)
        else:
            self.workers[name] = WorkerInfo(name, f"tcp://{name}", "host", status=status)
        self.variables = {vid: with_workers(record, come, gone) for vid, record in self.variables.items()}

    def concerns(self, record, name):
        return name in expand(record["held"], self.workers) or name in expand(record["pending"], self.workers)

    def flush(self):
        self.journal.subscribers.add("client")
        self.journal.flush()

    def snapshot(self):
        self.journal.subscribers.add("client")
        self.journal.flush()
        return {
            "protocol": 1, "seq": self.journal.seq, "revision": self.journal.revision, "hosted": False,
            "variables": dict(self.variables),
            "workers": {w.name: self.wire(w) for w in self.workers.values()}, "seen": sorted(self.workers),
        }  # fmt: skip

    def wire(self, worker):
        return {field: getattr(worker, field) for field in WorkerInfo.__slots__}


records = st.sampled_from(
    [
        {"held": {"alice"}},
        {"held": {"alice", "bob"}, "nbytes": 9},
        {"held": {"bob"}, "pending": {"carol"}, "state": "moving", "reason": "r"},
        {"held": {"~"}, "nbytes": 9},
        {"held": {"~bob"}, "pending": {"bob"}, "state": "moving", "reason": "r"},
    ]
)
vids = st.sampled_from(["nb:x", "nb:y", "other:x"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("place"), vids, records),
        st.tuples(st.just("change"), vids, records),
        st.tuples(st.just("release"), vids),
        st.tuples(st.just("place, answered late"), vids, records),
        st.tuples(st.just("release, answered late"), vids),
        st.tuples(st.just("answer")),
        st.tuples(st.just("worker"), st.sampled_from(WORKERS), st.sampled_from(["running", "paused", None])),
        st.tuples(st.just("flush")),
        st.tuples(st.just("deliver"), st.integers(1, 4)),
        st.tuples(st.just("refresh")),
        st.tuples(st.just("ask")),
        st.tuples(st.just("hear")),
    ),
    max_size=40,
)


@settings(max_examples=400)
@given(steps)
def test_the_mirror_arrives_at_what_there_is(steps):
    world, mirror = World(), Mirror()
    mirror.reset(world.snapshot())
    read = 0
    answers = {}  # vid -> what the last answer said, and its revision
    asked = []  # snapshots that are on their way
    late = []  # answers that are on their way

    def deliver(count):
        nonlocal read
        for event in world.sent.events[read : read + count]:
            mirror.apply(event)
            read += 1
            for vid, (said, revision) in answers.items():
                undone = event["revision"] < revision and mirror.variables.get(vid) != said
                assert not undone, "an older event has undone an answer"
            followed(event["revision"])

    def followed(revision):
        """What is said later than an answer may differ from it."""
        for vid in [vid for vid, (_, answered) in answers.items() if answered <= revision]:
            del answers[vid]

    for kind, *what in steps:
        match kind:
            case "place":  # its answer comes before events that were sent earlier
                vid, fields = what
                world.change(vid, record(vid, **fields), placed=True)
                mirror.put({vid: world.variables[vid]}, world.journal.revision)
                answers[vid] = world.variables[vid], world.journal.revision
                assert mirror.variables[vid] == world.variables[vid]
            case "change" if what[0] in world.variables:
                world.change(what[0], record(what[0], **what[1]))
            case "release":
                world.change(what[0], None)
                mirror.put({what[0]: None}, world.journal.revision)
                answers[what[0]] = None, world.journal.revision
                assert what[0] not in mirror.variables
            case "place, answered late":
                vid, fields = what
                world.change(vid, record(vid, **fields), placed=True)
                late.append(({vid: world.variables[vid]}, world.journal.revision))
            case "release, answered late":
                world.change(what[0], None)
                late.append(({what[0]: None}, world.journal.revision))
            case "answer" if late:
                said, revision = late.pop(0)
                mirror.put(said, revision)
                answers = {vid: known for vid, known in answers.items() if vid not in said or known[1] > revision}
            case "worker":
                name, status = what
                world.worker(name, status)
            case "flush":
                world.flush()
            case "deliver":
                deliver(what[0])
            case "refresh":
                snapshot = world.snapshot()
                mirror.reset(snapshot)
                answers.clear()
                assert mirror.variables == world.variables
            case "ask":
                asked.append(world.snapshot())
            case "hear" if asked:
                snapshot = asked.pop()
                mirror.reset(snapshot)
                for vid, (said, revision) in answers.items():
                    undone = snapshot["revision"] < revision and mirror.variables.get(vid) != said
                    assert not undone, "an older snapshot has undone an answer"
                followed(snapshot["revision"])
    world.flush()
    deliver(len(world.sent.events))
    for answer in late:
        mirror.put(*answer)
    assert mirror.variables == world.variables
    assert set(mirror.workers) == set(world.workers)
    assert {info.name: info.status for info in mirror.infos()} == {w.name: w.status for w in world.workers.values()}
    assert mirror.seq == world.journal.seq


def event(seq, **parts):
    empty = {"placed": {}, "changed": {}, "released": [], "workers": {}, "workers_gone": []}
    return {"type": "changes", "seq": seq, "revision": 0, **empty, **parts}


def test_a_missing_event_is_noticed_and_nothing_has_changed():
    mirror = Mirror()
    mirror.reset({**World().snapshot(), "seq": 4})
    with pytest.raises(GapError):
        mirror.apply(event(6, placed={"nb:x": record("nb:x")}))
    assert (mirror.seq, mirror.variables) == (4, {})
    assert mirror.apply(event(4, placed={"nb:x": record("nb:x")})) == set()
    assert mirror.apply(event(5, placed={"nb:x": record("nb:x")})) == {"variables"}
    assert mirror.apply(event(6)) == set()


def test_an_answer_undoes_nothing_that_was_said_after_it():
    mirror = Mirror()
    mirror.reset({**World().snapshot(), "seq": 4})
    moving, held = record("nb:x", ["alice"], ["bob"], "moving"), record("nb:x", ["alice", "bob"])
    mirror.apply(event(5, placed={"nb:x": moving}, revision=1))
    mirror.apply(event(6, placed={"nb:x": held}, revision=1))
    mirror.put({"nb:x": moving}, 1)
    assert mirror.variables == {"nb:x": held}
    mirror.put({"nb:x": None}, 2)
    mirror.apply(event(7, released=["nb:x"], revision=2))
    mirror.put({"nb:x": moving}, 1)
    assert mirror.variables == {}


def test_workers_once_seen_are_remembered():
    world, mirror = World(), Mirror()
    mirror.reset(world.snapshot())
    info = WorkerInfo("alice", "tcp://alice", "host")
    assert mirror.apply(event(1, workers={"alice": world.wire(info)})) == {"workers"}
    assert mirror.apply(event(2, workers_gone=["alice"])) == {"workers"}
    assert (mirror.workers, mirror.seen) == ({}, {"alice"})


def test_workers_are_sorted_as_people_count():
    infos = [WorkerInfo(name, "", "") for name in ("10", "bob", "9", "alice", "0", "1-b", "1-a")]
    assert [info.name for info in by_name(infos)] == ["0", "9", "10", "1-a", "1-b", "alice", "bob"]


def test_own_names_are_plain_and_others_give_way():
    variables = {vid: record(vid) for vid in ("nb:x", "other:x", "other:y", "third:y")}
    assert shown_names(variables, "nb") == {
        "x": "nb:x",
        "x@other": "other:x",
        "y": "other:y",
        "y@third": "third:y",
    }
    assert shown_names(variables, "nobody") == {
        "x": "nb:x",
        "x@other": "other:x",
        "y": "other:y",
        "y@third": "third:y",
    }


def test_a_state_says_what_the_record_says():
    moving = record("nb:x", held=["~carol"], pending=["carol"], state="moving", reason="r")
    state = state_of(moving, WORKERS, stale=True)
    assert (state.name, state.owner, state.placement) == ("x", "nb", Everywhere())
    assert (state.holders, state.pending, state.nkeys) == (["alice", "bob"], {"carol": 1}, 1)
    assert (state.state, state.reason, state.stale) == ("moving", "r", True)

"""The panel's state and its differences, without a cluster."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.jupyter.panel.state import EMPTY, Facts, StateMaker, difference
from tests.jupyter.panel.panel_rules import apply

OWNER = "mine.ipynb"


def worker(name, host="h1", process=0, status="running"):
    return {
        "name": name,
        "address": f"tcp://{host}:{name}",
        "host": host,
        "nthreads": 1,
        "memory_limit": 10**9,
        "status": status,
        "managed": 0,
        "process": process,
        "spilled": 0,
        "host_shared": 0,
        "host_free": -1,
        "shares": None,
        "running": {},
        "since": 0,
        "waiting": 0,
    }


def record(name, owner=OWNER, held=None, pending=None, state="held"):
    return {
        "vid": f"{owner}:{name}",
        "name": name,
        "owner": owner,
        "keys": [f"{name}-1"],
        "placement": {"kind": "everywhere"},
        "structure": {"kind": "value", "labels": [], "typename": ""},
        "typename": "ndarray",
        "detail": "(3,) int64",
        "nbytes": 24,
        "shared": 0,
        "durable": "",
        "state": state,
        "reason": "",
        "held": held or {"rest": 0, "others": {}},
        "pending": pending or {"rest": 0, "others": {}},
    }


def records(*variables):
    return {variable["vid"]: variable for variable in variables}


def candidate(name, nbytes=10**6):
    return {"name": name, "typename": "list", "detail": "3 items", "nbytes": nbytes}


NAMES = st.sampled_from(["a", "b", "c", "<img src=x>", "__proto__"])
COUNTS = st.builds(
    lambda rest, others: {"rest": rest, "others": {w: n for w, n in others.items() if n != rest}},
    st.integers(0, 2),
    st.dictionaries(NAMES, st.integers(0, 3), max_size=4),
)
VARIABLES = st.lists(
    st.builds(
        record,
        NAMES,
        st.sampled_from([OWNER, "other.ipynb"]),
        COUNTS,
        COUNTS,
        st.sampled_from(["held", "moving", "waiting", "lost"]),
    ),
    max_size=6,
).map(lambda variables: records(*variables))
WORKERS = st.dictionaries(NAMES, st.integers(0, 2), max_size=4).map(
    lambda sizes: {name: worker(name, process=size) for name, size in sizes.items()}
)
CLUSTERS = st.one_of(st.none(), st.fixed_dictionaries({"name": NAMES, "status": st.sampled_from(["lost", "starting"])}))
FACTS = st.builds(
    Facts,
    cluster=CLUSTERS,
    workers=WORKERS,
    variables=VARIABLES,
    owner=st.just(OWNER),
    stale=st.sets(NAMES),
    namespace=st.sets(NAMES),
    candidates=st.dictionaries(NAMES, st.integers(1, 3)).map(
        lambda found: {n: candidate(n, b) for n, b in found.items()}
    ),
    computations=st.dictionaries(NAMES, st.integers(0, 9)).map(
        lambda found: {n: {"id": n, "label": "f", "done": done} for n, done in found.items()}
    ),
    notices=st.dictionaries(NAMES, NAMES).map(lambda found: {n: {"id": n, "message": m} for n, m in found.items()}),
    events=st.dictionaries(NAMES, NAMES).map(lambda found: {n: {"id": n, "message": m} for n, m in found.items()}),
    proposals=st.dictionaries(NAMES, NAMES).map(lambda found: {n: {"id": n, "line": m} for n, m in found.items()}),
    undoable=NAMES,
    read_only=st.booleans(),
)


@given(st.lists(FACTS, min_size=1, max_size=6))
@settings(max_examples=300)
def test_all_updates_together_lead_to_the_last_state(history):
    make = StateMaker()
    first = before = make(history[0])
    shown = json.loads(json.dumps(first))
    for facts in history[1:]:
        after = make(facts)
        changes = difference(before, after)
        if changes is not None:
            changed, removed = json.loads(json.dumps(changes))
            shown = apply(shown, changed, removed)
        before = after
    assert shown == StateMaker()(history[-1])


@given(FACTS)
def test_nothing_is_said_when_nothing_has_changed(facts):
    assert difference(StateMaker()(facts), StateMaker()(facts)) is None


def test_an_update_is_as_large_as_the_change():
    workers = {str(i): worker(str(i)) for i in range(1000)}
    variables = records(*(record(f"x{i}", held={"rest": 1, "others": {}}) for i in range(50)))
    make = StateMaker()
    before = make(Facts(workers=workers, variables=variables, owner=OWNER))
    variables = variables | records(record("x3", held={"rest": 1, "others": {"7": 2}}))
    workers = workers | {"5": worker("5", process=99)}
    changes = difference(before, make(Facts(workers=workers, variables=variables, owner=OWNER)))
    assert changes == ({"workers": {"5": {"process": 99}}, "variables": {"x3": {"held": {"others": {"7": 2}}}}}, {})


def test_a_worker_that_comes_is_no_news_of_variables_that_it_does_not_have_yet():
    workers = {str(i): worker(str(i)) for i in range(1000)}
    make = StateMaker()
    before = make(Facts(workers=workers, variables=records(record("x", held={"rest": 1, "others": {}})), owner=OWNER))
    workers["new"] = worker("new")
    lacking = record("x", held={"rest": 1, "others": {"new": 0}})
    changes = difference(before, make(Facts(workers=workers, variables=records(lacking), owner=OWNER)))
    assert changes is not None
    assert changes[0].keys() == {"workers"}


def test_what_follows_from_the_same_record_is_the_same_object():
    variables = records(record("x"), record("y"))
    make = StateMaker()
    before = make(Facts(variables=variables, owner=OWNER))
    after = make(Facts(variables=variables | records(record("y", state="moving")), owner=OWNER))
    assert after["variables"]["x"] is before["variables"]["x"]
    assert after["variables"]["y"]["state"] == "moving"


def test_a_placed_variable_is_no_candidate():
    found = {"x": candidate("x"), "y": candidate("y")}
    state = StateMaker()(Facts(variables=records(record("x")), owner=OWNER, candidates=found))
    assert set(state["candidates"]) == {"y"}


def test_anothers_variable_goes_by_its_owner_when_the_name_is_taken():
    variables = records(record("x", "other.ipynb"), record("z", "other.ipynb"))
    make = StateMaker()
    assert list(make(Facts(variables=variables, owner=OWNER, namespace={"x"}))["variables"]) == ["x@other.ipynb", "z"]
    variables |= records(record("z"))
    state = make(Facts(variables=variables, owner=OWNER))
    assert list(state["variables"]) == ["z", "x", "z@other.ipynb"]
    assert state["variables"]["z"]["owner"] == ""
    assert state["variables"]["x"]["owner"] == "other.ipynb"


def test_what_is_being_sent_gives_way_to_what_is_placed():
    sent = StateMaker()(Facts(variables=records(record("x")), owner=OWNER))["variables"]["x"] | {"state": "moving"}
    make = StateMaker()
    before = make(Facts(owner=OWNER, sending={"x": sent}, candidates={"x": candidate("x")}))
    assert before["variables"]["x"]["state"] == "moving"
    assert before["candidates"] == {}
    after = make(Facts(variables=records(record("x")), owner=OWNER, sending={"x": sent}))
    assert after["variables"]["x"]["state"] == "held"


def test_variables_are_in_the_order_in_which_they_were_placed_ones_own_first():
    variables = records(record("z"), record("y", "other.ipynb"), record("a"))
    assert list(StateMaker()(Facts(variables=variables, owner=OWNER))["variables"]) == ["z", "a", "y"]


def test_addresses_of_workers_become_names():
    workers = {"alice": worker("alice"), "bob": worker("bob")}
    asked = ["tcp://h1:alice", "h1:bob", "h1", "h1:9"]
    placed = record("x") | {"placement": {"kind": "workers", "workers": asked, "each": True}}
    make = StateMaker()
    state = make(Facts(variables=records(placed), workers=workers, owner=OWNER))
    assert state["variables"]["x"]["placement"]["workers"] == ["alice", "bob", "h1", "h1:9"]
    again = make(Facts(variables=records(placed), workers=workers, owner=OWNER))
    assert again["variables"]["x"] is state["variables"]["x"]
    gone = make(Facts(variables=records(placed), workers={}, owner=OWNER))
    assert gone["variables"]["x"]["placement"]["workers"] == asked


def test_only_ones_own_variables_are_stale():
    variables = records(record("x"), record("x", "other.ipynb"))
    state = StateMaker()(Facts(variables=variables, owner=OWNER, stale={"x"}))
    assert [variable["stale"] for variable in state["variables"].values()] == [True, False]


def test_the_empty_state_is_what_comes_of_no_facts():
    assert StateMaker()(Facts()) == EMPTY

"""Whatever happens between its steps, carrying out the plan ends where everything is where it shall be."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers, Placement, WorkerInfo
from moorage.plan import SMALL, ClusterView, Drop, KeyView, Replicate, Wait, plan_key, standing

NAMES = ["alice", "bob", "carol", "dave", "erin", "frank"]
HOSTS = ["h1", "h2", "h3"]


def worker(name: str, host: str = "h1", status: str = "running") -> WorkerInfo:
    return WorkerInfo(name=name, address=f"tls://{host}:{name}", host=host, status=status)  # type: ignore[arg-type]


Action = Replicate | Drop | Wait


def plan(placements: tuple[Placement, ...], view: KeyView, cluster: ClusterView) -> list[Action]:
    """Return all there is to do about a key."""
    step = plan_key(placements, view, cluster)
    return [*step.replicate, *step.drop, *step.wait]


@dataclass
class World:
    """A cluster in miniature that carries out plans in any order."""

    workers: dict[str, WorkerInfo]
    desired: dict[str, tuple[Placement, ...]]
    nbytes: int
    holders: dict[str, set[str]]
    in_flight: dict[str, dict[str, str]] = field(default_factory=dict)
    in_use: set[str] = field(default_factory=set)
    knows_lacking: bool = False

    def cluster(self) -> ClusterView:
        return ClusterView(self.workers.values())

    def view(self, key: str) -> KeyView:
        flights = self.in_flight.get(key, {})
        holders = frozenset(self.holders[key])
        everywhere = all(isinstance(placement, Everywhere) for placement in self.desired[key])
        lacking = self.cluster().present - holders if everywhere and self.knows_lacking else None
        return KeyView(key, self.nbytes, holders, flights, key in self.in_use, lacking)

    def actions(self) -> list[Action]:
        cluster = self.cluster()
        return [action for key, wishes in self.desired.items() for action in plan(wishes, self.view(key), cluster)]

    def do(self, action: Action) -> None:
        key = action.key
        assert isinstance(key, str)
        match action:
            case Replicate(targets=targets, sources=sources):
                assert set(sources) <= self.holders[key], "a source that has nothing to give"
                assert self.cluster().running.issuperset(targets)
                assert self.holders[key].isdisjoint(targets)
                self.in_flight.setdefault(key, {}).update(dict.fromkeys(targets, sources[0]))
            case Drop(worker=address):
                # what may still be wanted cannot be what is dropped, and something must remain
                assert not self.in_flight.get(key)
                assert key not in self.in_use
                self.holders[key].discard(address)
                assert self.holders[key], "the last copy was let go"
                kept = plan_key(self.desired[key], self.view(key), self.cluster())
                assert not kept.pending & self.cluster().running, "dropped before the wanted copies were there"

    def arrive(self, key: str, target: str) -> None:
        source = self.in_flight[key].pop(target)
        if source in self.holders[key] and target in self.cluster().by_address:
            self.holders[key].add(target)

    def vanish(self, name: str) -> None:
        address = self.workers.pop(name).address
        for key, holders in self.holders.items():
            holders.discard(address)
            flights = self.in_flight.get(key, {})
            for target in [t for t, s in flights.items() if address in (s, t)]:
                del flights[target]

    def settle(self, rng: random.Random) -> None:
        for _ in range(400):
            actions = [a for a in self.actions() if not isinstance(a, Wait)]
            flights = [(key, target) for key, targets in self.in_flight.items() for target in targets]
            if not actions and not flights:
                return
            if actions and (not flights or rng.random() < 0.5):
                self.do(rng.choice(actions))
            else:
                self.arrive(*rng.choice(flights))
        raise AssertionError("the plan does not converge")


placements = st.one_of(
    st.builds(Anywhere, copies=st.integers(1, 4)),
    st.just(Everywhere()),
    st.just(OnePerHost()),
    st.builds(
        OnWorkers,
        workers=st.lists(st.sampled_from([*NAMES, *HOSTS]), min_size=1, max_size=3, unique=True).map(tuple),
        each=st.booleans(),
    ),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    statuses = st.sampled_from(["running", "running", "running", "paused", "init", "closing"])
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    workers = {n: worker(n, draw(st.sampled_from(HOSTS)), draw(statuses)) for n in names}
    addresses = [w.address for w in workers.values()]
    keys = draw(st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, unique=True))
    return World(
        workers=workers,
        desired={k: tuple(draw(st.lists(placements, min_size=1, max_size=3))) for k in keys},
        nbytes=draw(st.sampled_from([10, 100 * SMALL])),
        holders={k: set(draw(st.lists(st.sampled_from(addresses), min_size=1, unique=True))) for k in keys},
        in_use=set(draw(st.lists(st.sampled_from(keys), unique=True))),
        knows_lacking=draw(st.booleans()),
    )


@settings(max_examples=300)
@given(worlds(), st.randoms(use_true_random=False))
def test_carrying_out_the_plan_in_any_order_converges_and_keeps_a_copy(world: World, rng: random.Random) -> None:
    world.settle(rng)
    world.in_use.clear()
    world.settle(rng)
    assert all(isinstance(a, Wait) for a in world.actions())
    cluster = world.cluster()
    for key, wishes in world.desired.items():
        step = plan_key(wishes, world.view(key), cluster)
        assert world.holders[key]
        assert not step.pending & cluster.running
        assert not step.surplus


@settings(max_examples=300)
@given(worlds(), st.randoms(use_true_random=False), st.data())
def test_workers_that_vanish_and_join_between_steps_do_not_keep_it_from_converging(
    world: World, rng: random.Random, data: st.DataObject
) -> None:
    for _ in range(data.draw(st.integers(1, 8))):
        actions = [a for a in world.actions() if not isinstance(a, Wait)]
        for action in rng.sample(actions, min(len(actions), 3)):
            if action in world.actions():  # it may have been overtaken by the one before
                world.do(action)
        flights = [(key, target) for key, targets in world.in_flight.items() for target in targets]
        if flights and rng.random() < 0.5:
            world.arrive(*rng.choice(flights))
        unique = {next(iter(h)) for h in world.holders.values() if len(h) == 1}
        mortal = [n for n, w in world.workers.items() if w.address not in unique]
        event = data.draw(st.sampled_from(["vanish", "join", "status"]))
        if event == "vanish" and mortal:
            world.vanish(rng.choice(mortal))
        elif event == "join":
            name = rng.choice(NAMES)
            if name not in world.workers:
                world.workers[name] = worker(name, rng.choice(HOSTS))
        elif world.workers:
            name = rng.choice(list(world.workers))
            world.workers[name] = replace(world.workers[name], status=rng.choice(["running", "paused", "closing"]))
    world.settle(rng)
    assert all(world.holders.values())
    # all well again: every worker runs, nothing is waited for but workers that do not exist
    world.workers = {n: replace(w, status="running") for n, w in world.workers.items()}
    world.in_use.clear()
    world.settle(rng)
    for key, wishes in world.desired.items():
        step = plan_key(wishes, world.view(key), world.cluster())
        assert not step.pending
        assert not step.surplus


def test_a_pin_copies_first_and_lets_go_after() -> None:
    cluster = ClusterView([worker("alice"), worker("bob")])
    alice, bob = cluster.by_name["alice"], cluster.by_name["bob"]
    before = KeyView("x", 10, frozenset({bob}))
    pin = (OnWorkers(("alice",)),)
    assert plan(pin, before, cluster) == [Replicate("x", (alice,), (bob,))]
    on_its_way = replace(before, in_flight={alice: bob})
    assert plan(pin, on_its_way, cluster) == []
    both = KeyView("x", 10, frozenset({alice, bob}))
    assert [type(a) for a in plan(pin, both, cluster)] == [Drop]
    assert plan(pin, replace(both, in_use=True), cluster) == []


def test_a_large_key_enters_each_host_once_and_leaves_each_holder_at_most_twice() -> None:
    workers = [worker(f"{host}-{i}", host) for host in HOSTS for i in range(4)]
    cluster = ClusterView(workers)
    source = workers[0].address
    step = plan_key([Everywhere()], KeyView("x", 10 * SMALL, frozenset({source})), cluster)
    assert sum(len(action.targets) for action in step.replicate) == 2
    assert all(action.sources == (source,) for action in step.replicate)
    targets = [target for action in step.replicate for target in action.targets]
    entered = [cluster.by_address[target].host for target in targets if not target.startswith("tls://h1")]
    assert len(entered) == len(set(entered))


@pytest.mark.parametrize(
    ("placement", "reason"),
    [
        (OnWorkers(("zoe",)), "no worker zoe yet"),
        (OnWorkers(("carol",)), "worker carol is paused"),
        (OnWorkers(("zoe", "yan"), each=False), "no worker zoe or yan yet"),
        (Anywhere(5), "5 copies asked for, 2 workers there"),
    ],
)
def test_what_cannot_be_yet_waits_and_says_why(placement: Placement, reason: str) -> None:
    cluster = ClusterView([worker("alice"), worker("carol", status="paused")])
    step = plan_key([placement], KeyView("x", 10, frozenset({cluster.by_name["alice"]})), cluster)
    assert reason in [w.reason for w in step.wait]
    assert standing([step], "")[0] == "waiting"
    assert not step.drop


def test_two_variables_of_one_key_share_copies_where_one_leaves_the_choice() -> None:
    cluster = ClusterView([worker(n) for n in ("alice", "bob", "carol")])
    view = KeyView("x", 10, frozenset({cluster.by_name["bob"], cluster.by_name["alice"]}))
    step = plan_key([Anywhere(1), OnWorkers(("alice",))], view, cluster)
    assert [d.worker for d in step.drop] == [cluster.by_name["bob"]]


def test_a_placed_value_of_size_goes_to_all_other_hosts_at_once_but_for_those_that_get_it_whole():
    workers = [worker(name, host) for host in ("h1", "h2", "h3", "h4") for name in (f"{host}a", f"{host}b")]
    cluster = ClusterView(workers)
    holder = workers[0].address
    view = KeyView("x", 10 * SMALL, frozenset({holder}), spreaders=[holder], whole=frozenset({workers[6].address}))
    step = plan_key([Everywhere()], view, cluster)
    near, together, whole = step.replicate
    assert (near.targets, near.spread) == ((workers[1].address,), False)
    assert (together.targets, together.spread) == ((workers[2].address, workers[4].address), True)
    assert (whole.targets, whole.spread) == ((workers[6].address,), False)


def test_what_is_being_spread_does_not_keep_neighbours_waiting():
    workers = [worker("a", "h1"), worker("b", "h1"), worker("c", "h2"), worker("d", "h3"), worker("e", "h4")]
    source, neighbour, *others = (each.address for each in workers)
    in_flight = dict.fromkeys(others, source)
    view = KeyView("x", 10 * SMALL, frozenset({source}), in_flight, spreaders=[source], spreading=in_flight.keys())
    step = plan_key([Everywhere()], view, ClusterView(workers))
    assert [(action.targets, action.spread) for action in step.replicate] == [((neighbour,), False)]

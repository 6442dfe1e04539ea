"""What the scheduler knows of keys is checked whenever a test asks where they stand, and each check can fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from distributed import Scheduler

from moorage.scheduler.plugin import NAME
from moorage.scheduler.validate import state_of
from tests.scheduler.notebook import Notebook
from tests.workers import Workers


def check(plugin: Any) -> None:
    """Check with the plugin's own code: it has travelled by value, with classes of its own."""
    type(plugin).state.__globals__["check"](plugin)


def lacks_what_it_has(plugin: Any, key: Any) -> Callable[[], object]:
    lacking = plugin.reconciler.lacking[key]
    lacking.update(plugin.scheduler.workers)
    return lacking.clear


def on_its_way_to_who_has_it(plugin: Any, key: Any) -> Callable[[], object]:
    plugin.reconciler.flights.begin(key, ["tcp://nobody:1"], list(plugin.scheduler.workers), 10)
    return lambda: plugin.reconciler.flights.end_all(key)


def lost_and_there(plugin: Any, key: Any) -> Callable[[], object]:
    plugin.origins.lost[key] = "it is not"
    return lambda: plugin.origins.lost.pop(key)


def known_and_not_placed(plugin: Any, key: Any) -> Callable[[], object]:
    plugin.origins.asked["another"] = 1.0
    return lambda: plugin.origins.asked.pop("another")


def not_held(plugin: Any, key: Any) -> Callable[[], object]:
    client = plugin.scheduler.clients.pop("moorage-nb:x")
    return lambda: plugin.scheduler.clients.update({"moorage-nb:x": client})


def wanted_by_nobody(plugin: Any, key: Any) -> Callable[[], object]:
    records = plugin.desired.by_key[key]
    plugin.desired.by_key[key] = {}
    return lambda: plugin.desired.by_key.update({key: records})


def too_many_bytes_on_their_way(plugin: Any, key: Any) -> Callable[[], object]:
    plugin.reconciler.flights.incoming["nobody"] = 1
    return lambda: plugin.reconciler.flights.incoming.pop("nobody")


def too_much_shared(plugin: Any, key: Any) -> Callable[[], object]:
    plugin.shared.counted["nobody"] = 1
    return lambda: plugin.shared.counted.pop("nobody")


BREAKS = {
    lacks_what_it_has: "who lacks it",
    on_its_way_to_who_has_it: "on its way to who has it",
    lost_and_there: "lost, and there",
    known_and_not_placed: "of no variable",
    not_held: "nobody holds",
    wanted_by_nobody: "nb:x",
    too_many_bytes_on_their_way: "bytes on their way",
    too_much_shared: "shared by workers",
}


@pytest.mark.parametrize("damage", BREAKS, ids=lambda damage: damage.__name__)
def test_what_does_not_agree_is_found(
    damage: Callable[[Any, Any], Callable[[], object]], workers: Workers, notebook: Notebook
) -> None:
    notebook.everywhere("x", np.arange(10))
    key = notebook.key("x")

    def found(scheduler: Scheduler) -> str:
        plugin = scheduler.extensions[NAME]
        mend = damage(plugin, key)
        try:
            check(plugin)
        except (AssertionError, KeyError) as error:
            return repr(error)
        finally:
            mend()
        return ""

    assert BREAKS[damage] in workers.look(found)
    workers.look(lambda scheduler: check(scheduler.extensions[NAME]))


def test_it_is_checked_when_asked_where_all_stands(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", np.arange(10))
    workers.look(lambda scheduler: scheduler.extensions[NAME].origins.asked.update(another=1.0))
    try:
        with pytest.raises(AssertionError, match="of no variable"):
            notebook.call("state")
    finally:
        workers.look(lambda scheduler: scheduler.extensions[NAME].origins.asked.pop("another"))


def test_a_row_says_all_of_a_key(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", np.arange(10))
    key = notebook.key("x")
    row = workers.look(lambda scheduler: state_of(scheduler.extensions[NAME], key))
    assert row.variables == ("nb:x",)
    assert row.holders == set(workers.addresses().values())
    assert row.lacking == set()
    assert (row.plan, row.in_flight, row.lost) == (None, {}, "")
    assert row.senders == (notebook.client.id,)

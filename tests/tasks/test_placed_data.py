"""What is remembered of the mirror is never older than the last change."""

import asyncio

import pytest

from moorage.errors import LostError
from moorage.tasks.placed_data import PlacedData


class Placer:
    """As much of a placer, and of its link and mirror, as it takes."""

    owner = "nb"

    def __init__(self):
        self.link = self.mirror = self
        self.variables = {}
        self.refreshed = 0
        self.meanwhile = lambda: None

    def subscribe(self, callback):
        self.changed = lambda: callback("variables")

    def snapshot(self):
        variables = dict(self.variables)
        self.meanwhile()
        return variables, {}

    async def refresh(self):
        self.refreshed += 1
        self.place("x")

    async def who_has(self, keys):
        return dict.fromkeys(keys, {"tcp://alice"} if self.refreshed and "x-1" in keys else ())

    async def next_change(self, timeout):
        return None

    def place(self, name):
        self.variables[f"nb:{name}"] = {"owner": "nb", "name": name, "keys": [f"{name}-1"], "state": "moving"}
        self.changed()


def test_a_change_while_the_mirror_is_read_is_seen():
    placer = Placer()
    data = PlacedData(placer)
    placer.meanwhile = lambda: placer.place("x")
    data._record("x-1")
    placer.meanwhile = lambda: None
    assert data._record("x-1") is not None


def test_what_has_just_been_placed_is_not_taken_for_lost():
    placer = Placer()
    data = PlacedData(placer)
    asyncio.run(data._wait_held(["x-1"], 5.0))
    assert placer.refreshed == 1
    with pytest.raises(LostError, match="y-1 is lost: it was let go"):
        asyncio.run(data._wait_held(["y-1"], 5.0))

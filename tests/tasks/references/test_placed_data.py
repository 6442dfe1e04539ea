"""What is remembered of the mirror is never older than the last change, and what is captured is there while needed."""

import asyncio
import contextlib
import types

import numpy as np
import pytest

from moorage.errors import LostError
from moorage.kernel.values.fingerprint import image_of
from moorage.kernel.values.value_registry import ValueRegistry
from moorage.model import Anywhere
from moorage.tasks import placed_data
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


def test_a_captured_value_is_there_although_an_equal_one_was_about_to_be_let_go_of(monkeypatch):
    monkeypatch.setattr(placed_data, "_UNNAMED", 2)
    placer = Placer()
    placer.origins = ValueRegistry()
    data = PlacedData(placer)
    meanwhile = [lambda: None]

    def place(value, *args, **kwargs):
        key = f"k-{value[0]}"
        placer.origins.remember(key, value, image_of(value))
        meanwhile[0]()
        return types.SimpleNamespace(key=key)

    monkeypatch.setattr(data, "_place", place)
    values, equal = [np.full(1000, i) for i in range(3)], np.full(1000, 0)
    with contextlib.ExitStack() as another_thread:
        another_thread.enter_context(data.keeping())
        for value in values:
            data._place_unnamed(value, Anywhere())
        meanwhile[0] = another_thread.close
        assert data._place_unnamed(equal, Anywhere()) == "k-0"
    assert placer.origins.value("k-0") is equal
    assert list(data._unnamed) == ["k-2", "k-0"]

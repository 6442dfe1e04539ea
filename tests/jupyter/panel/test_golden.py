"""The example messages that both sides of the wire are held to: ``tests/protocol/*.json``, also read by vitest."""

import json
from pathlib import Path
from typing import get_type_hints

import pytest

from moorage.capacity import Needs
from moorage.capacity import check as check_room
from moorage.errors import ArgumentError, DoesNotFitError
from moorage.jupyter.panel.shapes import check
from moorage.jupyter.panel.state import difference, snapshot_of
from moorage.kernel.placement.elements import needs, pack
from moorage.kernel.placement.targets import ResolvedPlacement
from moorage.magic import magic_for
from moorage.model import WorkerInfo
from moorage.wire.panel import PanelHello, PanelOpen
from moorage.wire.panel_requests import PanelOps, PanelRequest
from moorage.wire.scheduler import PROTOCOL_VERSION, placement_from_dict
from tests.jupyter.panel.panel_rules import apply, state_of

EXAMPLES = Path(__file__).parents[2] / "protocol"


def example(name):
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def test_the_update_is_what_the_kernel_says_between_the_two_states():
    before, update, after = example("snapshot"), example("update"), example("after_update")
    changes = difference(state_of(before), after)
    assert changes == (update["changed"], update["removed"])
    assert update["version"] == before["version"] + 1


def test_the_update_leads_to_the_later_state():
    update, after = example("update"), example("after_update")
    shown = apply(state_of(example("snapshot")), update["changed"], update["removed"])
    assert shown == after


def test_a_snapshot_is_as_the_kernel_makes_it():
    snapshot = example("snapshot")
    assert snapshot_of(state_of(snapshot), snapshot["version"]) == snapshot


@pytest.mark.parametrize("request_", example("requests"), ids=lambda request: request["op"])
def test_the_kernel_understands_each_request(request_):
    check(request_, PanelRequest, "it")
    check(request_["args"], get_type_hints(PanelOps)[request_["op"]], "it")


def test_there_is_an_example_of_each_request():
    assert {request["op"] for request in example("requests")} == set(get_type_hints(PanelOps))


def test_comms_are_opened_as_the_protocol_says():
    check(example("open"), PanelOpen, "it")
    check(example("hello"), PanelHello, "it")
    assert example("open")["protocol"] == example("hello")["protocol"] == PROTOCOL_VERSION


@pytest.mark.parametrize("gesture", example("magics"), ids=lambda gesture: str(gesture["magic"]))
def test_a_gesture_has_the_same_magic_on_both_sides(gesture):
    placement = placement_from_dict(gesture["placement"]) if gesture["placement"] else None
    try:
        line = magic_for(gesture["names"], placement, force=gesture["force"])
    except ArgumentError:  # no line can say it
        line = None
    assert line == gesture["magic"]


@pytest.mark.parametrize("gesture", example("gestures"), ids=lambda gesture: gesture["what"])
def test_a_gesture_takes_the_same_on_both_sides(gesture):
    workers = [WorkerInfo(address=f"tcp://{worker['name']}", **worker) for worker in gesture["workers"]]
    elements = pack(b"", "v", True, True, writable=gesture.get("writable", False))
    elements.nbytes[:] = [gesture["nbytes"]]
    (key,) = elements.keys
    needed = needs(
        elements,
        ResolvedPlacement(placement_from_dict(gesture["placement"]), workers),
        [None],
        {key: {f"tcp://{name}" for name in gesture["held"]}},
        shared={key: gesture["sharable"]},
    )
    taken = {name: nbytes for name, nbytes in needed.private.items() if nbytes}
    assert Needs(taken, needed.shared) == Needs(gesture["private"], gesture["shared"])
    if gesture["refused"] is None:
        check_room("x", needed, workers)
    else:
        with pytest.raises(DoesNotFitError, match=rf"\b{gesture['refused']}\b"):
            check_room("x", needed, workers)

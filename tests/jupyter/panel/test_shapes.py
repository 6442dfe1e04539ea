"""Messages made by hand: what has not the shape of the protocol is refused, by field."""

import pytest

from moorage.errors import InputError
from moorage.jupyter.panel.shapes import check
from moorage.wire.panel import PanelOpen, PanelVariable
from moorage.wire.panel_requests import PanelAdaptArgs, PanelPlaceArgs, PanelRequest, PanelScaleArgs

PLACE = {"names": ["x"], "placement": {"kind": "everywhere"}, "force": False}


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        (PLACE, PanelPlaceArgs),
        ({**PLACE, "placement": {"kind": "workers", "workers": ["a"], "each": True}}, PanelPlaceArgs),
        ({**PLACE, "later": 1}, PanelPlaceArgs),
        ({}, PanelAdaptArgs),
        ({"minimum": 1}, PanelAdaptArgs),
        ({"id": 1, "op": "snapshot", "args": {}}, PanelRequest),
        ({"protocol": 1, "tab": "t", "read_only": True}, PanelOpen),
    ],
)
def test_what_has_the_shape_passes(message, shape):
    check(message, shape, "it")


@pytest.mark.parametrize(
    ("message", "shape", "says"),
    [
        (None, PanelPlaceArgs, "it is not an object"),
        ([], PanelScaleArgs, "it is not an object"),
        ({}, PanelScaleArgs, "lacks the field 'n'"),
        ({"n": "3"}, PanelScaleArgs, "'n' is not of type int"),
        ({"n": True}, PanelScaleArgs, "'n' is not of type int"),
        ({"n": 2.5}, PanelScaleArgs, "'n' is not of type int"),
        ({"minimum": "1"}, PanelAdaptArgs, "'minimum'"),
        ({**PLACE, "names": "x"}, PanelPlaceArgs, "'names' is not a list"),
        ({**PLACE, "names": ["x", 1]}, PanelPlaceArgs, "An element of 'names'"),
        ({**PLACE, "placement": {"kind": "nowhere"}}, PanelPlaceArgs, "'kind' is none of"),
        ({**PLACE, "placement": {"kind": "workers", "workers": "a"}}, PanelPlaceArgs, "'workers' is not a list"),
        ({"id": True, "op": "snapshot", "args": {}}, PanelRequest, "'id'"),
        ({"held": {}}, PanelVariable, "lacks the field"),
    ],
)
def test_what_has_not_is_refused(message, shape, says):
    with pytest.raises(InputError, match=says):
        check(message, shape, "it")

"""The panel's protocol is generated from the kernel's, and the example messages are of its shapes, all the way down."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from moorage.wire.panel import PanelClosed, PanelHello, PanelOpen, PanelSnapshot, PanelState, PanelUpdate
from moorage.wire.panel_requests import PanelOps, PanelReply, PanelRequest

ROOT = Path(__file__).parent.parent.parent
MESSAGES = ROOT / "tests/protocol"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("protocol_ts", ROOT / ".ci/protocol_ts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def message(name: str) -> Any:
    return json.loads((MESSAGES / f"{name}.json").read_text(encoding="utf-8"))


def faults(value: Any, hint: Any, where: str) -> list[str]:
    """Return what is wrong with `value`, all the way down, fields too many included."""
    if is_typeddict(hint):
        fields = get_type_hints(hint, include_extras=True)
        partial = not hint.__total__
        found = [f"{where}.{name} is too many" for name in value if name not in fields]
        for name, field in fields.items():
            optional = get_origin(field) is NotRequired
            if name in value:
                found += faults(value[name], get_args(field)[0] if optional else field, f"{where}.{name}")
            elif not optional and not partial:
                found.append(f"{where}.{name} is missing")
        return found
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return [] if value in args else [f"{where} is {value!r}"]
    if origin is list:
        return [fault for i, one in enumerate(value) for fault in faults(one, args[0], f"{where}[{i}]")]
    if origin is dict:
        return [fault for key, one in value.items() for fault in faults(one, args[1], f"{where}[{key!r}]")]
    if type(None) in args:
        return [] if value is None else faults(value, args[0], where)
    return [] if hint is Any or type(value) is hint else [f"{where} is {value!r}"]


def test_the_generated_types_are_current() -> None:
    module = generator()
    assert module.TARGET.read_text(encoding="utf-8") == module.generate(), (
        f"{module.TARGET.relative_to(ROOT)} is out of date: run `{module.COMMAND}`"
    )


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("open", PanelOpen),
        ("hello", PanelHello),
        ("closed", PanelClosed),
        ("snapshot", PanelSnapshot),
        ("update", PanelUpdate),
        ("after_update", PanelState),
    ],
)
def test_the_messages_have_their_shapes(name: str, shape: Any) -> None:
    assert faults(message(name), shape, name) == []


def test_requests_and_replies_have_their_shapes() -> None:
    arguments = get_type_hints(PanelOps)
    requests = message("requests")
    for request in requests:
        assert faults(request, PanelRequest, "request") == []
        assert faults(request["args"], arguments[request["op"]], request["op"]) == []
    assert {request["op"] for request in requests} == set(arguments)
    for reply in message("replies"):
        assert faults(reply, PanelReply, "reply") == []


def test_a_wrong_message_is_found_out() -> None:
    snapshot = message("snapshot")
    del snapshot["workers"]["host"]
    snapshot["state"]["variables"]["flights"]["state"] = "gone"
    assert faults(snapshot, PanelSnapshot, "snapshot") == [
        "snapshot.state.variables['flights'].state is 'gone'",
        "snapshot.workers.host is missing",
    ]

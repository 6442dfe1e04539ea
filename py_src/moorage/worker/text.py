"""Makes what users print and display fit to be sent, whatever it is: messages are UTF-8, and notebooks read JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any


def clean(text: str) -> str:
    """Return `text` as a plain `str` in which lone surrogates, as in odd file names, are backslash escapes."""
    text = str.__str__(text)
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def carried(value: Any) -> Any:
    """Return `value`, of plain types, as a message can carry it: with clean strings and huge numbers as strings."""
    match value:
        case str():
            return clean(value)
        case int() if not -(2**63) <= value < 2**64:
            return hex(value)
        case dict():
            return {carried(key): carried(part) for key, part in value.items()}
        case list() | tuple():
            return type(value)(map(carried, value)) if type(value) in (list, tuple) else value
        case _:
            return value


def bundle(data: Any) -> dict[str, Any]:
    """Return those parts of a MIME bundle that a notebook can show, with strings that can be sent."""
    parts: dict[str, Any] = {}
    if not isinstance(data, Mapping):
        return parts
    for kind, part in data.items():
        try:
            parts[clean(str(kind))] = _part(str(kind), part)
        except Exception:  # the other parts may do
            continue
    return parts


def plain_json(value: Any) -> Any:
    """Return `value` as JSON has it; an empty dict for what cannot be said in JSON."""
    try:
        return _json(value)
    except Exception:
        return {}


def _json(value: Any) -> Any:
    text = json.dumps(value, default=_plain, skipkeys=True, ensure_ascii=False)
    return json.loads(text.encode("utf-8", "replace"))


def _part(kind: str, part: Any) -> Any:
    if isinstance(part, bytes | bytearray | memoryview):
        return base64.b64encode(part).decode()
    if kind.endswith("json"):
        return _json(part)
    if not isinstance(part, str):
        raise TypeError(kind)
    return clean(part)


def _plain(value: Any) -> Any:
    """Return what stands for a value that JSON does not know."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if hasattr(value, "tolist"):  # of numpy, pandas, arrow
        return value.tolist()
    return str(value)

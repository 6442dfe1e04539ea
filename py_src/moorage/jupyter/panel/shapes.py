"""Whether a message has the shape that the protocol gives it: anyone who reaches the kernel can send one by hand."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

from moorage.errors import InputError


def check(message: Any, shape: type, what: str) -> None:
    """Check that `message` is of `shape`, a ``TypedDict`` of ``wire/``. Further fields are let through.

    Raises InputError, which names the field.
    """
    if wrong := _wrong(message, shape, what):
        raise InputError(wrong, "Panel and kernel may be of different versions: update moorage, and reload the page.")


def _wrong(value: Any, hint: Any, where: str) -> str:
    """Return what is wrong with `value`, or an empty text."""
    if is_typeddict(hint):
        return _wrong_fields(value, hint, where)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "" if value in args else f"{where} is none of {', '.join(map(str, args))}."
    if origin is list:
        if not isinstance(value, list):
            return f"{where} is not a list."
        return next((wrong for one in value if (wrong := _wrong(one, args[0], f"An element of {where}"))), "")
    kind = origin or hint  # `dict` of what is looked at elsewhere
    right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    return "" if right else f"{where} is not of type {kind.__name__}."


def _wrong_fields(value: Any, shape: Any, where: str) -> str:
    if not isinstance(value, dict):
        return f"{where} is not an object with fields."
    for name, hint in get_type_hints(shape, include_extras=True).items():
        optional = get_origin(hint) is NotRequired
        if name not in value:
            if optional:
                continue
            return f"{where} lacks the field {name!r}."
        if wrong := _wrong(value[name], get_args(hint)[0] if optional else hint, f"{name!r}"):
            return wrong
    return ""

"""A value in a few words: its type and its shape or length. Never its repr, which may be slow or have side effects."""

from __future__ import annotations

from typing import Any

from distributed import Future


def describe_value(value: Any) -> tuple[str, str]:
    """Return the name of the type, and shape or length in words.

    Returns
    -------
    tuple of str
        Such as ``("DataFrame", "336,776 × 19")``, ``("ndarray", "(8192, 8192) float64")``, ``("list", "64 items")``.
        Of a future: empty, the scheduler will know once it is computed.
    """
    if isinstance(value, Future):
        return "", ""
    typename = type(value).__name__
    if isinstance(value, str | bytes | bytearray | list | tuple | dict | set | frozenset | range):
        n = len(value)
        return typename, f"{n:,} {_UNITS.get(type(value), 'items') if n != 1 else 'item'}"
    shape = None if isinstance(value, type) else _attribute(value, "shape")
    if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape):
        dtype = _attribute(value, "dtype")
        if dtype is None:
            return typename, " × ".join(f"{n:,}" for n in shape)
        return typename, f"{shape} {dtype}" if len(str(dtype)) < 24 else f"{shape}"
    return typename, ""


_UNITS = {str: "characters", bytes: "bytes", bytearray: "bytes"}


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # a property of somebody's class
        return None

"""A value in a few words: its type and its shape or length. Never its repr, which may be slow or have side effects."""

from __future__ import annotations

from typing import Any

from dask.base import is_dask_collection
from distributed import Future


def describe_value(value: Any, *, parts: bool = False) -> tuple[str, str]:
    """Return the name of the type, and shape or length in words.

    Such as ``("DataFrame", "336,776 × 19")``, ``("ndarray", "(8192, 8192) float64")``, ``("list", "64 items")``.
    Of a future: empty, the scheduler will know once it is computed. `parts`: it is a list of the futures of some parts
    of a collection.
    """
    if parts:
        return "", f"{len(value):,} part{'s' if len(value) != 1 else ''}"
    if isinstance(value, Future):
        return "", ""
    typename = type(value).__name__
    if isinstance(value, str | bytes | bytearray | list | tuple | dict | set | frozenset | range):
        n = len(value)
        return typename, f"{n:,} {_UNITS.get(type(value), 'items') if n != 1 else 'item'}"
    if (consists_of := _parts(value)) is not None:
        return typename, consists_of
    shape = None if isinstance(value, type) else _attribute(value, "shape")
    if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape):
        dtype = _attribute(value, "dtype")
        if dtype is None:
            return typename, " × ".join(f"{n:,}" for n in shape)
        return typename, f"{shape} {dtype}" if len(str(dtype)) < 24 else f"{shape}"
    return typename, ""


_UNITS = {str: "characters", bytes: "bytes", bytearray: "bytes"}


def _parts(value: Any) -> str | None:
    """Return in words what a Dask collection consists of; None for anything else."""
    n, columns = _attribute(value, "npartitions"), _attribute(value, "columns")
    if not is_dask_collection(value) or not isinstance(n, int):
        return None
    shape, dtype = _attribute(value, "shape"), _attribute(value, "dtype")
    if _attribute(value, "numblocks") is not None:
        return f"{shape} {dtype}, {n:,} block{'s' if n != 1 else ''}"
    wide = f" × {len(columns):,} columns" if columns is not None else ""
    return f"{n:,} partition{'s' if n != 1 else ''}{wide}"


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # a property of somebody's class
        return None

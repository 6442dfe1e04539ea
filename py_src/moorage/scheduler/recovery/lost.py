"""The error of a task whose data is lost, made where it is raised: the scheduler need not have moorage."""

from __future__ import annotations

from typing import Any

REMEDY = "Place it again: %scatter, %broadcast or %pin with its value."


class Lost:
    """Becomes a `LostError` where it is unpickled, if moorage is there."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def __reduce__(self) -> tuple[Any, ...]:
        return _lost_error, self.texts


def _lost_error(message: str, remedy: str) -> Exception:
    try:
        from moorage.errors import LostError
    except ImportError:
        return RuntimeError(f"{message}\n{remedy}")
    return LostError(message, remedy)


# What claims to live in __main__ is pickled by value. Who gets the error has moorage.
_lost_error.__module__ = "__main__"

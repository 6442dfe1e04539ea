"""The elements of a list, tuple, set or dict of the notebook, and how a line calls each: ``futures[3]``, ``d['a']``.

Pure: no cluster.
"""

from __future__ import annotations

from typing import Any

from moorage.errors import InputError
from moorage.kernel.parts.named import chosen


def elements_of(value: Any) -> dict[str, Any] | None:
    """Return the elements of a container by what a line has in brackets; None of anything else."""
    if isinstance(value, dict):
        return {repr(key) if isinstance(key, str) else str(key): one for key, one in list(value.items())}
    if isinstance(value, list | tuple | set | frozenset):
        return {str(at): one for at, one in enumerate(list(value))}
    return None


def some_of(subject: str, name: str, index: str, value: Any) -> dict[int, Any] | None:
    """Return the elements of `value` that `subject` names, ``name[index]``, by position; None of what has none.

    `index`: without quotes. Raises InputError.
    """
    if (elements := elements_of(value)) is None:
        return None
    if isinstance(value, dict):
        positions = [at for at, key in enumerate(value) if str(key) == index][:1]
        if not positions:
            raise InputError(f"There is no {subject}.", f"The keys of {name} are those that list({name}) shows.")
    else:
        positions = chosen(subject, (len(elements),), "elements")
    found = list(elements.values())
    return {at: found[at] for at in positions}

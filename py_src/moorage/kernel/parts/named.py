"""Parts of a collection by name: ``ddf[3:7]`` and ``x[0,2:4]``, as in ``ddf.partitions[3:7]`` and ``x.blocks[0, 2:4]``.

Pure: no cluster.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from moorage.errors import InputError

_INDEX = r"(?:-?\d+|(?:-?\d+)?:(?:-?\d+)?(?::(?:-?\d+)?)?)"
_NAME = re.compile(rf"([^\W\d]\w*)\[({_INDEX}(?:,{_INDEX})*)\]")


def collection_of(name: object) -> str | None:
    """Return the collection that `name` names parts of; None if it is no such name."""
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    return found[1] if found else None


def chosen(name: str, shape: Sequence[int], what: str = "") -> list[int]:
    """Return which parts `name` stands for, by their index.

    `shape`: number of blocks by axis. `what`: how several of them are called.

    Raises InputError if there are none, or it has not so many axes.
    """
    found = _NAME.fullmatch(name)
    whole = found[1] if found else name.partition("[")[0]
    indices = [_index(text) for text in found[2].split(",")] if found else []
    grid = np.arange(int(np.prod(shape))).reshape(shape)
    try:
        parts = np.ravel(grid[tuple(indices)]).tolist() if found else []
    except (IndexError, ValueError):  # a step of zero is the latter
        parts = []
    if not parts:
        blocks = " x ".join(map(str, shape))
        called = what or ("parts" if len(shape) == 1 else "blocks")
        raise InputError(
            f"There is no {name}: {whole} has {blocks} {called}.",
            f"They are counted from 0, as in {whole}[{','.join('0' for _ in shape)}].",
        )
    return [int(part) for part in parts]


def _index(text: str) -> int | slice:
    if ":" not in text:
        return int(text)
    return slice(*(int(bound) if bound else None for bound in text.split(":")))

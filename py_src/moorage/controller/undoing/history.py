"""How things were before each of the last acts on one cluster, and what it takes to have them so again. Pure.

An act is what the user asked for in one go: to place or move some variables, to release some, to change the size.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moorage.errors import ClusterError
from moorage.model import Placement, describe

_KEPT = 20
_NAMED = 3  # variables


@dataclass(frozen=True, slots=True)
class Placed:
    """How a variable was placed. `whole`: as one value, and not by element. `until`: as in `PlacementState`."""

    placement: Placement
    whole: bool
    keys: tuple[Any, ...]
    until: float = 0.0
    durable: bool = False  # files are to have it, too


@dataclass(frozen=True, slots=True)
class Size:
    """How many workers were asked for. `adapt`: least and most, where the scheduler chose."""

    n: int
    adapt: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One act: what it was in words, and how things were before. A variable that was not placed is None."""

    words: str
    variables: Mapping[str, Placed | None] = field(default_factory=dict)
    size: Size | None = None


class History:
    """The last steps, the latest last."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque(maxlen=_KEPT)

    def placed(self, before: Mapping[str, Placed | None], now: Mapping[str, Placed | None]) -> bool:
        """Note how variables were, of those that are otherwise now; return whether any is."""
        changed = {name: placed for name, placed in before.items() if placed != now[name]}
        if changed:
            self._steps.append(Step(_placed_words({name: now[name] for name in changed}), changed))
        return bool(changed)

    def resized(self, before: Size, now: Size) -> bool:
        """Note how many workers were asked for, if it is another number now; return whether it is."""
        if before != now:
            self._steps.append(Step(size_words(now), size=before))
        return before != now

    @property
    def words(self) -> str:
        """What can be taken back now, in words; empty if nothing can."""
        return self._steps[-1].words if self._steps else ""

    @property
    def last(self) -> Step:
        """What can be taken back now. Raises ClusterError if nothing can."""
        if not self._steps:
            raise ClusterError(
                "There is nothing to undo.",
                "What this notebook placed, moved, released or scaled can be undone, the latest first.",
            )
        return self._steps[-1]

    def taken_back(self, step: Step) -> None:
        """Forget a step."""
        self._steps = deque((one for one in self._steps if one is not step), maxlen=_KEPT)  # another may be equal


def size_words(size: Size) -> str:
    """Return a size as what was done to get it."""
    if size.adapt is not None:
        return "adapted between {} and {} workers".format(*size.adapt)
    return f"scaled to {size.n} worker{'' if size.n == 1 else 's'}"


def _placed_words(now: Mapping[str, Placed | None]) -> str:
    names = list(now)
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    places = {describe(placed.placement) for placed in now.values() if placed is not None}
    if not places:
        return f"{shown} released"
    return f"{shown} placed {places.pop()}" if len(places) == 1 and None not in now.values() else f"{shown} placed"

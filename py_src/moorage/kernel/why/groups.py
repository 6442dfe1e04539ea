"""Several parts or items at once: an answer for each cause that some of them have in common, the worst first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from moorage.kernel.why.answer import Why
from moorage.kernel.why.tasks import why_tasks
from moorage.wire.why import WhyReply

_ORDER = ("killed", "lost", "failed", "forgotten", "cancelled", "retried", "waiting", "queued", "running")
_SHOWN = 5  # names


def why_each(whole: str, positions: Sequence[tuple[int, ...]], keys: Sequence[Any], reply: WhyReply) -> Why:
    """Return why parts of `whole` are as they are.

    `positions`: of the parts, by axis; as many as `keys`. `reply`: what the scheduler said of each.
    """
    found: list[tuple[tuple[int, ...], Why]] = []
    for cause in reply["causes"]:
        first = keys[cause["of"][0]]
        one = why_tasks(whole, [first], {**reply, "task": cause["task"]}, whole=whole)
        found += [(positions[number], one) for number in cause["of"]]
    return grouped(whole, found)


def grouped(whole: str, found: Iterable[tuple[tuple[int, ...], Why]]) -> Why:
    """Return one answer for several positions in `whole`, of which each has its own; at least one.

    The subjects of those do not count.
    """
    groups: dict[Why, list[tuple[int, ...]]] = {}
    for position, one in found:
        groups.setdefault(replace(one, subject=""), []).append(position)
    causes = sorted(groups, key=lambda one: _ORDER.index(one.state) if one.state in _ORDER else len(_ORDER))
    worst, *others = (replace(one, subject=names(whole, groups[one])) for one in causes)
    return replace(worst, others=tuple(others))


def names(whole: str, positions: Iterable[tuple[int, ...]]) -> str:
    """Return what a line calls these positions in `whole`, neighbours as one: ``ddf[2:5], ddf[7]``."""
    ordered = sorted(set(positions))
    named: list[str] = []
    counts: list[int] = []
    for _, run in groupby(enumerate(ordered), lambda pair: (*pair[1][:-1], pair[1][-1] - pair[0])):
        members = [position for _, position in run]
        first, last = members[0], members[-1][-1]
        end = str(last) if len(members) == 1 else f"{first[-1]}:{last + 1}"
        named.append(f"{whole}[{','.join([*map(str, first[:-1]), end])}]")
        counts.append(len(members))
    if (more := sum(counts[_SHOWN:])) > 0:
        named[_SHOWN:] = [f"{more:,} more"]
    return ", ".join(named)

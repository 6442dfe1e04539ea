"""What a placement would have saved, computed from transfers that there were and from what tasks used. Pure.

Only transfers count whose data a task has then used there, and only of variables of this notebook. Where two
collections met, a part that was fetched to where the other's part lay would have been there already, had they been put
together; if it was fetched to several such workers, at one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from moorage.kernel.transfers.moved import Saving
from moorage.naming import short_name
from moorage.wire.transfers import Named

_MOST = 3  # that are told


class Fetched(NamedTuple):
    """What a worker has fetched from another one of a key: by its position, and addresses."""

    key: int
    sender: str
    receiver: str
    nbytes: int


def savings(
    fetched: Iterable[Fetched],
    named: Named,
    shown: Sequence[str],
    workers: Mapping[str, str],
    settled: Mapping[str, Collection[str]],
) -> list[Saving]:
    """Return what would have saved most, the best of each variable.

    `shown`: what the names are called here. `workers`: names by address. `settled`: of placed variables: workers that
    have been given a copy on purpose.
    """
    moved: dict[tuple[int, str], int] = {}
    for one in fetched:
        moved[one.key, one.receiver] = moved.get((one.key, one.receiver), 0) + one.nbytes
    used = {(key, worker) for worker, key, _, _ in named["met"]}
    of = named["of"]
    by_name: dict[int, dict[tuple[int, str], int]] = {}
    for (key, worker), nbytes in moved.items():
        name = of[key]
        meant = workers.get(worker, worker) in settled.get(shown[name], ())
        if (key, worker) in used and not meant and _can_be_placed(named, shown, name):
            by_name.setdefault(name, {})[key, worker] = nbytes
    together = _together(named, moved, by_name, shown)
    found, paired = [], set[int]()
    for (mover, anchor), nbytes in sorted(together.items(), key=lambda one: -one[1]):
        alone = sum(sum(by_name.get(name, {}).values()) for name in (mover, anchor))
        if paired & {mover, anchor} or 2 * nbytes < alone:
            continue
        paired |= {mover, anchor}
        what, other = _variable(shown[mover]), _variable(shown[anchor])
        why = f"parts of {what} and {other} met on workers that had only one of them"
        found.append(Saving(shown[mover], f"%scatter {what} --like {other}", nbytes, why))
    for name, transfers in by_name.items():
        if name not in paired:
            found += _alone(shown[name], transfers, workers)
    found.sort(key=lambda one: -one.nbytes)
    return found[:_MOST]


def _alone(name: str, transfers: Mapping[tuple[int, str], int], workers: Mapping[str, str]) -> list[Saving]:
    """Return what placing one variable would have saved."""
    receivers = {worker for _, worker in transfers}
    nbytes = sum(transfers.values())
    what = _variable(name)
    if len(receivers) == 1:
        (worker,) = (workers.get(one, one) for one in receivers)
        why = f"{short_name(worker)} fetched it to use it"
        return [Saving(name, f"%pin {what} --workers {worker}", nbytes, why)]
    keys = {key for key, _ in transfers}
    if len(transfers) >= 2 * len(keys):  # each key by two workers or more
        why = f"{len(receivers)} workers fetched it to use it"
        return [Saving(name, f"%broadcast {what}", nbytes, why)]
    return []


def _together(
    named: Named,
    moved: Mapping[tuple[int, str], int],
    by_name: Mapping[int, Mapping[tuple[int, str], int]],
    shown: Sequence[str],
) -> dict[tuple[int, int], int]:
    """Return what putting parts of two collections together would have saved, by the name to move and the other."""
    saved: dict[tuple[int, int], dict[int, int]] = {}
    for worker, key, other, partner in named["met"]:
        if other < 0:  # used alone
            continue
        name = named["of"][key]
        nbytes = by_name.get(name, {}).get((key, worker))
        if nbytes is None or name == other or not _can_be_placed(named, shown, other):
            continue
        if not (named["names"][name]["parts"] and named["names"][other]["parts"]):
            continue
        if partner >= 0 and (partner, worker) in moved:  # it had none of them
            continue
        pair = min(name, other), max(name, other)
        parts = saved.setdefault(pair, {})
        parts[key] = max(parts.get(key, 0), nbytes)
    directed = {}
    for (one, two), parts in saved.items():
        # what has moved more is what is to be put where the other is; what is placed stays
        order = sorted((one, two), key=lambda name: (_is_placed(named, name), -sum(by_name.get(name, {}).values())))
        directed[order[0], order[1]] = sum(parts.values())
    return directed


def _is_placed(named: Named, name: int) -> bool:
    return named["names"][name]["kind"] == "placed"


def _can_be_placed(named: Named, shown: Sequence[str], name: int) -> bool:
    """Whether a line of ours can place it: it is a variable of this notebook, and no entry of ``Out``."""
    what = named["names"][name]
    return what["mine"] and what["kind"] in ("placed", "variable") and bool(_variable(shown[name]))


def _variable(shown: str) -> str:
    """Return the first variable of a name, if it is one."""
    first = shown.split(",")[0].split(" and ")[0].strip()
    return first if first.isidentifier() else ""

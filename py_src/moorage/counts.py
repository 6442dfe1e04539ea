"""How many keys of a variable each worker has, or lacks, told by what is particular about it. Pure.

A variable that is everywhere says so (``rest``) and names only the workers that differ (``others``). ``rest`` speaks of
the workers that are known when it is said, and both ends of a wire follow one rule: a worker that comes later differs,
and has none, until it is told otherwise; one that goes is named no more (`after`). So what is told of a variable is
neither of the size of the cluster nor ahead of what workers have confirmed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import TypedDict, TypeVar, cast

from moorage.wire.scheduler import CountsChange, CountsDict

Worker = TypeVar("Worker")


class _HasCounts(TypedDict):
    held: CountsDict
    pending: CountsDict


Variable = TypeVar("Variable", bound=_HasCounts)


def none() -> CountsDict:
    """Return the counts of what no worker has."""
    return {"rest": 0, "others": {}}


def counts_of(
    keys: Sequence[AbstractSet[Worker]], workers: AbstractSet[Worker], name: Callable[[Worker], str]
) -> CountsDict:
    """Count keys on workers.

    `keys`: of each key the workers that have it. `workers`: all of them; others are not counted. `name`: what a worker
    is called.
    """
    if 2 * sum(map(len, keys)) <= len(keys) * len(workers):
        there = Counter(chain.from_iterable(keys))
        return {"rest": 0, "others": {name(w): n for w, n in there.items() if w in workers}}
    missing = Counter(name(w) for having in keys if len(having) < len(workers) for w in workers - having)
    return {"rest": len(keys), "others": {worker: len(keys) - n for worker, n in missing.items()}}


def expand(counts: CountsDict, workers: Iterable[str]) -> dict[str, int]:
    """Return the counts of each of `workers` that has any, and of all that are named."""
    full = dict.fromkeys(workers, counts["rest"]) if counts["rest"] else {}
    full.update(counts["others"])
    return {worker: n for worker, n in full.items() if n} if 0 in counts["others"].values() else full


def difference(before: CountsDict, now: CountsDict) -> CountsChange | None:
    """Return what leads from some counts to others; None if they are the same."""
    if before["rest"] != now["rest"]:
        return {"rest": now["rest"], "others": now["others"]}
    rest, old, new = now["rest"], before["others"], now["others"]
    changed = {worker: n for worker, n in new.items() if old.get(worker, rest) != n}
    changed |= {worker: rest for worker in old if worker not in new}
    return {"others": changed} if changed else None


def changed(counts: CountsDict, change: CountsChange) -> CountsDict:
    """Return counts after a change."""
    if "rest" in change:
        return {"rest": change["rest"], "others": change["others"]}
    rest, others = counts["rest"], {**counts["others"], **change["others"]}
    return {"rest": rest, "others": {worker: n for worker, n in others.items() if n != rest}}


def after(counts: CountsDict, come: Collection[str], gone: Collection[str]) -> CountsDict:
    """Return counts after workers have come and gone; the same object if that makes no difference to them."""
    rest, others = counts["rest"], counts["others"]
    lost = [worker for worker in gone if worker in others]
    if not lost and not (rest and come):
        return counts
    others = {worker: n for worker, n in others.items() if worker not in lost}
    return {"rest": rest, "others": others | dict.fromkeys(come, 0) if rest else others}


def with_workers(record: Variable, come: Collection[str], gone: Collection[str]) -> Variable:
    """Return a variable after workers have come and gone; the same object if that makes no difference to it."""
    held, pending = after(record["held"], come, gone), after(record["pending"], come, gone)
    same = held is record["held"] and pending is record["pending"]
    return record if same else cast(Variable, {**record, "held": held, "pending": pending})

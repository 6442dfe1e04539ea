"""What is computed already, elsewhere than where it is asked for: Dask does not compute it again, nor move it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from distributed import Client
from distributed.comm.addressing import get_address_host

from moorage.errors import ArgumentError
from moorage.kernel.waiting import answer, dask_scheduler_of
from moorage.magic import quote
from moorage.model import WorkerInfo
from moorage.naming import short_name

_SHOWN = 3  # workers


class Sent(NamedTuple):
    """A collection that is computed on some workers only."""

    collection: Any
    said: list[str]  # the workers as the user called them
    workers: Collection[str]  # the same as addresses and hosts
    keys: Collection[Any]


async def staying(
    client: Client, sent: Sequence[Sent], infos: Sequence[WorkerInfo], scope: Mapping[str, Any]
) -> list[str]:
    """Return a sentence for each collection of which something is on other workers only, and what would move it.

    `scope`: the notebook's names. On the client's event loop.
    """
    held = await answer(client, dask_scheduler_of(client).who_has(keys=[key for one in sent for key in one.keys]))
    names = {info.address: info.name for info in infos}
    sentences = []
    for one in sent:
        asked = set(one.workers)
        away = [on for key in one.keys if (on := held.get(key)) and not any(_is_among(at, asked) for at in on)]
        if away:
            there = sorted({names.get(at, at) for on in away for at in on})
            sentences.append(_sentence(one, len(away), there, scope))
    return sentences


def _is_among(address: str, asked: Collection[str]) -> bool:
    return address in asked or get_address_host(address) in asked


def _sentence(one: Sent, n: int, there: list[str], scope: Mapping[str, Any]) -> str:
    named = (name for name, value in list(scope.items()) if value is one.collection and not name.startswith("_"))
    name = next(named, "")
    called = name or f"this {type(one.collection).__name__}"
    all_of_it = n == len(one.keys)
    subject = f"{called} is" if all_of_it else f"{n:,} of {len(one.keys):,} parts of {called} are"
    stays, it = ("it stays", "it") if all_of_it else ("they stay", "them")
    more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
    try:
        where = " ".join(map(quote, one.said))
    except ArgumentError:
        where = "W..."
    return (
        f"{subject} computed already, on {', '.join(map(short_name, there[:_SHOWN]))}{more}: {stays} there. "
        f"To move {it}: %scatter {name or 'NAME'} --workers {where} --persist"
    )

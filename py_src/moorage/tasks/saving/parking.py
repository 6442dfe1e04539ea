"""Saves all that is on a cluster, variables or not, so that it can do without workers for a while.

The scheduler goes on, and knows of every key in which file it is. Workers that come read what is wanted, under the same
keys: futures stay good.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moorage.kernel.placement.placer import Placer
from moorage.kernel.values.keys import content_of
from moorage.kernel.waiting import answer, dask_scheduler_of, wait_for
from moorage.tasks.runner import Submitter
from moorage.tasks.saving import saver
from moorage.tasks.saving.reading import Saved
from moorage.tasks.saving.saver import Progress
from moorage.tasks.saving.store import Store

_OURS = "moorage-"  # what keys begin with that are nobody's data


def save_all(
    placer: Placer,
    submitter: Submitter,
    store: Store,
    *,
    overwrite: bool,
    timeout: float,
    progress: Progress,
    everybody: bool = False,
) -> None:
    """Save all that workers have, and let the scheduler have it read from there when nobody has it.

    The folder is one that `restore` takes, with this notebook's variables but for Dask collections; with `everybody`,
    also those of others, of each name one. Raises what `saver.save` does.
    """
    client, link = placer.client, placer.link
    held, is_all = wait_for(client, _sizes, placer)
    if not held:
        return
    own = [one for one in link.mirror.snapshot()[0].values() if everybody or one["owner"] == placer.owner]
    variables = {record["name"]: record for record in own if record["structure"]["kind"] != "collection"}
    placed = {key for record in variables.values() for key in record["keys"]}
    written = saver.save(
        submitter.backend,
        submitter.runtime,
        variables,
        store,
        {},
        overwrite=overwrite,
        timeout=timeout,
        progress=progress,
        others={key: nbytes for key, nbytes in held.items() if key not in placed},
        beside=not is_all,
    )
    files = Saved(store, written.manifest).filed(submitter.runtime, written.numbers)
    # A key that does not tell the content, or not that of now, is read; others may be sent again, too.
    wait_for(client, link.filed, files, {}, [key for key in files if content_of(key) is None])


def refile(placer: Placer, submitter: Submitter, files: Mapping[Any, bytes]) -> None:
    """Tell a scheduler that took the place of one which has died what that one knew of files."""
    if files:
        submitter.runtime.install()
        wait_for(placer.client, placer.link.filed, files, {})


async def _sizes(placer: Placer) -> tuple[dict[Any, int], bool]:
    """Return the bytes of each key that a worker has, and whether some worker has each."""
    await placer.link.flush()
    await placer.link.refresh()
    scheduler = dask_scheduler_of(placer.client)
    holders = await answer(placer.client, scheduler.who_has())
    there = {key: bool(workers) for key, workers in holders.items() if not str(key).startswith(_OURS)}
    keys = [key for key, is_held in there.items() if is_held]
    return dict(await answer(placer.client, scheduler.nbytes(keys=keys, summary=False))), all(there.values())

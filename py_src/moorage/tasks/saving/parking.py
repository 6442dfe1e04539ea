"""Saves all that is on a cluster, variables or not, so that it can do without workers for a while.

The scheduler goes on, and knows of every key in which file it is. Workers that come read what is wanted, under the same
keys: futures stay good.
"""

from __future__ import annotations

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
    placer: Placer, submitter: Submitter, store: Store, *, overwrite: bool, timeout: float, progress: Progress
) -> None:
    """Save all that workers have, and let the scheduler have it read from there when nobody has it.

    The folder is one that `restore` takes, with this notebook's variables but for Dask collections. Raises what
    `saver.save` does.
    """
    client, link = placer.client, placer.link
    held = wait_for(client, _sizes, placer)
    if not held:
        return
    own = [record for record in link.mirror.snapshot()[0].values() if record["owner"] == placer.owner]
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
    )
    files = Saved(store, written.manifest).filed(submitter.runtime, written.numbers)
    # A key that does not tell the content, or not that of now, is read; others may be sent again, too.
    wait_for(client, link.filed, files, {}, [key for key in files if content_of(key) is None])


async def _sizes(placer: Placer) -> dict[Any, int]:
    """Return the bytes of each key that a worker has."""
    await placer.link.flush()
    await placer.link.refresh()
    scheduler = dask_scheduler_of(placer.client)
    held = await answer(placer.client, scheduler.who_has())
    keys = [key for key, workers in held.items() if workers and not str(key).startswith(_OURS)]
    return dict(await answer(placer.client, scheduler.nbytes(keys=keys, summary=False)))

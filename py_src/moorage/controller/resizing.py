"""The verbs of a `ClusterController` that change its size. What they do is ``size.py``, who does it ``scaling.py``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from moorage import config
from moorage.controller.dask_cluster import Adapting
from moorage.controller.undoing.verbs import Undoing
from moorage.errors import InputError, ScaleError
from moorage.kernel.waiting import wait_for
from moorage.tasks.saving.parking import save_all
from moorage.tasks.saving.store import Store

_SAVES = 3  # before scaling to nothing, while there is always something new


class Resizing(Undoing):
    """What a `ClusterController` can do about its size."""

    def scale(
        self,
        n: int | None = None,
        *,
        workers: Sequence[str] | None = None,
        cores: int | None = None,
        memory: str | int | None = None,
        force: bool = False,
        to: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        timeout: str | float | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Resize the cluster without losing data: the data of leaving workers moves to the others first.

        Parameters
        ----------
        n : int, optional
            Number of workers.
        workers : sequence of str, optional
            Workers to remove, instead.
        cores, memory : int, str, optional
            Instead of a number of workers, where the kind of cluster knows what a worker has.
        force : bool
            Shrink even if the data does not fit on the remaining workers.
        to : str or path, optional
            Of 0 workers: a folder, or URL, as for `save`. All that is on the cluster is saved there first, placed or
            not; workers that start later load it, under the same keys. The folder has to stay until then.
        overwrite, storage_options
            As for `save`.
        timeout : str or float, optional
            Limit of the wait for data to move and workers to arrive; later ones stay pending.
        on_progress : callable, optional
            Called with the number of workers that have arrived and the number requested.
        asynchronous : bool, optional
            Return an awaitable.

        Raises
        ------
        InputError, DoesNotFitError, ScaleError, SaveError
            The size stays as it was.

        Examples
        --------
        >>> future = cluster.broadcast(flights, name="flights")
        >>> cluster.scale(3)
        >>> len(cluster.placement()["flights"].holders)
        3
        >>> cluster.scale(2)

        To nothing, and back:

        >>> cluster.scale(0, to="~/saves/tonight")
        >>> cluster.scale(2)
        >>> len(cluster.gather("flights"))
        1000
        """
        if to is not None and n != 0:
            raise InputError(
                "to= saves data when scaling to 0 workers; otherwise it moves to those that stay.",
                "Scale to 0, or leave out to=, --to.",
            )
        limit = config.seconds("start-timeout", timeout)
        settle = config.seconds("wait-timeout", self.wait_timeout)
        asked = {"n": n, "workers": workers, "cores": cores, "memory": memory}
        arguments = {key: value for key, value in asked.items() if value is not None}
        work = partial(self._size.scale, settle, on_progress, **arguments, force=force, timeout=limit)
        if to is None:
            return self._run(work, asynchronous, self._noting_size())
        store, patience = Store(to, storage_options), config.seconds("wait-timeout", timeout)

        def save_and_scale(left: int = _SAVES, replaced: bool = overwrite) -> None:
            wait_for(self.client, partial(self._size.rehearse, **arguments, force=force))
            save_all(self.placer, self.submitter, store, overwrite=replaced, timeout=patience, progress=lambda *_: None)
            try:
                self._run(work, around=self._noting_size())
            except ScaleError:  # something has been computed since it was saved
                if left == 1:
                    raise
                save_and_scale(left - 1, replaced=True)

        return asyncio.to_thread(save_and_scale) if asynchronous else save_and_scale()

    def adapt(
        self,
        minimum: int | None = None,
        maximum: int | None = None,
        asynchronous: bool | None = None,
        **options: Any,
    ) -> Any:
        """Let the scheduler choose the size within a range from its load; without a range: no longer.

        Parameters
        ----------
        minimum, maximum : int, optional
            Workers.
        asynchronous : bool, optional
            Return an awaitable.
        **options
            ``interval``, ``wait_count`` and ``target_duration`` of `distributed.deploy.Adaptive`.

        Returns
        -------
        Adapting
            None if there is no range.

        Raises
        ------
        InputError, ScaleError
            The size stays as it was.
        """
        if minimum is None and maximum is None:
            return self._run(lambda: self._size.command("fix"), asynchronous, self._noting_size())
        if maximum is None:
            raise InputError(f"Adaptive scaling from {minimum} workers has no maximum.", "Give one as well.")
        return self._run(lambda: self._adapt(minimum or 0, maximum, options), asynchronous, self._noting_size())

    async def _adapt(self, minimum: int, maximum: int, options: dict[str, Any]) -> Adapting:
        await self._size.command("adapt", minimum=minimum, maximum=maximum, **options)
        return Adapting(self.adapt, minimum, maximum)

    def restart_workers(
        self,
        workers: Sequence[str] | None = None,
        *,
        timeout: str | float | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Restart the processes of workers, one after another: what is placed stays or comes back.

        Results of tasks that only that worker has are computed again, as when it dies.

        Parameters
        ----------
        workers : sequence of str, optional
            Names. Default: all.
        timeout : str or float, optional
            Seconds for each to come back. Default: the setting ``moorage.start-timeout``.
        on_progress : callable, optional
            Called with the number of workers that are back and the number to be restarted.
        asynchronous : bool, optional
            Return an awaitable.

        Raises
        ------
        UnknownWorkerError
            Nothing was restarted.
        ClusterError
            If a worker has no nanny, which would start it again.
        WaitTimeoutError
            If a worker does not come back in time.
        """
        limit = config.seconds("start-timeout", timeout)
        settle = config.seconds("wait-timeout", self.wait_timeout)
        return self._run(lambda: self._size.restart(workers, limit, settle, on_progress), asynchronous)

    def keep(self, on: bool = True, asynchronous: bool | None = None) -> Any:
        """Let the cluster outlive this notebook, or no longer."""
        return self._run(lambda: self._size.command("keep", keep=on), asynchronous)

    def wait_for_workers(
        self,
        n_workers: int,
        timeout: str | float | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Wait until there are `n_workers` workers.

        Raises
        ------
        WaitTimeoutError
            If they do not come in time. Those that come later are welcome.
        """
        limit = config.seconds("start-timeout", timeout)
        return self._run(lambda: self._size.wait_for_workers(n_workers, limit, on_progress), asynchronous)

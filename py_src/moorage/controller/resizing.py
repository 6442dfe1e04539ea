"""The verbs of a `ClusterController` that change the size of the cluster. Who carries them out is ``scaling.py``."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from moorage import config
from moorage.controller.dask_cluster import Adapting
from moorage.errors import InputError, WaitTimeoutError
from moorage.kernel.connection.scheduler_link import Kind, SchedulerLink


class Resizing:
    """The verbs of a cluster that change its size."""

    n_workers: Any
    requested: Any
    wait_timeout: Any
    _link: SchedulerLink

    def _run(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any) -> Any:
        """Run a coroutine function on the client's event loop."""
        raise AssertionError("the cluster does this")

    async def _command(self, command: str, **arguments: Any) -> None:
        """Have whoever decides on the size carry out a command."""
        raise AssertionError("the cluster does this")

    def scale(
        self,
        n: int | None = None,
        *,
        workers: Sequence[str] | None = None,
        cores: int | None = None,
        memory: str | int | None = None,
        force: bool = False,
        timeout: str | float | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Bring the cluster to a size. No data is lost: what leaving workers have moves to the others first.

        Parameters
        ----------
        n : int, optional
            Number of workers.
        workers : sequence of str, optional
            Workers to let go, instead.
        cores, memory : int, str, optional
            Instead of a number of workers, where the kind of cluster knows what a worker has.
        force : bool
            Shrink even if the data does not fit on the workers that stay.
        timeout : str or float, optional
            Of the wait for data to move and for workers to come; those that are late are pending.
        on_progress : callable, optional
            Called with the numbers of workers that are there and that are asked for.
        asynchronous : bool, optional
            Return an awaitable.

        Raises
        ------
        InputError, DoesNotFitError, ScaleError
            The size stays as it was.
        """
        limit = config.seconds("start-timeout", timeout)
        asked = {"n": n, "workers": workers, "cores": cores, "memory": memory}
        arguments = {key: value for key, value in asked.items() if value is not None}
        return self._run(
            self._telling, on_progress, self._scale, asynchronous=asynchronous, **arguments, force=force, timeout=limit
        )

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
            return self._run(self._command, "fix", asynchronous=asynchronous)
        if maximum is None:
            raise InputError(f"From {minimum} to how many workers?", "Give a maximum, too.")
        return self._run(self._adapt, minimum or 0, maximum, options, asynchronous=asynchronous)

    async def _adapt(self, minimum: int, maximum: int, options: dict[str, Any]) -> Adapting:
        await self._command("adapt", minimum=minimum, maximum=maximum, **options)
        return Adapting(self.adapt, minimum, maximum)

    def keep(self, on: bool = True, asynchronous: bool | None = None) -> Any:
        """Let the cluster outlive this notebook, or no longer."""
        return self._run(self._command, "keep", asynchronous=asynchronous, keep=on)

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
        return self._run(
            self._telling, on_progress, self._wait_for_workers, n_workers, limit, asynchronous=asynchronous
        )

    # Internals

    async def _telling(
        self,
        on_progress: Callable[[int, int], None] | None,
        function: Callable[..., Coroutine[Any, Any, None]],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Await a coroutine function; meanwhile call `on_progress` with the numbers of workers, there and asked for."""

        def tell(kind: Kind) -> None:
            if kind in ("workers", "cluster") and on_progress is not None:
                on_progress(self.n_workers, len(self.requested))

        end = self._link.subscribe(tell)
        try:
            await function(*args, **kwargs)
        finally:
            end()

    async def _scale(self, **arguments: Any) -> None:
        n = arguments.get("n")
        if not (isinstance(n, int) and n >= self.n_workers):
            await self._link.flush()  # what was let go of before is nothing to be kept
        await self._command("scale", **arguments)
        # Newcomers get what is everywhere: scaling is done when they have it.
        await self._link.settled(self._link.mirror.variables, config.seconds("wait-timeout", self.wait_timeout))

    async def _wait_for_workers(self, n: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while self.n_workers < n:
            if (left := deadline - time.monotonic()) <= 0:
                raise WaitTimeoutError(
                    f"{self.n_workers} of {n} workers came within {timeout:g} s.",
                    "Those that come later are welcome; allow more time with timeout=.",
                )
            await self._link.next_change(left)

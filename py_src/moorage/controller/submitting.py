"""The verbs of a `ClusterController` that run code: ``submit`` and ``map``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from distributed import Future

from moorage.errors import UnpicklableError
from moorage.kernel.placement.placer import Placer
from moorage.tasks.map.results import Results
from moorage.tasks.options import Options
from moorage.tasks.placed_data import PlacedData
from moorage.tasks.runner import Submitter
from moorage.tasks.runtime import Report


class Submitting:
    """The verbs of a cluster that run code."""

    placer: Placer

    def __reduce__(self) -> Any:
        raise UnpicklableError(
            "A cluster cannot be sent to its own workers.",
            "Inside a task, `distributed.get_client()` is a client of the cluster.",
        )

    def _check_connected(self) -> None:
        """Check that the scheduler can be spoken with."""
        raise AssertionError("the cluster does this")

    @property
    def submitter(self) -> Submitter:
        """What runs code on this cluster.

        Raises
        ------
        UnreachableError
            If the cluster is stopped, or the connection lost.
        """
        self._check_connected()
        return self._submitter

    @cached_property
    def _submitter(self) -> Submitter:
        return Submitter(PlacedData(self.placer))

    def submit(
        self,
        function: Callable[..., Any],
        *args: Any,
        key: Any = None,
        workers: Any = None,
        resources: Mapping[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        allow_other_workers: bool = False,
        pure: bool = True,
        near: str = "",
        limits: Mapping[str, int] | None = None,
        auto: bool = True,
        stale: Any = "refresh",
        **kwargs: Any,
    ) -> Future[Any]:
        """Run ``function(*args, **kwargs)`` as one task next to the data it uses, as ``Client.submit``.

        Placed variables, parts of them, and futures are references wherever they are met: in arguments, closures,
        globals of functions of the notebook, attributes, containers. Large values that are captured are placed once.

        Parameters
        ----------
        function : callable
        *args, **kwargs
        key, workers, resources, retries, priority, allow_other_workers, pure
            As in ``Client.submit``. With ``allow_other_workers`` the `workers` are preferred.
        near : str
            Run where this variable is.
        limits : mapping of str to int
            Per name, how many may run at once on the whole cluster.
        auto : bool
            Place large captured values, rather than refuse them.
        stale : {"refresh", "error"}
            What to do about placed values that have changed since.

        Returns
        -------
        Future

        Raises
        ------
        InputError, StaleError, LostError
            Nothing was run.
        """
        options = _options(
            workers, resources, retries, priority, allow_other_workers, near=near, limits=limits, auto=auto, stale=stale
        )
        return self.submitter.submit(function, args, kwargs, options, key=key, pure=pure)

    def map(
        self,
        function: Callable[..., Any],
        *iterables: Iterable[Any],
        workers: Any = None,
        resources: Mapping[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        allow_other_workers: bool = False,
        batch_size: int | None = None,
        near: str = "",
        limits: Mapping[str, int] | None = None,
        timeout: float | None = None,
        rerun: bool = True,
        auto: bool = True,
        stale: Any = "refresh",
        **kwargs: Any,
    ) -> Results:
        """Run `function` for each item of one or several iterables, next to the data; do not wait.

        Items go in batches of measured size, and each has its own result or error. Iterables are consumed as needed.

        Parameters
        ----------
        function : callable
        *iterables : iterable
            With several, `function` gets an element of each. A list placed by element: each runs where it is.
        workers, resources, retries, priority, allow_other_workers
            As in ``Client.map``; `retries` is per item.
        batch_size : int, optional
            Items per task. By default as many as are worth a task.
        timeout : float, optional
            Seconds that all may take together.
        rerun : bool
            Run again what was running on a worker that was lost.
        near, limits, auto, stale
            As in `submit`.
        **kwargs
            Further arguments, the same for each call.

        Returns
        -------
        Results
            A sequence that fills up.

        Raises
        ------
        InputError, StaleError, LostError
            Nothing was run.
        """
        options = _options(
            workers,
            resources,
            retries,
            priority,
            allow_other_workers,
            near=near,
            limits=limits,
            auto=auto,
            stale=stale,
            batch_size=batch_size,
            timeout=timeout,
            rerun=rerun,
        )
        return self.submitter.map(function, *iterables, options=options, kwargs=kwargs)


def print_report(report: Report) -> None:
    """Print what tasks print, with a label where there are several: the item's number, or the worker's name."""
    for stream, item, text in report.get("parts", ()):
        label = "" if item is None else f"[{item}] "
        file = sys.stderr if stream == "stderr" else sys.stdout
        print("".join(label + line for line in text.splitlines(keepends=True)), end="", file=file)


def _options(
    workers: Any,
    resources: Mapping[str, float] | None,
    retries: int | None,
    priority: int,
    allow_other_workers: bool,
    *,
    limits: Mapping[str, int] | None,
    **others: Any,
) -> Options:
    named = [workers] if isinstance(workers, str | int) else workers or ()
    return Options(
        workers=tuple(map(str, named)),
        allow_other_workers=allow_other_workers,
        resources=resources or {},
        retries=retries or 0,
        priority=priority,
        limits=limits or {},
        on_report=print_report,
        **others,
    )

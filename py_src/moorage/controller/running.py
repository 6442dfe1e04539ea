"""Verbs of a `ClusterController` that run code, as ``submit``, ``map``; and ``memory``, ``transfers``, ``why``.

What fills the memory of workers, what has moved between them, and why something does not go on, is told with what runs:
all of that is known by the names that the code has for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from distributed import Future

from moorage import config
from moorage.controller.connected import Connected
from moorage.errors import InputError
from moorage.kernel.placement.targets import addresses
from moorage.kernel.transfers.moved import Moment, Transfers
from moorage.kernel.waiting import wait_for
from moorage.tasks.collections.compute import on_workers
from moorage.tasks.collections.staying import Sent, staying
from moorage.tasks.map.results import Results
from moorage.tasks.options import as_dask_has_them


class Running(Connected):
    """What a `ClusterController` can run."""

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

        Examples
        --------
        >>> cluster.pin("flights", workers=["bob"], value=flights)
        >>> cluster.submit(lambda: len(flights), near="flights").result()
        1000
        """
        options = as_dask_has_them(
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
        timeout: str | float | None = None,
        rerun: bool = True,
        auto: bool = True,
        stale: Any = "refresh",
        **kwargs: Any,
    ) -> Results:
        """Run `function` for each item of one or several iterables, next to the data, without waiting.

        Items are batched by their measured duration, and each has its own result or error. Iterables are consumed as
        needed, by another thread.

        Parameters
        ----------
        function : callable
        *iterables : iterable
            With several, `function` gets an element of each. A list placed by element: each runs where it is.
        workers, resources, retries, priority, allow_other_workers
            As in ``Client.map``; `retries` is per item.
        batch_size : int, optional
            Items per task. By default chosen from their measured duration.
        timeout : str or float, optional
            Limit for all items together, in seconds or such as ``"30s"``.
        rerun : bool
            Run an item again if its worker is lost.
        near, limits, auto, stale
            As in `submit`.
        **kwargs
            Further arguments, the same for each call.

        Returns
        -------
        Results
            A sequence that fills as items finish.

        Raises
        ------
        InputError, StaleError, LostError
            Nothing was run.

        Examples
        --------
        >>> results = cluster.map(evaluate, range(200))
        >>> results.gather()[:3]
        [0, 1, 4]
        """
        options = as_dask_has_them(
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
            timeout=config.limit(timeout),
            rerun=rerun,
        )
        return self.submitter.map(function, *iterables, options=options, kwargs=kwargs)

    def compute(self, collections: Any, workers: Any = None, allow_other_workers: Any = False, **options: Any) -> Any:
        """Compute Dask collections on the workers, as ``Client.compute``.

        Parameters
        ----------
        collections : Dask collection, or list of them
        workers : str, list, dict or list of pairs, optional
            Names, hosts or addresses. A dict gives them for collections, or tuples of collections: their own final
            tasks run there, the one that puts its value together included, and what these depend on runs anywhere.
            Arrays cannot be keys of a dict: write pairs, ``[(x, "alice"), ((y, z), ["bob", "carol"])]``. The graph is
            optimized, but no task of what is named is merged with those of others.
        allow_other_workers : bool, or list of collections
            Whether tasks may run elsewhere if they must; or those of which collections.

            What Dask has computed already stays where it is, with a warning if that is none of `workers`.
        **options
            Of ``Client.compute``.

        Returns
        -------
        Future, or list of Futures

        Raises
        ------
        UnknownWorkerError
            Nothing was computed.
        InputError
            If `workers` or `allow_other_workers` are none of these, or name what is not part of `collections`.

        Examples
        --------
        >>> cluster.compute(z, workers=[(x, "alice"), ((y, z), "bob")])  # doctest: +SKIP
        """
        return self._on_workers(self.client.compute, collections, workers, allow_other_workers, options)

    def persist(self, collections: Any, workers: Any = None, allow_other_workers: Any = False, **options: Any) -> Any:
        """Compute Dask collections and keep the parts on the workers, as ``Client.persist``.

        To keep them there through whatever happens, place what it returns: `pin`, `scatter`, `broadcast`.

        Parameters
        ----------
        collections : Dask collection, or list of them
        workers, allow_other_workers
            As in `compute`.
        **options
            Of ``Client.persist``.

        Returns
        -------
        Dask collection, or list of them

        Raises
        ------
        UnknownWorkerError, InputError
            Nothing was computed.
        """
        return self._on_workers(self.client.persist, collections, workers, allow_other_workers, options)

    def sync(
        self,
        *modules: str,
        env: Iterable[str] = (),
        folder: str = "",
        install: Collection[str] | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Have the workers know the notebook's own modules as they are now, and return which version each has.

        Tasks bring modules along by themselves; this is to look, to follow or install what is installed here, and for
        plain Dask.

        Parameters
        ----------
        *modules : str
            Packages or modules that follow from now on although they are installed by pip: as this process has imported
            them.
        env : iterable of str
            Environment variables of this process that the workers get too, and those that join later.
        folder : str, optional
            In which the workers work from now on, and those that join later.
        install : collection of str, optional
            Packages that pip installs where the workers run, in the notebook's version, or as said
            (``"pandas==2.3.0"``); empty for those that it uses and workers do not have like that. The notebook's own
            environment is not touched. What workers have imported already, they have anew after `restart_workers`.
        asynchronous : bool, optional
            Return an awaitable.

        Returns
        -------
        CodeState
            With ``modules``: by name, for each worker "same", "older" or "missing"; and ``packages``.

        Raises
        ------
        InputError
            If a module is not imported here, a variable is not set, a folder is not there, or what is to be installed
            is out of reach: requirement files, what conda has installed, the environment of the notebook. Nothing was
            done.
        CodeError
            If pip has failed; with what it said.

        Examples
        --------
        >>> cluster.sync()  # doctest: +SKIP
        heights: same on all 4 workers
        """
        link, variables = self._link, list(env)
        return self._run(
            lambda: link.code.sync(modules, variables, link.mirror.snapshot()[1], folder, install), asynchronous
        )

    def memory(self, most: int = 1000, asynchronous: bool | None = None) -> Any:
        """Return what fills the workers' memory, by name: what is placed, collections, futures, results, datasets.

        Names are those of the variables in the notebook, or in a script's ``__main__``.

        Parameters
        ----------
        most : int
            So many names at most; smaller ones are put together.
        asynchronous : bool, optional
            Return an awaitable.

        Returns
        -------
        Memory
            With ``to_frame()``.

        Examples
        --------
        >>> cluster.memory()  # doctest: +SKIP
        alice: 412.10 MiB: ddf 256.00 MiB, results 32.00 MiB, unmanaged 124.10 MiB
        """
        return self._run(lambda: self._explainer.memory(most), asynchronous)

    def memory_effort(self) -> float:
        """Return the seconds of the scheduler's CPU that `memory` would take now, about, which is quick to say."""
        return float(self._run(lambda: self._explainer.effort()))

    def transfers(
        self, since: Transfers | Moment | None = None, settle: float = 0.0, asynchronous: bool | None = None
    ) -> Any:
        """Return what has moved between workers, by name, from their own logs, and what a placement would have saved.

        Images that workers of a host map instead of copying count as mapped.

        Parameters
        ----------
        since : Transfers or Moment, optional
            What was returned before, or `moment`: count from then on. By default all that the logs still have, without
            what would have saved it.
        settle : float
            Seconds that what is on its way is waited for at most; what is then is not in it.
        asynchronous : bool, optional
            Return an awaitable.

        Returns
        -------
        Transfers
            With ``to_frame()``.

        Raises
        ------
        UnreachableError
            If the workers are threads of one process, between which nothing moves.

        Examples
        --------
        >>> before = cluster.transfers()
        >>> cluster.transfers(since=before).nbytes
        0
        """
        start = since.moment if isinstance(since, Transfers) else since
        if not isinstance(start, Moment | None):
            raise InputError(
                f"Transfers cannot be counted from a {type(since).__name__}.",
                "Give what cluster.transfers() or cluster.moment() has returned before.",
            )
        return self._run(lambda: self._explainer.transfers(start, settle), asynchronous)

    def moment(self, asynchronous: bool | None = None) -> Any:
        """Return this moment, for ``transfers(since=...)``.

        As long as it is kept, the scheduler notes which tasks use which keys: microseconds for each task.

        Parameters
        ----------
        asynchronous : bool, optional
            Return an awaitable.

        Returns
        -------
        Moment
        """
        return self._run(lambda: self._explainer.moment(), asynchronous)

    def why(self, what: Any, asynchronous: bool | None = None) -> Any:
        """Return why something is not as you want it: one cause, and what would help.

        Parameters
        ----------
        what : str, Future, collection, Results, or container of futures
            By name: a placed variable, a variable of the notebook, some of its items, elements or parts
            (``results[7]``, ``results[2:5]``, ``ddf[2:5]``), a worker, or a published dataset.
        asynchronous : bool, optional
            Return an awaitable.

        Returns
        -------
        Why
            With ``state``, ``cause`` and ``remedy``; the last is empty if all is well. Of several items or parts, the
            worst; ``others`` has the other causes.

        Raises
        ------
        UnknownVariableError
            Neither a variable nor a worker has that name.

        Examples
        --------
        >>> cluster.pin("flights", workers=["bob"], value=flights)
        >>> cluster.why("flights")
        flights is held: on bob, as asked.
        """
        return self._run(lambda: self._explainer.why(what), asynchronous)

    def _on_workers(self, verb: Callable[..., Any], collections: Any, workers: Any, others: Any, options: Any) -> Any:
        def warn(sent: list[Sent]) -> None:
            infos, scope = self._link.mirror.infos(), self.placer.scope()
            for sentence in wait_for(self.client, staying, self.client, sent, infos, scope):
                warnings.warn(sentence, UserWarning, stacklevel=5)

        return on_workers(self.client, verb, collections, workers, others, self._resolve, warn, options)

    def _resolve(self, specs: list[str]) -> list[str]:
        return self._run(lambda: addresses(specs, self._link.workers))

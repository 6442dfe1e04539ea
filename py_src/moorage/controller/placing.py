"""The verbs of a `ClusterController` for variables: ``scatter``, ``broadcast``, ``pin``, ``release``, ``gather`` ..."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from moorage import config
from moorage.controller.undoing.verbs import Undoing
from moorage.errors import InputError
from moorage.kernel.parts.parts import Parts
from moorage.kernel.placement.assign import By
from moorage.kernel.placement.placements import Placements
from moorage.kernel.placement.request import How
from moorage.kernel.placement.targets import scatter_placement, worker_list
from moorage.kernel.placement.variable import NotPlaced, Variable
from moorage.model import Everywhere, OnePerHost, OnWorkers, Placement

_MISSING: Any = object()


class Placing(Undoing):
    """What a `ClusterController` can do with variables. What places waits, within bounds, until it is done."""

    def scatter(
        self,
        data: Any,
        name: str | None = None,
        workers: Any = None,
        broadcast: bool | int = False,
        direct: bool | None = None,
        hash: bool = True,
        timeout: str | float | None = None,
        asynchronous: bool | None = None,
        *,
        by: By = "cores",
        allow_other_workers: bool = False,
        whole: bool = False,
        force: bool = False,
        keep_origin: bool = True,
        rebind: bool = False,
        writable: bool = False,
        lifetime: str | float | None = None,
        durable: bool | None = None,
        like: Any = None,
    ) -> Any:
        """Put data on the workers, as ``Client.scatter``, and keep it there.

        A Dask collection that is persisted is spread by its parts, be they computed already or not: evenly, with as
        little moved as can be, and evenly again when one of `workers` has gone or come back.

        Parameters
        ----------
        data : object
            A list, tuple, set, frozenset, dict, range or namedtuple is scattered by element, all else as one value.
        name : str, optional
            Name of the variable. Without one, the data is kept while futures refer to it.
        workers : str, list, optional
            Names, hosts or addresses; the elements are spread among them.
        broadcast : bool or int
            True: a copy of each element on every worker, those that join later included, or on each of `workers`.
            A number: that many copies.
        direct : bool, optional
            Send to the workers rather than through the scheduler.
        hash : bool
            Derive keys from the content rather than at random.
        timeout : str or float, optional
            Limit of the wait for the copies; after that the placement still stands.
        asynchronous : bool, optional
            Return an awaitable.
        by : str
            ``cores`` (round robin grouped by cores), ``workers`` (round robin) or ``memory`` (where most is free). The
            parts of a collection are dealt evenly by bytes; with ``blocks`` or ``workers``, by number.
        allow_other_workers : bool
            With `workers`: tasks may run elsewhere too.
        whole : bool
            Scatter a list, dict … as one value.
        force : bool
            Place it even if it does not appear to fit.
        keep_origin : bool
            Remember the value, to send it again if its last copy is lost.
        rebind : bool
            Bind the notebook's variable `name`, which has this value, to the same value in the memory that the workers
            of this host share: read-only, and the host holds one copy in all. Other references to `data` stay.
        writable : bool
            Let tasks write to it. What they write is their worker's own: later tasks on that worker get the same
            object, as always with Dask, and nobody else ever sees it. Other workers, those that join or start again,
            and the notebook (`gather`) have what was placed. So has each task to which a part goes (``x[:10]``, a
            column, the arrays of an object whose class the notebook defines): that is its own. A worker takes memory
            of its own for the pages that are written to, and does not spill the value. It holds until the variable is
            released. Keys say so; those of an unnamed dict are not its labels then.
        lifetime : str or float, optional
            Let go of it after this time, such as ``"2h"``, with a notice: also when no notebook is attached then.
            Placing it again without one cancels that.
        durable : bool, optional
            Write it to files, too, behind: it is placed at once, and `placement` says when files have it. Then it comes
            back from there when nobody else has it any more, and, whatever has died, by `restore` without a folder. It
            is so until it is released, and its files go, or placed again with False. Default: as it was.
        like : str, Variable or Dask collection, optional
            For a collection: each of its parts is kept with the same part of this one, with which it is joined or
            zipped. It has as many parts.

        Returns
        -------
        Future, or list, tuple, set, frozenset, dict or namedtuple of Futures

        Raises
        ------
        InputError, DoesNotFitError
            Nothing has changed.
        NotMappableError
            With `rebind`, if the value cannot be shared with this process; nothing has changed, unless it says so.

        Examples
        --------
        A list goes by element, spread over the workers; anything else is one value:

        >>> futures = cluster.scatter(list(range(10)), name="numbers")
        >>> sum(cluster.gather("numbers"))
        45
        >>> future = cluster.scatter(flights, name="flights", workers=["alice"])
        >>> cluster.placement()["flights"].holders
        ['alice']
        """
        if by not in ("cores", "workers", "memory", "blocks"):
            raise InputError(f"by={by!r} is unknown.", "Use cores, workers, memory or blocks.")
        if like is not None and (workers is not None or broadcast):
            raise InputError("like= says where the parts should be.", "Leave out workers= and broadcast=.")
        placement = scatter_placement(worker_list(workers), broadcast, allow_other_workers)
        lasts = config.lifetime(lifetime)
        how = How(whole, by, hash, direct, force, keep_origin, rebind, writable, like, durable=durable, lasts=lasts)
        limit = self._limit(timeout)
        noting = self._noting([name])
        return self._run(lambda: self.placer.place(data, name, placement, how, limit), asynchronous, noting)

    def broadcast(
        self,
        value: Any,
        name: str | None = None,
        *,
        per_host: bool = False,
        whole: bool = True,
        force: bool = False,
        keep_origin: bool = True,
        rebind: bool = False,
        writable: bool = False,
        lifetime: str | float | None = None,
        durable: bool | None = None,
        timeout: str | float | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Put a copy of `value` on every worker, or one on each host, including those that join later.

        Parameters
        ----------
        value : object
        name : str, optional
        per_host : bool
        whole : bool
            As one value; False: a list, dict … by element.
        force, keep_origin, rebind, writable, lifetime, durable, timeout, asynchronous
            As in `scatter`.

        Returns
        -------
        Future, or what `scatter` returns if not `whole`

        Raises
        ------
        InputError, DoesNotFitError
            Nothing has changed.

        Examples
        --------
        >>> future = cluster.broadcast(flights, name="flights")
        >>> cluster.placement()["flights"].holders
        ['alice', 'bob']
        """
        placement: Placement = OnePerHost() if per_host else Everywhere()
        lasts = config.lifetime(lifetime)
        how = How(whole, "cores", True, None, force, keep_origin, rebind, writable, durable=durable, lasts=lasts)
        limit = self._limit(timeout)
        noting = self._noting([name])
        return self._run(lambda: self.placer.place(value, name, placement, how, limit), asynchronous, noting)

    def pin(
        self,
        name: str,
        workers: Any,
        allow_other_workers: bool = False,
        value: Any = _MISSING,
        *,
        whole: bool = True,
        force: bool = False,
        keep_origin: bool = True,
        rebind: bool = False,
        writable: bool = False,
        lifetime: str | float | None = None,
        durable: bool | None = None,
        timeout: str | float | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Put a copy of a variable on each of `workers` and remove it elsewhere.

        Parameters
        ----------
        name : str
            A variable that is placed already, or with `value` a new one. ``"ddf[3:7]"`` and ``"x[0,2:4]"`` are parts of
            a collection that is placed, or persisted in the notebook, as in ``ddf.partitions[3:7]`` and
            ``x.blocks[0, 2:4]``: they are kept there besides where the collection is.
        workers : str or list
        allow_other_workers : bool
            Tasks may run elsewhere too.
        value : object, optional
        whole, force, keep_origin, rebind, writable, lifetime, durable, timeout, asynchronous
            As in `broadcast`.

        Raises
        ------
        InputError, DoesNotFitError
            Nothing has changed.

        Examples
        --------
        >>> cluster.pin("model", workers=["alice"], value=model)
        >>> cluster.pin("model", workers=["bob"])
        >>> cluster.placement()["model"].holders
        ['bob']
        """
        specs = worker_list(workers)
        if not specs:
            raise InputError(f"No workers are named for {name}.", "Name at least one: workers=[...].")
        placement = OnWorkers(tuple(specs), allow_other_workers=allow_other_workers)
        lasts = config.lifetime(lifetime)
        how = How(whole, "cores", True, None, force, keep_origin, rebind, writable, durable=durable, lasts=lasts)
        values, names = ({}, [name]) if value is _MISSING else ({name: value}, [])
        placed = self._run(
            lambda: self.placer.place_together(values, names, placement, how, self._limit(timeout), anew=True),
            asynchronous,
            self._noting([name]),
        )
        return placed if asynchronous else None

    def place(
        self,
        names: str | Sequence[str],
        placement: Placement,
        *,
        values: Mapping[str, Any] | None = None,
        whole: bool = False,
        force: bool = False,
        rebind: bool = False,
        writable: bool = False,
        lifetime: str | float | None = None,
        durable: bool | None = None,
        timeout: str | float | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Give several variables the same placement, all or none.

        Parameters
        ----------
        names : str or sequence of str
            Variables that are placed already.
        placement : Placement
        values : mapping of str to object, optional
            Further ones, with their values; one whose value is placed already under its name is only moved.
        whole, force, rebind, writable, lifetime, durable, timeout, asynchronous
            As in `scatter`.

        Raises
        ------
        InputError, DoesNotFitError
            Nothing has changed.

        Examples
        --------
        >>> from moorage.model import Everywhere, OnWorkers
        >>> cluster.place([], Everywhere(), values={"model": model, "flights": flights}, whole=True)
        >>> cluster.place(["model", "flights"], OnWorkers(("bob",)))
        >>> cluster.placement()["model"].holders
        ['bob']
        """
        names = [names] if isinstance(names, str) else list(names)
        lasts = config.lifetime(lifetime)
        how = How(whole, force=force, rebind=rebind, writable=writable, durable=durable, lasts=lasts)
        values = values or {}
        placed = self._run(
            lambda: self.placer.place_together(values, names, placement, how, self._limit(timeout)),
            asynchronous,
            self._noting([*names, *values]),
        )
        return placed if asynchronous else None

    def release(self, *names: str, asynchronous: bool | None = None) -> Any:
        """Release variables: their copies are freed once no futures refer to them.

        Raises
        ------
        UnknownVariableError
            Nothing has changed.

        Examples
        --------
        >>> cluster.pin("model", workers=["alice"], value=model)
        >>> cluster.release("model")
        >>> "model" in cluster
        False
        """
        return self._run(lambda: self.placer.release(names), asynchronous, self._noting(names))

    def gather(
        self,
        *names: str,
        map: bool = False,
        timeout: str | float | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Return the value of a variable, or a tuple of the values of several.

        Of a Dask collection that the notebook has, that is what its ``compute()`` returns; else the list of its parts.

        Parameters
        ----------
        *names : str
        map : bool
            Map it from the memory that workers of this host share instead of copying it: instant, read-only, whatever
            its size. Small values are copied.
        timeout : str or float, optional
            Limit of the wait, in seconds or such as ``"30s"``. Default: the setting ``moorage.wait-timeout``.
        asynchronous : bool, optional
            Return an awaitable.

        Raises
        ------
        UnknownVariableError
        LostError
            If a variable is lost.
        WaitTimeoutError
            If a value is not here in time.
        NotMappableError
            If it should be mapped and no worker of this host has it.

        Examples
        --------
        >>> future = cluster.broadcast(flights, name="flights")
        >>> len(cluster.gather("flights"))
        1000
        """
        return self._run(lambda: self._gather(names, timeout, map), asynchronous)

    async def _gather(self, names: Sequence[str], timeout: str | float | None, map: bool) -> Any:
        values = await self.placer.gather(names, timeout, map=map)
        return values[0] if len(names) == 1 else tuple(values)

    def placement(self, *names: str, asynchronous: bool | None = None) -> Placements:
        """Return the current state of the named variables, by default of all.

        Raises
        ------
        UnknownVariableError
        """
        return self._run(lambda: self.placer.look(names or None), asynchronous)

    def parts(self, name: str) -> Parts:
        """Return the parts of a collection, or elements, with the workers that have them; see ``cluster[name].parts``.

        Also of a persisted collection, or list or dict of futures, of the notebook that is not placed.

        Raises
        ------
        UnknownVariableError, NotPlaceableError
        """
        return self._run(lambda: self.placer.parts(name))

    def sharing(self, *names: str) -> dict[str, str]:
        """Return which workers share the memory of variables, and why others have copies of their own; all by default.

        Raises
        ------
        UnknownVariableError
        """
        return self._run(lambda: self.placer.sharing(names or None))

    def _limit(self, timeout: str | float | None) -> str | float:
        """Return how long to wait until something is placed, by default as long as is set."""
        return self.wait_timeout if timeout is None else timeout

    def __getitem__(self, name: str) -> Variable:
        placed = name in self.placer.names() or self._run(lambda: self.placer.is_placed(name))
        return Variable(self, name) if placed else NotPlaced(self, name)

    def __contains__(self, name: object) -> bool:
        return name in self.placer.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.placer.names())

    def _ipython_key_completions_(self) -> list[str]:
        return self.placer.names()

"""Brings the outcomes of batches home: with the worker's report, from the worker, or not at all if they are large."""

from __future__ import annotations

import contextlib
import pickle
from typing import TYPE_CHECKING, Any

from dask.utils import parse_bytes
from distributed.protocol.pickle import dumps

from moorage import config
from moorage.kernel.compute.runtime import Report
from moorage.kernel.shipping import by_value
from moorage.kernel.waiting import answer, scheduler_of, wait_for

if TYPE_CHECKING:
    from distributed import Client, Future

    from moorage.kernel.compute.ledger import Batch

Outcome = dict[str, Any]
"""``values`` and ``errors`` of the items of a batch, as ``worker/batch.py`` makes it."""


class Outcomes:
    """The outcomes of one map.

    Parameters
    ----------
    client : Client
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._home = 0  # bytes of results in the notebook
        self._each = parse_bytes(config.get("submit.bring-home"))
        self._total = parse_bytes(config.get("submit.bring-home-total"))

    def comes_home(self, report: Report) -> bool:
        """Whether the values of a batch are small enough to leave the cluster; counts them if so."""
        nbytes = report["nbytes"]
        if nbytes is None or nbytes > self._each or self._home + nbytes > self._total:
            return False
        self._home += nbytes
        return True

    def gather(self, batches: list[Batch]) -> dict[Batch, Outcome]:
        """Return the outcomes of those batches of which they can be had."""
        if not batches:
            return {}
        with contextlib.suppress(Exception):
            return dict(zip(batches, self._fetch([batch.future for batch in batches]), strict=True))
        outcomes = {}
        for batch in batches:
            with contextlib.suppress(Exception):
                (outcomes[batch],) = self._fetch([batch.future])
        return outcomes

    def errors_of(self, batch: Batch) -> dict[int, dict[str, Any]]:
        """Return the errors of a batch whose values stay on the cluster.

        Raises
        ------
        KeyError
            If no worker has its outcome any more.
        """
        return self._look(batch)["errors"]  # type: ignore[no-any-return]

    def missed_report(self, batch: Batch) -> Report:
        """Return what the worker reported while nobody could hear it. How large the values are is not known.

        Raises
        ------
        KeyError
            If no worker has its outcome any more.
        """
        told = self._look(batch)
        return {
            "done": told["done"],
            "failed": len(told["errors"]),
            "seconds": told["seconds"],
            "on": told["worker"],
            "nbytes": None,
        }

    def _fetch(self, futures: list[Future[Any] | None]) -> list[Outcome]:
        return wait_for(self._client, self._client._gather, futures)

    def _look(self, batch: Batch) -> dict[str, Any]:
        """Return the outcome of a batch without its values.

        A worker that has it is asked at once. A task that did so would wait for the other tasks of that worker.
        """
        assert batch.future is not None
        return wait_for(self._client, self._ask_holders, batch.future.key)

    async def _ask_holders(self, key: Any) -> dict[str, Any]:
        scheduler = scheduler_of(self._client)
        with by_value((__name__,)):
            function = dumps(_without_values)
        question = {"op": "run", "function": function, "args": dumps((key,)), "kwargs": dumps({}), "wait": True}
        for address in (await answer(self._client, scheduler.who_has(keys=[key])))[key]:
            asked = scheduler.broadcast(msg=question, workers=[address], on_error="ignore")
            told = (await answer(self._client, asked)).get(address)
            if told is not None and told["status"] == "OK":  # else it has just left, or let go of it
                return dict(told["result"])
        raise KeyError(key)


def _without_values(key: Any, dask_worker: Any) -> dict[str, Any]:
    return {name: part for name, part in dask_worker.data[key].items() if name != "values"}


def outcome_in(report: Report) -> Outcome | None:
    """Return the outcome of a batch, if it came with the report."""
    with contextlib.suppress(Exception):  # what does not load as it is has to be fetched, as Dask does it
        return pickle.loads(report["outcome"])  # type: ignore[no-any-return]
    return None

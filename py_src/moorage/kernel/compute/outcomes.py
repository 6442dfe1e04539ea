"""Brings the outcomes of batches home: with the worker's report, from the worker, or not at all if they are large."""

from __future__ import annotations

import contextlib
import operator
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dask.utils import parse_bytes

from moorage import config
from moorage.kernel.compute.runtime import Report
from moorage.kernel.waiting import wait_for

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
        """Return the errors of a batch whose values stay on the cluster."""
        return dict(self._ask(operator.getitem, batch, "errors"))

    def missed_report(self, batch: Batch) -> Report:
        """Return what the worker reported while nobody could hear it. How large the values are is not known."""
        done, errors, seconds, worker = self._ask(operator.itemgetter("done", "errors", "seconds", "worker"), batch)
        return {"done": done, "failed": len(errors), "seconds": seconds, "on": worker, "nbytes": None}

    def _fetch(self, futures: list[Future[Any] | None]) -> list[Outcome]:
        return wait_for(self._client, self._client._gather, futures)  # type: ignore[no-any-return]

    def _ask(self, function: Callable[..., Any], batch: Batch, *args: Any) -> Any:
        """Return ``function(outcome, *args)``, computed where the outcome of the batch is."""
        return self._client.submit(function, batch.future, *args, pure=False).result()


def outcome_in(report: Report) -> Outcome | None:
    """Return the outcome of a batch, if it came with the report."""
    with contextlib.suppress(Exception):  # what does not load as it is has to be fetched, as Dask does it
        return pickle.loads(report["outcome"])  # type: ignore[no-any-return]
    return None

"""Brings the outcomes of batches home: with the worker's report, from the worker, or not at all if they are large."""

from __future__ import annotations

import contextlib
import pickle
import types
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import tblib  # type: ignore[import-untyped]
from dask.utils import format_bytes, parse_bytes
from distributed.protocol.pickle import dumps

from moorage import config
from moorage.errors import DoesNotFitError, UnpicklableError, UnreachableError, WaitTimeoutError
from moorage.images.free_memory import host_free
from moorage.kernel.install import by_value
from moorage.kernel.waiting import answer, ask_workers, dask_scheduler_of, gather, wait_for
from moorage.naming import short_name
from moorage.wire.tasks import Described, DoneReport, Outcome, OutcomeInBrief
from moorage.worker.tasks.errors import in_words
from moorage.worker.tasks.outcome import load

if TYPE_CHECKING:
    from distributed import Client, Future

    from moorage.tasks.map.ledger import Batch, Progress

_MOST_OF_IT = 0.8  # of the memory that is free


class Outcomes:
    """The outcomes of one map."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._home = 0  # bytes of results in the notebook
        self._each = parse_bytes(config.get("submit.bring-home"))
        self._total = parse_bytes(config.get("submit.bring-home-total"))

    def comes_home(self, report: DoneReport) -> bool:
        """Whether the values of a batch are small enough to leave the cluster; counts them if so."""
        nbytes = report["nbytes"]
        if nbytes is None or nbytes > self._each or self._home + nbytes > self._total:
            return False
        self._home += nbytes
        return True

    def gather(self, batches: list[Batch]) -> dict[Batch, Outcome | Exception]:
        """Return the outcomes of batches, but for those that are lost; of one that is there and cannot be had, why.

        Raises UnreachableError if the connection is lost.
        """
        if not batches:
            return {}
        with contextlib.suppress(Exception):
            return dict(zip(batches, self._fetch([batch.future for batch in batches]), strict=True))
        outcomes: dict[Batch, Outcome | Exception] = {}
        for batch in batches:
            assert batch.future is not None
            try:
                (outcomes[batch],) = self._fetch([batch.future])
            except UnreachableError:
                raise
            except CancelledError:  # Dask has lost it
                pass
            except Exception as error:
                if batch.future.status == "finished":  # so that it would fail again and again
                    outcomes[batch] = error
        return outcomes

    def errors_of(self, batch: Batch) -> dict[int, Described]:
        """Return the errors of a batch whose values stay on the cluster.

        Raises KeyError if no worker has its outcome any longer.
        """
        return self._look(batch)["errors"]

    def missed_report(self, batch: Batch, run: str) -> DoneReport:
        """Return what the worker reported while nobody could hear it. How large the values are is not known.

        Raises KeyError if no worker has its outcome any longer.
        """
        told = self._look(batch)
        return {
            "kind": "done",
            "run": run,
            "batch": batch.name,
            "done": told["done"],
            "failed": len(told["errors"]),
            "seconds": told["seconds"],
            "on": told["worker"],
            "nbytes": None,
            "outcome": None,
        }

    def _fetch(self, futures: list[Future[Any] | None]) -> list[Outcome]:
        return wait_for(self._client, gather, self._client, futures)

    def _look(self, batch: Batch) -> OutcomeInBrief:
        """Return the outcome of a batch without its values.

        A worker that has it is asked at once. A task that did so would wait for the other tasks of that worker.
        """
        assert batch.future is not None
        return wait_for(self._client, self._ask_holders, batch.future.key)

    async def _ask_holders(self, key: Any) -> OutcomeInBrief:
        with by_value((__name__,)):
            function = dumps(_without_values)
        question = {"op": "run", "function": function, "args": dumps((key,)), "kwargs": dumps({}), "wait": True}
        for address in (await answer(self._client, dask_scheduler_of(self._client).who_has(keys=[key])))[key]:
            told = (await answer(self._client, ask_workers(self._client, question, [address]))).get(address)
            if told is not None and told["status"] == "OK":  # else it has just left, or let go of it
                return told["result"]  # type: ignore[no-any-return]
        raise KeyError(key)


def _without_values(key: Any, dask_worker: Any) -> dict[str, Any]:
    return {name: part for name, part in dask_worker.data[key].items() if name != "values"}


def check_room(nbytes: int) -> None:
    """Raise DoesNotFitError if this machine has no room for so many bytes of values."""
    free = host_free()
    if nbytes > _MOST_OF_IT * free:
        raise DoesNotFitError(
            f"The values need {format_bytes(nbytes)}, and the notebook's machine has {format_bytes(free)} free.",
            "Take a slice, use them on the cluster in another cell, or force it: .gather(force=True)",
        )


def late(progress: Progress, limit: float | None) -> WaitTimeoutError:
    """Return the error of a wait for items that have not ended within `limit` seconds."""
    return WaitTimeoutError(
        f"{progress.done} of {progress.total or 'the'} items finished within {limit:g} s.",
        "They go on: gather again, allow more time with timeout=, or end them with .cancel().",
    )


def outcome_in(report: DoneReport) -> Outcome | None:
    """Return the outcome of a batch, if it came with the report."""
    pickled = report["outcome"]
    return pickle.loads(pickled) if pickled is not None else None


def unpacked(outcome: Outcome) -> tuple[list[Any], dict[int, Described]]:
    """Return the values and errors of a batch; a value that cannot be loaded here is an error of its item."""
    taken, errors = outcome["values"], dict(outcome["errors"])
    values = []
    for position, value in enumerate(taken):
        if type(value) is tuple:
            try:
                value = load(value)
            except BaseException as error:  # the code of any class
                errors[position] = unloadable(error, outcome["worker"])
                value = None
        values.append(value)
    return values, errors


def unloadable(error: BaseException, worker: str) -> Described:
    """Return the error of an item whose value cannot be loaded here."""
    return {"unloadable": in_words(error), "worker": worker}


def exception_of(described: Described, index: int) -> BaseException:
    """Return what to raise for an item that has an error, with the user's own frames."""
    if "untakeable" in described:
        kind, reason = described["untakeable"]
        error: BaseException = UnpicklableError(
            f"The result of item {index}, a {kind}, cannot be sent: {reason}.",
            "Return something that can be, such as a list instead of a generator.",
        )
    elif "unloadable" in described:
        error = UnpicklableError(
            f"The result of item {index} cannot be loaded here: {described['unloadable']}.",
            "Return plain data, or install here what it needs. On the cluster it can be used: .futures",
        )
    else:
        error = _loaded(described)
    frames: types.TracebackType | None = None
    if described.get("traceback") is not None:
        frames = tblib.Traceback.from_dict(described["traceback"]).as_traceback()
    note = f"(item {index}, on worker {short_name(described['worker'])})"
    if note not in getattr(error, "__notes__", ()):
        with contextlib.suppress(Exception):  # some errors take no notes
            error.add_note(note)
    return error.with_traceback(frames)


def _loaded(described: Described) -> BaseException:
    with contextlib.suppress(Exception):  # its class may be on the worker only
        error = pickle.loads(described["exception"])
        if isinstance(error, BaseException):
            return error
    return RuntimeError(described["text"])

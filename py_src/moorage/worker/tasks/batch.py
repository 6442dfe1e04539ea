"""Runs the items of one task of a map: an outcome for each, and reports on how far they are.

Each item is as alone as it would be in a task of its own: it finds the function, what that has captured, and its
element as they were sent, and what it returns is taken down when it ends. An item may take a tenth of a millisecond,
so that what is done for each is as little as can be. Runs on workers, shipped by value.
"""

from __future__ import annotations

import pickle
import time
import types
from collections.abc import Callable, Sequence
from typing import Any

from distributed import Reschedule

from moorage.wire.tasks import BatchOptions, Described, Outcome
from moorage.worker.holdings import ATOMS
from moorage.worker.tasks.awaiting import awaited
from moorage.worker.tasks.errors import Cancelled, describe
from moorage.worker.tasks.outcome import Taken, Untakeable, size, take_down

PROGRESS = 0.2
"""Seconds between reports on how far it is."""
LOOK = 0.01
"""Seconds after which it is asked again whether the items are still wanted."""
SMALL = 64_000
"""Bytes of values that go to the notebook with the report that they are there, rather than being fetched."""


class Items:
    """The items of one task, on their way.

    `wanted`: whether the notebook still wants them. `report`: takes kind and content of a message to the notebook.
    `sink`: of what they print. `explain`: adds to an error what to do about it.
    """

    def __init__(
        self,
        options: BatchOptions,
        wanted: Callable[[], bool],
        report: Callable[..., None],
        sink: Any,
        worker: Any,
        explain: Callable[[BaseException], None],
    ) -> None:
        self.values: list[Taken] = []
        self.errors: dict[int, Described] = {}
        self.seconds = 0.0
        self._options = options
        self._wanted = wanted
        self._report = report
        self._sink = sink
        self._worker = worker
        self._explain = explain

    def run(self, call: Callable[[Any], Any], elements: Sequence[Any]) -> None:
        """Call `call` with each of `elements`, until they have ended, their time is up or nobody wants them."""
        if not self._wanted():
            raise Cancelled
        values, clock = self.values, time.perf_counter
        sink, indices = self._sink, self._options["indices"]
        budget = self._options["budget"] or float("inf")
        begin = looked = reported = clock()
        for position, element in enumerate(elements):
            sink.item = indices[position]
            raised = None
            try:
                try:
                    value = call(element)
                    if type(value) not in ATOMS:
                        value = self._taken(value)
                except (Reschedule, Cancelled):
                    raise
                except BaseException as error:
                    raised = error
                if raised is not None:  # out of the handler, so that another one is not said to come from it
                    value = self._try_again(call, position, element, raised)
            except Cancelled:
                break
            values.append(value)
            now = clock()
            if now - begin > budget:
                break
            if now - looked > LOOK:
                looked = now
                if not self._wanted():
                    break  # what has ended is told all the same
                if now - reported > PROGRESS:
                    reported = now
                    self._report("progress", done=len(values), failed=len(self.errors))
        self.seconds = clock() - begin

    def settled(self, value: Any) -> Any:
        """Return `value`, or what it gives if it has to be awaited."""
        return awaited(value, self._worker, self._wanted) if isinstance(value, types.CoroutineType) else value

    def _taken(self, value: Any) -> Taken:
        return take_down(self.settled(value))

    def _try_again(self, call: Callable[[Any], Any], position: int, element: Any, error: BaseException) -> Taken:
        """Return the value of an item that has raised, if another attempt gives one; otherwise note its error."""
        retries = self._options["retries"]
        for _ in range(retries):
            try:
                return self._taken(call(element))
            except (Reschedule, Cancelled):
                raise
            except BaseException as another:
                error = another
        self._explain(error)
        self.errors[position] = described = describe(error, self._worker)
        described["attempts"] = retries + 1
        if type(error) is Untakeable:  # `isinstance` would ask the class of any other
            described["untakeable"] = error.args
        return None

    def fail(self, error: BaseException) -> None:
        """Note that none of them could begin."""
        self.values = [None] * self._options["n"]
        self.errors = dict.fromkeys(range(self._options["n"]), describe(error, self._worker))

    def outcome(self) -> Outcome:
        """Tell the notebook that they have ended, with the values if they are small; return all there is of them."""
        outcome: Outcome = {
            "values": self.values,
            "done": len(self.values),
            "errors": self.errors,
            "seconds": self.seconds,
            "worker": str(self._worker.name),
        }
        nbytes = size(self.values)
        self._report(
            "done",
            done=len(self.values),
            failed=len(self.errors),
            seconds=self.seconds,
            nbytes=nbytes,
            outcome=small_pickle(outcome) if nbytes < SMALL else None,
        )
        return outcome


def small_pickle(outcome: Outcome) -> bytes | None:
    """Return `outcome` pickled, if that is short."""
    pickled = pickle.dumps(outcome, protocol=5)
    return pickled if len(pickled) < SMALL else None

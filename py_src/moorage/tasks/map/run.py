"""Runs the items of a map in batches: a thread that keeps all workers busy and little waiting.

The thread takes items as they are needed (`feed`), sends them (`dispatch`) in batches whose size follows from
measured durations (`batching`), and enters what comes back (`outcomes`) into the `Ledger`. Small results come home at
once and leave the cluster; large ones stay there as futures.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from distributed import Future, KilledWorker

from moorage._dask.graphs import reference
from moorage.errors import MoorageError, UnreachableError, WaitTimeoutError
from moorage.tasks.locality import Lane
from moorage.tasks.map.batching import BatchSizer
from moorage.tasks.map.dispatch import Sender, Work
from moorage.tasks.map.feed import Feed
from moorage.tasks.map.killed import with_reason
from moorage.tasks.map.ledger import Batch, Ledger
from moorage.tasks.map.outcomes import Outcomes, outcome_in, unpacked
from moorage.tasks.map.surviving import check_connected, disconnected, lost_for_good, to_run_again
from moorage.tasks.options import Options
from moorage.tasks.placed_data import PlacedData
from moorage.tasks.runtime import WorkerRuntime
from moorage.tasks.span import in_span
from moorage.wire.tasks import Described, DoneReport, Outcome, Report

DEPTH = 2
"""Batches per thread that are on the cluster: one that runs and one that waits."""
LAST_WORD = 1.0
"""Seconds to wait for what a cancelled batch has done already."""
STRANDED = 5.0
"""Seconds that batches wait for workers that have left: one that restarts takes them along."""
_LOOK = 0.5  # seconds between looks at clock and workers when nothing happens


class Run:
    """One map on its way. `Results` is its public face.

    `backend`, `runtime`: the cluster, and the worker side on it. `work`: what is done with each item. `feed`: the
    items.
    """

    def __init__(self, backend: PlacedData, runtime: WorkerRuntime, work: Work, feed: Feed, options: Options) -> None:
        self.backend = backend
        self.ledger = Ledger(feed.total)
        self._run = run = uuid.uuid4().hex
        self._runtime = runtime
        self._feed = feed
        self._options = options
        self._name = work.name
        self._sender = Sender(backend, runtime, work, options, run)
        self.group = self._sender.group
        self._outcomes = Outcomes(backend.client)
        self._sizer = BatchSizer(options.batch_size if options.rerun else options.batch_size or 1)
        self._listener = runtime.listen(run, self._on_report)
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._sent: dict[str, tuple[Batch, Lane]] = {}  # what is on the cluster
        self._landed: list[Batch] = []  # what has come back and is not in the ledger yet
        self._again = deque[Batch]()  # to be sent before new items are taken
        self._suspects: deque[Batch] = deque()  # single items of which a worker may have died, to be tried alone
        self._workers: set[str] | None = None  # addresses of those there are; None: to be looked up
        self._stranded: dict[str, float] = {}  # batches that wait for workers that are not there, since when
        self._life = backend.lives  # of the scheduler that knows what is on the cluster
        self._thread: threading.Thread | None = None

    # ---- called from other threads

    def start(self) -> None:
        """Begin."""
        self.ledger.begin()
        self._thread = threading.Thread(target=self._main, name=f"moorage-{self._name}", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Take no further items and release those on the cluster."""
        self._events.put(self._enter)
        self._events.put(self._cancel)

    def retry(self, indices: Sequence[int]) -> None:
        """Send items again that have ended without a value, and go on if cancelled. Only once it is finished."""
        if self._thread is not None:
            self._thread.join(_LOOK)  # it has nothing more to do
        self._feed.resume()
        self._again.extend(self.ledger.open_at([index], [self.ledger.item(index)]) for index in indices)
        self.start()

    def item_future(self, batch: Batch, position: int) -> Future[Any]:
        """Return a future of the value of one item of a batch that is on the cluster."""
        assert batch.future is not None
        key = (f"{self._name}-item-{self._run[:12]}", batch.indices[position])
        task = self._runtime.task(key, "each_item", reference(batch.future.key), position)
        with in_span():
            future: Future[Any] = self.backend.client.get({key: task}, key, sync=False)
        return future

    def _on_report(self, report: Report) -> None:
        if report["kind"] == "output" or report["kind"] == "display":
            if self._options.on_report is not None:
                self._options.on_report(report)
            return
        entry = self._sent.get(report["batch"])
        if entry is None or not self.backend.is_same(self._life):
            return
        batch = entry[0]
        if report["kind"] == "done":
            batch.report = report
        self.ledger.update(batch, progress=report["done"], progress_failed=report["failed"], worker=report["on"])

    # ---- the thread

    def _main(self) -> None:
        failure: BaseException | None = None
        stop_watching = self.backend.on_workers(partial(self._events.put, self._forget_workers))
        timeout = self._options.timeout
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            self._sender.open()
            self._sizer.observe_payload(len(sample := self._feed.sample()), self._sender.weigh(sample))
            while self._go_on(deadline):
                pass
        except BaseException as error:  # nobody else would see it
            failure = disconnected(self.backend.client) or error
            self._cancel(failure)
        finally:
            stop_watching()
            self._feed.close()
            self._sender.close()
            if not self._options.rerun:
                self._runtime.unclaim(self._run)
            self.ledger.finish(failure or self._feed.error)

    def _go_on(self, deadline: float | None) -> bool:
        """Send what there is room for, and wait for something to happen; return whether there is more to come."""
        try:
            if not self.backend.is_same(self._life):
                self._wait_back()
            if not self._fill():
                return False
            self._wait(deadline)
        except UnreachableError:
            if not self._wait_back():
                raise
        return True

    def _wait_back(self) -> bool:
        """Wait for the connection to be there; if the scheduler has died meanwhile, begin again and return True."""
        lives = self.backend.wait_back()
        if lives == self._life:
            return False
        self._life = lives
        self._sender.reopen()
        for batch in list(self.ledger.batches):
            if batch.status == "running" and (report := batch.report) and (outcome := outcome_in(report)):
                self._done_at_home(batch, report, outcome)
        for known in (self._sent, self._landed, self._stranded):
            known.clear()
        self._forget_workers()
        waiting = {*self._again, *self._suspects}
        self._again.extendleft(reversed(to_run_again(self.ledger, waiting, rerun=self._options.rerun)))
        return True

    def _wait(self, deadline: float | None) -> None:
        """Wait for something to happen, and handle it."""
        check_connected(self.backend.client)
        left = _LOOK if deadline is None else deadline - time.monotonic()
        with contextlib.suppress(queue.Empty):
            self._events.get(timeout=min(_LOOK, max(left, 0)))()
            while True:
                self._events.get_nowait()()
        self._enter()
        if left <= 0 and self._sent:
            progress = self.ledger.progress()
            raise WaitTimeoutError(
                f"{progress.done} of {progress.total or 'the'} items finished within {self._options.timeout:g} s; the"
                " others are cancelled.",
                "Finished items stay in the Results (%%submit -o NAME); .retry() runs the others.",
            )

    def _cancel(self, why: BaseException | None = None) -> None:
        self._feed.stop()
        begun = [batch for batch, _ in self._sent.values() if batch.worker]
        running = [batch for batch in self.ledger.batches if batch.status == "running"]
        for batch in running:
            if batch.future is not None:
                batch.future.release()
        self._enter_what_has_ended(begun)
        for batch in self.ledger.batches:
            if batch.status == "running":
                self.ledger.update(batch, status="cancelled", error=why, future=None)
        for known in (self._sent, self._stranded, self._again, self._suspects, self._sender.held):
            known.clear()

    def _enter_what_has_ended(self, begun: list[Batch]) -> None:
        """Wait a moment for what workers tell of batches that were cancelled half-way, and enter it."""
        if disconnected(self.backend.client) is None and (self._sizer.seconds_per_item or 0) < LAST_WORD:
            with self.ledger.changed:
                self.ledger.changed.wait_for(lambda: all(batch.report for batch in begun), LAST_WORD)
        for batch in begun:
            if (report := batch.report) and report["done"] and (outcome := outcome_in(report)):
                self._done_at_home(batch, report, outcome)

    # ---- there

    def _fill(self) -> bool:
        """Send what there is room for; return whether there is anything to wait for."""
        self._take_back()
        lanes = self._feed.lanes()
        threads = max(sum(lane.threads for lane in lanes), 1)
        busy = Counter(lane.name for _, lane in self._sent.values())
        # With no workers at all, a little is sent all the same: an adaptive cluster starts some for it.
        least = {lane: int(not lane.addresses and not lane.fixed) for lane in lanes}
        room = {lane: max(0, (lane.threads or least[lane]) * DEPTH - busy[lane.name]) for lane in lanes}
        for lane in lanes:
            while room[lane] and (batch := self._next(lane, threads, sum(room.values()))) is not None:
                room[lane] -= 1
                self._send(lane, batch)
        if self._suspects and not self._sent and lanes:
            self._send(lanes[0], self._suspects.popleft())
        return bool(self._suspects) or bool(self._sent or self._again or not self._feed.exhausted)

    def _forget_workers(self) -> None:
        self._workers = None
        self._feed.forget_workers()

    def _take_back(self) -> None:
        """Take back batches that were sent to workers which have left for good: they can run elsewhere."""
        if self._workers is not None and not self._stranded:
            return
        self._workers = {worker.address for worker in self.backend.workers()}
        now = time.monotonic()
        for name, (batch, lane) in list(self._sent.items()):
            if not lane.addresses or lane.fixed or not self._workers.isdisjoint(lane.addresses):
                self._stranded.pop(name, None)
            elif now - self._stranded.setdefault(name, now) > STRANDED:
                del self._stranded[name], self._sent[name]
                self._sender.held.pop(batch, None)
                if batch.future is not None:
                    batch.future.release()
                batch.future = batch.report = None
                batch.attempt += 1
                self._again.append(batch)

    def _next(self, lane: Lane, threads: int, room: int) -> Batch | None:
        size = self._sizer.size(self._waiting(self._again), threads, room)
        if self._again:
            batch = self._again.popleft()
            if len(batch) > size:
                self._again.appendleft(self.ledger.split(batch, size))
            return batch
        opened = None if self._feed.exhausted else self._feed.open(lane, size, self.ledger)
        self.ledger.total = self._feed.total
        return opened

    def _waiting(self, batches: Iterable[Batch]) -> int | None:
        """Return the number of items that are in no batch or in one of `batches`; None if unknown."""
        remaining = self._feed.remaining
        return None if remaining is None else remaining + sum(map(len, batches))

    def _send(self, lane: Lane, batch: Batch) -> None:
        for other, _ in self._sent.values():
            other.alone = False
        batch.alone = not self._sent
        self._sent[batch.name] = batch, lane  # before it can report
        try:
            future = self._sender.send(lane, batch, self._sizer.budget(len(batch)))
        except Exception as error:  # of pickling, mostly: the other items go on
            if isinstance(error, UnreachableError) or disconnected(self.backend.client) is not None:
                raise
            del self._sent[batch.name]
            self._fail(batch, error)
            return
        batch.future = future
        self._sizer.observe_payload(len(batch), self._sender.nbytes[batch])
        future.add_done_callback(partial(self._on_done, batch.name))

    # ---- and back

    def _on_done(self, name: str, future: Future[Any]) -> None:  # in a thread of Dask
        self._events.put(partial(self._land, name, future))

    def _land(self, name: str, future: Future[Any]) -> None:
        check_connected(self.backend.client)  # otherwise all futures are cancelled
        is_done = future.status == "finished" and self.backend.is_same(self._life)
        if name in self._sent and not is_done and self._wait_back():  # a lost connection cancels, too
            return
        batch, lane = self._sent.pop(name, (None, None))
        self._stranded.pop(name, None)
        if batch is None or lane is None:  # cancelled meanwhile
            return
        if future.status == "finished" or (batch.report is not None and batch.report["outcome"]):
            self._landed.append(batch)
        elif future.status == "error":
            self._fail(batch, future.exception())
        elif future.status == "cancelled":
            self._send_again(batch)
        else:
            self._wait_again(batch, lane)

    def _wait_again(self, batch: Batch, lane: Lane) -> None:
        """Wait for a batch whose outcome was lost before it could be had: Dask computes it again."""
        assert batch.future is not None
        batch.report = None
        self._sent[batch.name] = batch, lane
        batch.future.add_done_callback(partial(self._on_done, batch.name))

    def _enter(self) -> None:
        """Enter what has landed into the ledger, with its values if they are small."""
        landed, self._landed = self._landed, []
        home: list[Batch] = []
        for batch in landed:
            self._sender.held.pop(batch, None)
            try:
                report = batch.report = batch.report or self._outcomes.missed_report(batch, self._run)
                stays = not self._outcomes.comes_home(report)
                errors = self._outcomes.errors_of(batch) if stays and report["failed"] else {}
            except KeyError:  # lost before it could be asked for
                self._wait_again(batch, Lane("", (), 0))
                continue
            if stays:
                self._done(batch, report, errors)
            elif (outcome := outcome_in(report)) is not None:
                self._done_at_home(batch, report, outcome)
            else:
                home.append(batch)
        outcomes = self._outcomes.gather(home)
        for batch in home:
            assert batch.report is not None
            had = outcomes.get(batch)
            if isinstance(had, Exception):
                self.ledger.update(batch, status="failed", error=had, future=None)
            elif had is not None:
                self._done_at_home(batch, batch.report, had)
            else:
                self._wait_again(batch, Lane("", (), 0))
        mean = self._sizer.seconds_per_item
        if landed and mean is not None:
            self._feed.measured(mean, self._waiting([*self._again, *(batch for batch, _ in self._sent.values())]))

    def _done_at_home(self, batch: Batch, report: DoneReport, outcome: Outcome) -> None:
        batch.future = batch.report = None
        values, errors = unpacked(outcome)
        self._done(batch, report, errors, values)

    def _done(
        self, batch: Batch, report: DoneReport, errors: dict[int, Described], values: list[Any] | None = None
    ) -> None:
        self._sizer.observe(report["done"], report["seconds"])
        if report["done"] < len(batch):  # its time was up
            self._again.append(self.ledger.split(batch, report["done"]))
        self.ledger.update(
            batch,
            status="done",
            values=values,
            errors=errors,
            nbytes=report["nbytes"] or 0,
            worker=report["on"],
            items=batch.items if values is None else {position: batch.items[position] for position in errors},
        )

    def _fail(self, batch: Batch, error: BaseException | None) -> None:
        """Note that a whole batch has failed; try its items one by one, if that may help some of them.

        Dask blames the death of a worker on all tasks that were there, those that waited included. So a single item is
        only to blame if it was alone.
        """
        self._sender.held.pop(batch, None)
        if isinstance(error, KilledWorker) and len(batch) == 1 and not batch.alone:
            batch.attempt += 1
            batch.future = None
            self._suspects.append(batch)
            return
        if isinstance(error, KilledWorker | MoorageError) and len(batch) > 1:
            self._again.extend(
                self.ledger.open_at([index], [item]) for index, item in zip(batch.indices, batch.items, strict=True)
            )
        self.ledger.update(batch, status="failed", error=with_reason(self.backend.client, error), future=None)

    def _send_again(self, batch: Batch) -> None:
        """Send a batch again that Dask has given up, since data that it needs was lost."""
        keys = [key for key in self._sender.keys_of(batch) if key in self.backend.origins]
        self._sender.held.pop(batch, None)
        batch.attempt += 1
        if (error := lost_for_good(self.backend, keys, batch.attempt)) is None:
            self._again.append(batch)
        else:
            self.ledger.update(batch, status="failed", error=error, future=None)

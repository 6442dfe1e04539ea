"""Keys that workers can read from files, and how far that is of variables which are to be durable.

A file is the last origin of a value: it is read, by a task like any other, when no notebook has the value any more.
What is in which file the notebook says that has had it written (``tasks/saving/``); nothing is written or read here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from distributed.protocol.pickle import loads

from moorage._dask.scheduler.task_states import replace_task
from moorage.plan import Key
from moorage.scheduler.desired import Desired
from moorage.wire.saves import Filed
from moorage.wire.scheduler import placement_from_dict

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState


class Files:
    """Which keys are in files. `mark`: ``mark(vids)``: tell of variables that have changed."""

    def __init__(self, scheduler: Scheduler, desired: Desired, mark: Callable[[Iterable[str]], None]) -> None:
        self._scheduler = scheduler
        self._desired = desired
        self._mark = mark
        self._tasks: dict[Key, bytes] = {}  # pickled, that read them
        self._revision = 0
        #: Called with a key that is in a file now, and whether it is read rather than sent; returns whether it is sent.
        self.on_filed: Callable[[Key, bool], bool] = lambda key, instead: False

    def __contains__(self, key: object) -> bool:
        return key in self._tasks

    async def filed(
        self,
        files: Mapping[Key, bytes],
        durable: Mapping[str, Filed],
        instead: Collection[Key] = (),
    ) -> None:
        """Note how keys are read from files, and how far durable variables are, by ``vid``.

        `instead`: these are read rather than computed, or sent by a notebook.
        """
        self._tasks |= files
        self._revision += 1
        instead = set(instead)
        for key in files:
            ts = self._scheduler.tasks.get(key)
            sent = ts is not None and self.on_filed(key, key in instead)
            if ts is not None and not sent and (key in instead or ts.run_spec is None):
                self.read(ts)
        for vid, told in durable.items():
            record = self._desired.records.get(vid)
            if record is None or not record.durable or record.keys != tuple(told["keys"]):
                continue
            if record.placement == placement_from_dict(told["placement"]):  # else it was moved while it was written
                record.durable = told["state"]
        self._mark([*durable, *{vid for key in files for vid in self._desired.vids(key)}])

    async def in_files(self, since: int) -> tuple[int, dict[Key, bytes] | None]:
        """Return the revision, and which keys are in files, as pickled tasks, if it is another than `since`."""
        return self._revision, None if since == self._revision else dict(self._tasks)

    def read(self, ts: TaskState) -> None:
        """Let a key have the task that reads it, which runs when nobody has it."""
        replace_task(self._scheduler, ts, loads(self._tasks[ts.key]))

    def transitioned(self, key: Key, finish: str) -> None:
        """Note a transition of a key that is not placed; called for all of them."""
        if finish == "forgotten" and self._tasks:
            self.forget(key)

    def forget(self, key: Key) -> None:
        """Forget in which file a key is."""
        if self._tasks.pop(key, None) is not None:
            self._revision += 1

"""The verb ``undo`` of a `ClusterController`, and how its other verbs note what they change."""

from __future__ import annotations

import time
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from moorage import config
from moorage.controller.connected import Connected
from moorage.controller.undoing.history import History, Placed, Size, Step
from moorage.errors import InputError, MoorageError
from moorage.kernel.parts.named import collection_of
from moorage.kernel.placement.request import How
from moorage.kernel.placement.variable import Variable
from moorage.wire.scheduler import placement_from_dict

_ABSENT: Any = object()
_NO_VALUE = (Variable, object, types.NoneType)  # types of what a name means in the notebook that has no value


class Undoing(Connected):
    """What a `ClusterController` knows of how things were."""

    @cached_property
    def _history(self) -> History:
        return History()

    @property
    def undoable(self) -> str:
        """What `undo` would take back, in words, such as ``flights released``; empty if nothing."""
        return self._history.words

    def undo(self, asynchronous: bool | None = None) -> Any:
        """Take back what this notebook has done last: placed, moved, released, or changed in size.

        A variable that was released is placed again with the value that the notebook has. Called again, it takes back
        what was done before that.

        Parameters
        ----------
        asynchronous : bool, optional
            Return an awaitable.

        Returns
        -------
        str
            What was taken back, in words.

        Raises
        ------
        ClusterError
            There is nothing to undo.
        InputError
            Something is on the cluster only, or was: it would be lost, or is. Nothing has changed.
        DoesNotFitError
            There is no room any more for what was there. Nothing has changed.

        Examples
        --------
        >>> cluster.pin("model", workers=["alice"], value=model)
        >>> cluster.pin("model", workers=["bob"])
        >>> cluster.undo()
        'model placed on bob'
        >>> cluster.placement()["model"].holders
        ['alice']
        """
        return self._run(self._undo, asynchronous)

    @contextmanager
    def _noting(self, names: Iterable[str | None]) -> Iterator[None]:
        """Note how variables were that are placed, moved or released meanwhile."""
        before = {name: self._placed(name) for name in names if name is not None}
        try:
            yield
        except MoorageError as error:
            self._link.events.refused(before, error)
            self._link.changed("events")
            raise
        finally:
            if self._history.placed(before, {name: self._placed(name) for name in before}):
                self._link.changed("history")

    @contextmanager
    def _noting_size(self) -> Iterator[None]:
        """Note how many workers were asked for, which changes meanwhile."""
        before = self._asked_size()
        try:
            yield
        finally:
            if self._history.resized(before, self._asked_size()):
                self._link.changed("history")

    def _placed(self, name: str) -> Placed | None:
        record = self._link.mirror.variables.get(f"{self.placer.owner}:{name}")
        if record is None:
            return None
        whole = record["structure"]["kind"] == "value"
        placement, keys = placement_from_dict(record["placement"]), tuple(record["keys"])
        return Placed(placement, whole, keys, record["until"], bool(record["durable"]))

    def _asked_size(self) -> Size:
        info = self._size.info
        adapt = info["adapt"]
        return Size(len(info["requested"]), (adapt["minimum"], adapt["maximum"]) if adapt else None)

    async def _undo(self) -> str:
        step = self._history.last
        if step.size is not None:
            await self._resize(step.size)
        else:
            await self._put_back(step)
        self._history.taken_back(step)
        self._link.changed("history")
        return step.words

    async def _put_back(self, step: Step) -> None:
        scope, limit = self.placer.scope(), config.seconds("wait-timeout", self.wait_timeout)
        now = {name: self._placed(name) for name in step.variables}
        new = [name for name, before in step.variables.items() if before is None and now[name] is not None]
        for name in new:
            self._check_kept(name, scope.get(name, _ABSENT))
        values = {}
        for name, before in step.variables.items():
            if before is not None and now[name] is None and collection_of(name) is None:
                values[name] = scope.get(name, _ABSENT)
                if type(values[name]) in _NO_VALUE:
                    raise InputError(
                        f"{name} cannot be placed again: it was only on the cluster, and the notebook has no value.",
                        "Compute it again, or read it again.",
                    )
        for name, before in step.variables.items():
            if before is not None:
                value = {name: values[name]} if name in values else {}
                moved = () if value else (name,)
                lasts = max(0.0, before.until - time.time()) if before.until else None
                how = How(before.whole, lasts=lasts, durable=before.durable)
                await self.placer.place_together(value, moved, before.placement, how, limit)
        await self.placer.release(new)

    def _check_kept(self, name: str, value: Any) -> None:
        """Refuse to let go of a variable of which there is no value but on the cluster."""
        placed = self._placed(name)
        known = placed is not None and all(key in self.placer.origins for key in placed.keys)
        if (whole := collection_of(name)) is not None:  # some parts: the collection keeps them
            value = self.placer.scope().get(whole, _ABSENT)
            known = known or self._placed(whole) is not None
        if isinstance(value, Variable) or (value is _ABSENT and not known):
            raise InputError(
                f"Undoing this would lose {name}: it is only on the cluster.",
                f"Gather it first, %gather {name}, or release it: %release {name}.",
            )

    async def _resize(self, size: Size) -> None:
        if size.adapt is not None:
            await self._size.command("adapt", minimum=size.adapt[0], maximum=size.adapt[1])
            return
        if self._asked_size().adapt is not None:
            await self._size.command("fix")
        if size.n != self._asked_size().n:
            settle = config.seconds("wait-timeout", self.wait_timeout)
            await self._size.scale(settle, None, n=size.n, force=False, timeout=config.seconds("start-timeout"))

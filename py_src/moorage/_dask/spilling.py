"""A worker's data: values that Dask keeps in memory or on disk, and those beside them that it never spills.

Relied on, as read in distributed 2026.8.0: a worker's data is a `SpillBuffer` if it may spill, with what is in memory
in ``fast``, a `zict.LRU`, and a ``lock``; it is asked as a mapping, and by ``set_noevict``; an instance may change its
class. Data of any other kind is left as it is, and then nothing is kept beside it. Without these parts the worker takes
no plugin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, ItemsView, Iterator, ValuesView
from itertools import chain
from typing import Any

from distributed.spill import SpillBuffer

from moorage._dask.parts import parts_of

SUBJECT = "shared memory of workers"

PARTS = parts_of(
    SUBJECT, "distributed.spill:SpillBuffer", calls={"set_noevict": ("key", "value")}, live=("fast", "lock")
)

IsShared = Callable[[Any], bool]


class SharedBuffer(SpillBuffer):
    """A buffer of Dask's with values beside it that are never spilled, and count for nothing.

    A worker's own buffer is turned into one and back (`share`, `unshare`): Dask refers to it from several places.
    """

    beside: dict[Any, Any]  # values by key
    keys_of: Counter[int]  # how many keys have a value, by its id: a task may return a value that has a key already
    is_shared: IsShared  # whether a value belongs there
    gone: Callable[[Any], None]  # called with a value that was there and whose last key has been deleted

    @classmethod
    def share(cls, data: Any, is_shared: IsShared, gone: Callable[[Any], None] = lambda value: None) -> bool:
        """Turn a worker's data into one; False if there is no need to, or it is of another kind."""
        if type(data) is not SpillBuffer:
            return False
        with data.lock:
            data.beside = {}  # type: ignore[attr-defined]
            data.keys_of = Counter()  # type: ignore[attr-defined]
            data.is_shared = is_shared  # type: ignore[attr-defined]
            data.gone = gone  # type: ignore[attr-defined]
            data.__class__ = cls
            for key in [key for key, value in data.fast.items() if is_shared(value)]:
                data[key] = data.fast[key]
        return True

    def unshare(self) -> None:
        """Turn it back into what it was. Values that were beside may be spilled from now on, when room is needed."""
        with self.lock:
            beside = self.beside
            del self.beside, self.keys_of, self.is_shared, self.gone
            self.__class__ = SpillBuffer  # type: ignore[assignment]
            for key, value in beside.items():
                self.set_noevict(key, value)

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.lock:
            shared = self.is_shared(value)
            self._take(key)
            if shared:
                self._discard(key)
                self.beside[key] = value
                self.keys_of[id(value)] += 1
            elif self._is_new_and_fits(key, value):  # by far quicker, and small values come by the thousand
                self.fast.set_noevict(key, value)
                return
        if not shared:
            super().__setitem__(key, value)

    def set_noevict(self, key: Any, value: Any) -> None:
        """As `SpillBuffer.set_noevict`."""
        with self.lock:
            if not self.is_shared(value):
                self._take(key)
                super().set_noevict(key, value)
                return
        self[key] = value

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.beside[key]
        except KeyError:
            return super().__getitem__(key)

    def __delitem__(self, key: Any) -> None:
        with self.lock:
            if key in self.beside:
                if (value := self._take(key)) is not None:
                    self.gone(value)
                return
        super().__delitem__(key)

    def __contains__(self, key: object) -> bool:
        return key in self.beside or super().__contains__(key)

    def __len__(self) -> int:
        return len(self.beside) + super().__len__()

    def __iter__(self) -> Iterator[Any]:
        return chain(list(self.beside), super().__iter__())

    def values(self) -> ValuesView[Any]:
        """As `Mapping.values`: nothing is brought back from disk to stay."""
        return _Values(self)

    def items(self) -> ItemsView[Any, Any]:
        """As `Mapping.items`: nothing is brought back from disk to stay."""
        return _Items(self)

    def __str__(self) -> str:
        return f"SharedBuffer<{self.beside}, {super().__str__()}>"

    __repr__ = __str__

    def _is_new_and_fits(self, key: Any, value: Any) -> bool:
        """Whether nothing has to be written to disk for a value, nor taken from there."""
        fast: Any = self.fast
        return not super().__contains__(key) and fast.total_weight + fast.offset + fast.weight(key, value) <= fast.n

    def _take(self, key: Any) -> Any:
        """Take what `key` has away from what is beside; return it if no other key has it."""
        value = self.beside.pop(key, None)
        if value is None:
            return None
        self.keys_of[id(value)] -= 1
        if self.keys_of[id(value)]:
            return None
        del self.keys_of[id(value)]
        return value

    def _discard(self, key: Any) -> None:
        if super().__contains__(key):
            super().__delitem__(key)


class _Values(ValuesView[Any]):
    _mapping: SharedBuffer
    __slots__ = ()

    def __contains__(self, value: object) -> bool:
        return any(value is own or value == own for own in self)

    def __iter__(self) -> Iterator[Any]:
        return chain(list(self._mapping.beside.values()), super(SharedBuffer, self._mapping).values())


class _Items(ItemsView[Any, Any]):
    _mapping: SharedBuffer
    __slots__ = ()

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return chain(list(self._mapping.beside.items()), super(SharedBuffer, self._mapping).items())


def in_memory(data: Any) -> list[dict[Any, Any]]:
    """Return what of a worker's data is in memory, as plain dicts: looking at it is not to count as use."""
    fast = getattr(data, "fast", data)
    return [getattr(fast, "d", fast), getattr(data, "beside", {})]

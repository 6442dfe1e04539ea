"""How an image travels under an ordinary Dask key: as a `Carrier`, which is the value again where it arrives.

Dask is given a carrier in the place of the value, pickles it (stream and buffers out of band, nothing copied), hands
the frames on as they are, and unpickles it on the worker. The pickle of a carrier is the call

    sys.modules.get(<name of the images module>, pickle).loads(stream, buffers=[...])

so what a worker has under the key is the value itself, and ordinary tasks just use it. The images module is what
moorage puts into worker processes (``worker/images/plugin.py``): its ``loads`` is `Table.loads`, which brings the
buffers to aligned memory and remembers which object came out of which image. In a process that has no such module the
value comes out all the same. A value that tasks may write to names another module, whose functions make it on private
memory (`Table.loads_writable`); its image stays as it was placed, and is what is sent on and what parts are taken of.

Here is also the `Table`: of which image is this object? By it a buffer is found by image and number, and in any other
object by its content only.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from moorage.images.altered import ATOMS, would_be_another
from moorage.images.arrays import out_of_band
from moorage.images.bundle import module_of, writable_module
from moorage.images.code import Find
from moorage.images.format import Image, aligned, copied_of, decode, encode, is_kept, is_still, layout, modules_of
from moorage.images.mappings import Mappings
from moorage.images.segment import Handle, Mapping, handle_of

_IN_BAND = 4096  # bytes of a stream that is not worth a frame of its own
ON_ITS_WAY = 10.0
"""Seconds that a value may take from here to where others have it."""
SHORT = 64_000
"""Bytes of a stream, and of what is copied of its buffers, of which each task is given a value of its own."""


class Carrier:
    """Stands for a value that Dask is to send, and arrives as that value.

    Parameters
    ----------
    image : Image, or callable without arguments
        What makes it is called where it is pickled, and once.
    module : str
        Name of the images module.
    nbytes : int
        Of the image, as far as is known.
    segment : Handle, optional
        Where the buffers lie in the memory of the host: then only the stream is sent, and must be to a process of this
        host, which has the images module.
    writable : bool
        Whether tasks may write to the value.
    """

    def __init__(
        self,
        image: Image | Callable[[], Image],
        module: str,
        nbytes: int = 0,
        segment: Handle | None = None,
        *,
        writable: bool = False,
    ) -> None:
        self._image = image
        self._module = writable_module(module) if writable else module
        self._segment = segment
        self._nbytes = image.nbytes if isinstance(image, Image) else nbytes

    def frames(self) -> Any:
        """Return it pickled already, as Dask sends it on without a copy, whatever pickle it speaks with whom.

        With its scheduler that is protocol 4, which knows of no buffers.
        """
        from distributed.protocol.serialize import Serialized, serialize

        return Serialized(*serialize(self, serializers=("pickle",), on_error="raise"))

    def __sizeof__(self) -> int:
        """Return the bytes to send: by them Dask decides whether to pickle in another thread."""
        return self._nbytes if self._segment is None else 0

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        if not isinstance(self._image, Image):
            self._image = self._image()

        stream: Any = self._image.stream
        if protocol >= 5 and len(stream) >= _IN_BAND:
            stream = out_of_band(stream)
        buffers: list[Any] = list(self._image.buffers)
        sizes = [buffer.nbytes for buffer in buffers]
        if self._segment is not None:
            buffers = []
        if protocol >= 5:
            buffers = [out_of_band(buffer) for buffer in buffers]
        else:
            buffers = [bytes(buffer) if buffer.readonly else bytearray(buffer) for buffer in buffers]
        module = module_of(self._module)
        if self._segment is not None:
            return operator.methodcaller("map", stream, sizes, tuple(self._segment)), (module,)
        return operator.methodcaller("loads", stream, buffers=buffers), (module,)


def _is_made_again(value: Any, stream: memoryview) -> bool:
    """Whether each task is given a `value` of its own, made of `stream`: not a function, whose cache tasks share."""
    numpy = sys.modules.get("numpy")
    if isinstance(value, (*ATOMS, type, types.FunctionType)) or (
        numpy and type(value) is numpy.ndarray and not value.dtype.hasobject
    ):
        return False
    return len(stream) + copied_of(stream) <= SHORT


@dataclass(eq=False)
class _Entry:
    value: Callable[[], Any]  # a weak reference, or a function that returns the value
    image: Image | None  # None: not kept
    since: float
    writable: bool
    again: Image | None  # to make the value once more, if that is quick and anybody can change it


class Table:
    """Which objects of this process came out of which images. Thread-safe.

    `module`: name of the images module. `clock`: seconds, monotonic. `has_room`: whether this process has room for so
    many more bytes. `mappings`: the memory of the host that this process has mapped. `bring`: brings buffers that have
    just arrived to memory where they can stay; see `align`. `code`: name of the module that knows the user's modules.
    """

    def __init__(self, module: str, clock: Callable[[], float] = time.monotonic, code: str = "") -> None:
        self.module = module
        self.code = code
        self.has_room: Callable[[int], bool] = lambda nbytes: True
        self.mappings = Mappings(clock)
        self.bring: Callable[[list[memoryview]], list[memoryview]] = self.align
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[int, _Entry] = {}  # by the id of the value
        self._held: set[int] = set()  # values that cannot be referred to weakly, such as lists and dicts

    def __len__(self) -> int:
        return len(self._entries)

    def loads(self, stream: Any, *, buffers: Iterable[Any] = ()) -> Any:
        """Return the value of an image whose buffers have just arrived, read-only."""
        arrived = [memoryview(buffer).cast("B") for buffer in buffers]
        if copied_of(memoryview(stream).cast("B")) < sum(buffer.nbytes for buffer in arrived):
            arrived = self._brought(arrived)
        return self._load(stream, arrived)

    def map(self, stream: Any, sizes: Sequence[int], segment: Sequence[Any]) -> Any:
        """Return the value of an image whose buffers lie in the memory of this host.

        Raises SegmentError if that cannot be mapped here.
        """
        return self._load(stream, layout(sizes).split(self.mappings.map(segment).memory))

    def loads_writable(self, stream: Any, *, buffers: Iterable[Any] = ()) -> Any:
        """Return the value of an image whose buffers have just arrived, on memory that can be written to."""
        arrived = [memoryview(buffer).cast("B") for buffer in buffers]
        return self._load(stream, self._brought(arrived), writable=True)

    def map_writable(self, stream: Any, sizes: Sequence[int], segment: Sequence[Any]) -> Any:
        """Return the value of an image that lies in the memory of this host, so that it can be written to.

        What is written takes memory of this process, and nobody else sees it. Raises as `map`.
        """
        return self._load(stream, layout(sizes).split(self.mappings.map(segment).memory), writable=True)

    def align(self, buffers: list[memoryview]) -> list[memoryview]:
        """Bring buffers to aligned memory; without room for a copy they stay where they arrived, wherever that is."""
        return aligned(buffers) if self.has_room(sum(buffer.nbytes for buffer in buffers)) else buffers

    def _brought(self, arrived: list[memoryview]) -> list[memoryview]:
        return arrived if all(map(handle_of, arrived)) else self.bring(arrived)

    def _load(self, stream: Any, own: Sequence[memoryview], *, writable: bool = False) -> Any:
        stream = memoryview(stream).cast("B")  # may be as large as the value: it is copied only if it is kept
        buffers = self._private(own) if writable else [buffer.toreadonly() for buffer in own]
        value = decode(stream, buffers, self.find(stream))
        if isinstance(value, ATOMS):
            writable = False  # nobody can
        kept = writable or is_kept(stream, sum(buffer.nbytes for buffer in own))
        again = not writable and _is_made_again(value, stream)
        if kept or again:
            image = Image(bytes(stream), tuple(own))
            self.note(value, image if kept else None, writable=writable, again=image if again else None)
        elif not isinstance(value, ATOMS):
            self.note(value, None)
        return value

    def _private(self, own: Sequence[memoryview]) -> Sequence[memoryview]:
        """Return buffers with the content of `own` that can be written to: pages are copied when that is done."""
        mapping = own[0].obj if own else None
        if isinstance(mapping, Mapping):
            with contextlib.suppress(OSError):  # no descriptor left: copied at once
                return layout([buffer.nbytes for buffer in own]).split(self.mappings.private(mapping).memory)
        return aligned(own)

    def note(self, value: Any, image: Image | None, *, writable: bool = False, again: Image | None = None) -> None:
        """Remember that `value` has come out of `image`, for as long as it is used.

        The buffers of `image` must not be memory of the value itself, which would never be let go. None: it has come
        out of an image that is not kept. `writable`: tasks may write to the value. `again`: what `afresh` makes it of.
        """
        identity = id(value)
        reference: Callable[[], Any]
        try:
            reference, held = weakref.ref(value, functools.partial(self._gone, identity)), False
        except TypeError:
            reference, held = (lambda: value), True
        with self._lock:
            self._entries[identity] = _Entry(reference, image, self._clock(), writable, again)
            if held:
                self._held.add(identity)

    def find(self, stream: bytes | memoryview) -> Find | None:
        """Return what finds the user's modules in the versions that an image refers to. Raises CodeError."""
        modules = modules_of(stream)
        versions = getattr(sys.modules.get(self.code), "versions", None) if modules else None
        return versions.find_of(modules) if versions is not None else None

    def encode(self, value: Any) -> Image:
        """Write `value` into an image as it is now, which says of which versions of the user's modules it is."""
        versions = getattr(sys.modules.get(self.code), "versions", None)
        return encode(value, place=versions.place_of if versions is not None else None)

    def is_still(self, value: Any, image: Image) -> bool:
        """Whether `value`, which has come out of `image`, is what came out of it. If in doubt it is not."""
        try:
            return is_still(value, image, self.find(image.stream))
        except Exception:  # nobody has its modules any more
            return False

    def _decode(self, image: Image) -> Any:
        buffers = [buffer.toreadonly() for buffer in image.buffers]
        return decode(image.stream, buffers, self.find(image.stream), keep=True)

    def __contains__(self, value: object) -> bool:
        """Whether `value` has come out of an image."""
        entry = self._entries.get(id(value))
        return entry is not None and entry.value() is value

    def afresh(self, value: Any) -> tuple[Any, Image | None]:
        """Return `value` as it was placed, for one task, which may change it: another object on the same memory.

        And the image it was made of. What nobody can change, what tasks may write to for others to see, and what would
        take long to make is `value`, and there is no image.
        """
        entry = self._entries.get(id(value))
        if entry is None or entry.again is None or entry.value() is not value:
            return value, None
        try:
            own = self._decode(entry.again)
        except Exception:  # its class has left this process
            return value, None
        if type(own) is not type(value):  # or is another by now
            return value, None
        if entry.image is not None:  # should the task return it
            self.note(own, entry.image)
        return own, entry.again

    def image_of(self, value: Any) -> Image | None:
        """Return the image that `value` has come out of, if that is known and kept."""
        entry = self._entries.get(id(value))
        return entry.image if entry is not None and entry.value() is value else None

    def _placed_as(self, value: Any) -> Image | None:
        """Return the image that `value` has come out of, also if there are no parts of it to refer to."""
        entry = self._entries.get(id(value))
        return (entry.image or entry.again) if entry is not None and entry.value() is value else None

    def is_writable(self, value: Any) -> bool:
        """Whether `value` was placed so that tasks may write to it: it may differ from its image."""
        entry = self._entries.get(id(value))
        return entry is not None and entry.value() is value and entry.writable

    def segment_of(self, value: Any) -> Handle | None:
        """Return the segment in which the buffers of the image of `value` lie, if they lie in one."""
        image = self.image_of(value)
        return handle_of(image.buffers[0]) if image is not None and image.buffers else None

    def is_shared(self, value: Any) -> bool:
        """Whether `value` takes memory of the host rather than of this process, for the most part.

        Or whether tasks may write to it: it has to stay as it is, too, since from a disk it would come as another one.
        """
        if id(value) not in self._entries:  # as most: it is asked of all that comes
            return False
        image = self.image_of(value)
        if self.is_writable(value):
            return True
        return self.segment_of(value) is not None and image is not None and image.shareable > image.nbytes // 2

    def buffer(self, value: Any, digest: str, number: int, content: bytes) -> memoryview | None:
        """Return a buffer of the image that `value` was placed as; None if `value` does not have it.

        It is read-only. Of a value that tasks may write to it is the caller's own: what was placed, whatever has been
        written to the value. `digest`: of the image. `number`: of the buffer. `content`: digest of the buffer. By it
        the buffer is found in a value that came another way, or whose image was forgotten meanwhile: what has the same
        content is as good.
        """
        image, writable = self.image_of(value), self.is_writable(value)
        if image is None or image.digest != digest:
            try:
                if image is not None and writable:
                    value = self._decode(image)
                image = self.encode(value)
                number = image.digests.index(content)
            except Exception:
                return None
        if writable and isinstance(image.buffers[number].obj, Mapping):
            return self._private(image.buffers)[number]
        return aligned([image.buffers[number]])[0] if writable else image.buffers[number].toreadonly()

    def carrier(self, value: Any, nbytes: int = 0, known: Container[bytes] = ()) -> Carrier:
        """Return what sends `value` on: as the image that it has come out of, or as the one that it makes now.

        `nbytes`: of the image, as far as is known. `known`: segments, by nonce, that the receiver has mapped.
        """
        image, segment = self._placed_as(value), self.segment_of(value)
        if segment is not None and segment.nonce not in known:
            segment = None
        make = image if image is not None else functools.partial(self.encode, value)
        return Carrier(make, self.module, nbytes, segment, writable=self.is_writable(value))

    def as_image(self, value: Any) -> bool:
        """Whether `value` is to be sent as an image: it came as one, or Dask's way would change it."""
        return value in self or would_be_another(value)

    def has_changed(self, value: Any) -> bool:
        """Whether code has changed `value` since it came out of its image, if that is kept."""
        image = self._placed_as(value)
        return image is not None and not self.is_still(value, image)

    def as_it_is(self, value: Any) -> Carrier:
        """Return what sends `value` as it is now."""
        return Carrier(self.encode(value), self.module) if self.has_changed(value) else self.carrier(value)

    def outgoing(self, value: Any, known: Container[bytes] = (), *, changed: bool = False) -> Any:
        """Return what is given to Dask in the place of `value`, to be sent now.

        `known`: as in `carrier`. `changed`: it is not what has come out of its image any more, and is to be sent as it
        is now.
        """
        try:
            if not self.as_image(value):
                return value
            return (Carrier(self.encode(value), self.module) if changed else self.carrier(value, known=known)).frames()
        except Exception:  # what was unpickled here need not let itself be pickled; Dask will say so, if it cannot
            return value

    def forget(self, value: Any) -> None:
        """Keep `value` no longer, if only the table does; of what can be referred to weakly the image goes with it.

        That may be in use, or come back: Dask remembers what it has written to disk as long as anybody has it.
        """
        with self._lock:
            if id(value) in self._held and value in self:
                del self._entries[id(value)]
                self._held.discard(id(value))

    def sweep(self, in_use: Callable[[], Container[int]]) -> None:
        """Let go of values that nobody uses any more.

        `in_use`: returns the ids of the objects that are in use. Called if there is need to know.
        """
        old = self._clock() - ON_ITS_WAY
        with self._lock:
            candidates = [identity for identity in self._held if self._entries[identity].since < old]
            if not candidates:
                return
            used = in_use()
            for identity in candidates:
                if identity not in used:
                    self._held.discard(identity)
                    del self._entries[identity]

    def _gone(self, identity: int, reference: Any) -> None:
        # without the lock: the collector calls this at any time, also while the same thread has it
        entry = self._entries.get(identity)
        if entry is not None and entry.value is reference:
            self._entries.pop(identity, None)

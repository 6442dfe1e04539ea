"""The format of an image: a placed value written once, in one pass.

::

    stream                                    block
    +----------------------+----------+       +----------+---+----------+---+----------+
    | pickle, protocol 5   | trailer  |       | buffer 0 |   | buffer 1 |   | buffer 2 |
    +----------------------+----------+       +----------+---+----------+---+----------+
                                              ^ each begins at a multiple of 64 bytes

The **stream** is an ordinary pickle: ``pickle.loads(stream, buffers=...)`` makes the value, with its types, its order
and what it has in common with itself, in any process that has the libraries of the value, and without moorage. Memory
of `SMALLEST` bytes and more lies outside of it, in **buffers**, in the order in which the stream asks for them. What
pickle would write into the stream is put outside as well: arrays that are not contiguous (as one dense copy, the order
of their axes kept), of times, masked, ``np.matrix``, ``np.recarray``; and the content of ``str``, ``bytes`` and
``bytearray`` of a megabyte and more (``texts.py``). Python cannot make these three on existing memory, so each process
**copies** them out of their buffers, and then needs these no longer. Arrays of Python objects stay in the stream.

Behind the pickle's last opcode, where pickle does not look, stands of which modules of the user, in which version, it
is (``code.py``), if it is of any; then the **trailer**: how many bytes of the buffers
each process copies (8 bytes, little-endian), `MAGIC`, the version of this format (one byte), and the digest (16 bytes).

The **digest** is the identity of an image: xxh3-128 over the version, the pickle, how much is copied, and the size and
xxh3-128 of each buffer. It errs to one side: two images with one digest are the same to the byte, but equal values may
have different images (a list with one string twice, and one with two equal strings).

The **block** is how buffers lie together in memory, in a shared segment and in a file; see `layout`. Two buffers that
are views of the same memory are written twice.

Not here: how an image travels (``carrier.py``) and where its block lies.
"""

from __future__ import annotations

import io
import pickle
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cloudpickle

from moorage.images import arrays, code
from moorage.images.code import Find, Modules, Place, reduce_code
from moorage.images.texts import Texts

VERSION = 3
MAGIC = b"moorage image"
ALIGNMENT = 64
"""Bytes. Each buffer of a block begins at a multiple of it."""
SMALLEST = 4096
"""Bytes. Smaller pieces of memory stay in the stream."""

_TRAILER = 8 + len(MAGIC) + 1 + 16
_PLAIN = (int, float, bool, type(None))  # a pickle of these has nothing outside of it
_NAMED = (type, types.FunctionType, types.ModuleType)
_RESIZABLE = ("bytearray", "array", "mmap")  # their memory may move, unless it is exported: so none is kept

Read = Callable[[memoryview], bytes]


class Layout(NamedTuple):
    """How buffers lie in a block."""

    offsets: tuple[int, ...]  # where each buffer begins, bytes from the start of the block
    sizes: tuple[int, ...]  # of each buffer, bytes
    nbytes: int  # of the block

    def split(self, block: memoryview) -> list[memoryview]:
        """Return the buffers of a block."""
        return [block[start : start + size] for start, size in zip(self.offsets, self.sizes, strict=True)]


class Extent(NamedTuple):
    """Where a buffer of an image lies in the memory of the value it was made of."""

    # `start`, `stop`: addresses
    start: int
    stop: int
    number: int  # of the buffer
    content: bytes  # digest of the buffer
    memory: memoryview  # keeps the address from being used again


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A value as it is sent and kept."""

    stream: bytes  # with its trailer
    # of bytes, contiguous. In an image that was just encoded they are the memory of the value itself.
    buffers: tuple[memoryview, ...] = ()
    lent: tuple[bool, ...] = ()  # whether a buffer is memory of the value, rather than a copy that was made of it
    digests: tuple[bytes, ...] = ()  # of each buffer

    @property
    def digest(self) -> str:
        """32 hexadecimal digits."""
        return digest_of(self.stream)

    @property
    def copied(self) -> int:
        """Bytes of the buffers that each process has to copy: strings and the like."""
        return copied_of(self.stream) if self.buffers else 0

    @property
    def shareable(self) -> int:
        """What processes can have in common of the buffers, bytes."""
        return self.nbytes - len(self.stream) - self.copied

    @property
    def nbytes(self) -> int:
        """What there is to send, bytes."""
        return len(self.stream) + (sum(buffer.nbytes for buffer in self.buffers) if self.buffers else 0)

    @property
    def layout(self) -> Layout:
        """How the buffers lie in a block."""
        return layout([buffer.nbytes for buffer in self.buffers])

    def extents(self) -> list[Extent]:
        """Return where buffers lie that are memory of the value."""
        return [
            Extent(start := _address(buffer), start + buffer.nbytes, number, content, buffer)
            for number, (buffer, lent, content) in enumerate(zip(self.buffers, self.lent, self.digests, strict=True))
            if lent
        ]


def encode(value: Any, read: Read | None = None, *, copy: bool = False, place: Place | None = None) -> Image:
    """Write `value` into an image. Its buffers are memory of the value: what is written there later is in the image.

    `read`: takes a buffer and returns its xxh3-128; for who knows it without reading. `copy`: the buffers are copies,
    which nobody writes to. `place`: where things of the user's modules are found. Raises what the
    pickler raises if something in `value` cannot be pickled.
    """
    if type(value) in _PLAIN:  # they come in lists of ten thousand
        pickled = pickle.dumps(value, 5)
        return Image(pickled + _trailer_of(0, _digest(_xxh3(pickled), len(pickled))))
    found, file = _Collector(read, "copied" if copy else "kept", place), io.BytesIO()
    _Pickler(file.write, found).dump(value)
    file.write(found.modules.written() if found.modules is not None else b"")
    digest = _digest(_xxh3(file.getbuffer()), file.tell(), found.copied, found.sizes, found.digests)
    file.write(_trailer_of(found.copied, digest))
    return Image(file.getvalue(), tuple(found.buffers), tuple(found.lent), tuple(found.digests))


def fingerprint(value: Any, read: Read | None = None, place: Place | None = None) -> str:
    """Return the digest of the image of `value`, without keeping what is written. Arguments as for `encode`."""
    file, found = _HashingFile(), _Collector(read, "read", place)
    _Pickler(file.write, found).dump(value)
    file.write(found.modules.written() if found.modules is not None else b"")
    return _digest(file.hash.digest(), file.nbytes, found.copied, found.sizes, found.digests).hex()


def decode(stream: bytes | memoryview, buffers: Sequence[Any], find: Find | None = None, *, keep: bool = False) -> Any:
    """Return the value of an image: a new object, on the memory of `buffers`. Read-only buffers make it read-only.

    `keep`: leave classes that are known here as they are; else their attributes are set to what is in the image.
    """
    return code.loads(stream, buffers, find, keep=keep)


def modules_of(stream: bytes | memoryview) -> Mapping[str, str]:
    """Return the versions of the user's modules that an image refers to, by name."""
    return code.read(memoryview(stream)[:-_TRAILER])


def is_still(value: Any, image: Image, find: Find | None = None) -> bool:
    """Whether `value`, which has come out of `image`, is what came out of it. If in doubt it is not.

    Memory of the image, which nobody can write to, is not read: it only has to be where it was.
    """
    read = _by_place(image)
    try:
        afresh = decode(image.stream, [buffer.toreadonly() for buffer in image.buffers], find, keep=True)
        return fingerprint(value, read) == fingerprint(afresh, read)
    except Exception:  # of the code of any class
        return False


def state_of(value: Any, image: Image) -> tuple[bytes, list[bytes]]:
    """Return what is another once `value`, which has come out of `image`, has changed: as in `is_still`, and quick.

    Raises what its pickling raises, as it may once it has changed.
    """
    buffers: list[pickle.PickleBuffer] = []
    stream = pickle.dumps(value, 5, buffer_callback=buffers.append)
    return stream, list(map(_by_place(image), (buffer.raw() for buffer in buffers)))


def _by_place(image: Image) -> Read:
    """Return what stands for a buffer: its place, if that is memory of `image`, and else its content."""
    places = {(_address(buffer), buffer.nbytes) for buffer in image.buffers if buffer.nbytes}

    def read(buffer: memoryview) -> bytes:
        place = _address(buffer), buffer.nbytes
        return repr(place).encode() if buffer.readonly and place in places else _xxh3(buffer)

    return read


def digest_of(stream: bytes | memoryview) -> str:
    """Return the digest that stands in the trailer of `stream`.

    Raises ValueError if it is not the stream of an image, or one of another version.
    """
    return _trailer(stream)[-16:].hex()


def copied_of(stream: bytes | memoryview) -> int:
    """Return how many bytes of its buffers a process copies that loads `stream`. Raises as `digest_of`."""
    return int.from_bytes(_trailer(stream)[:8], "little")


def _digest(
    stream: bytes, nbytes: int, copied: int = 0, sizes: Sequence[int] = (), digests: Sequence[bytes] = ()
) -> bytes:
    """Return the digest of an image, from those of its pickle and of its buffers."""
    parts = [bytes([VERSION]), stream, nbytes.to_bytes(8, "little"), copied.to_bytes(8, "little")]
    for size, digest in zip(sizes, digests, strict=True):
        parts += [size.to_bytes(8, "little"), digest]
    return _xxh3(b"".join(parts))


def _trailer_of(copied: int, digest: bytes) -> bytes:
    return copied.to_bytes(8, "little") + MAGIC + bytes([VERSION]) + digest


def _trailer(stream: bytes | memoryview) -> bytes:
    trailer = bytes(stream[-_TRAILER:])
    if trailer[8:-17] != MAGIC:
        raise ValueError("these bytes are not the stream of an image")
    if (version := trailer[-17]) != VERSION:
        raise ValueError(f"this is an image of version {version}; here only version {VERSION} can be read")
    return trailer


def digests_of(buffers: Sequence[memoryview]) -> tuple[bytes, ...]:
    """Return the digest of each buffer."""
    return tuple(map(_xxh3, buffers))


def is_whole(stream: bytes | memoryview, buffers: Sequence[memoryview]) -> bool:
    """Whether stream and buffers are, to the byte, those of the digest in the trailer. Raises as `digest_of`."""
    digest, pickled = _trailer(stream)[-16:], stream[:-_TRAILER]
    sizes = [buffer.nbytes for buffer in buffers]
    return _digest(_xxh3(pickled), len(pickled), copied_of(stream), sizes, digests_of(buffers)) == digest


def damaged(buffers: Sequence[memoryview], digests: Sequence[bytes]) -> int:
    """Return how many buffers do not have the content that their digests tell."""
    return sum(_xxh3(buffer) != digest for buffer, digest in zip(buffers, digests, strict=True))


def layout(sizes: Sequence[int]) -> Layout:
    """Return how buffers of these sizes lie in a block.

    Examples
    --------
    >>> layout([100, 8])
    Layout(offsets=(0, 128), sizes=(100, 8), nbytes=136)
    """
    offsets, end = [], 0
    for size in sizes:
        start = -(-end // ALIGNMENT) * ALIGNMENT
        offsets.append(start)
        end = start + size
    return Layout(tuple(offsets), tuple(sizes), end)


class _Collector:
    """Takes buffers out of the stream. Apart from the pickler, which would not be freed at once if it knew itself."""

    def __init__(self, read: Read | None, how: Literal["kept", "copied", "read"], place: Place | None) -> None:
        self.buffers: list[memoryview] = []
        self.lent: list[bool] = []
        self.digests: list[bytes] = []
        self.made: set[int] = set()  # addresses of what was made here
        self.copied = 0
        self.sizes: list[int] = []
        self.modules = Modules(place) if place is not None else None
        self._read = read
        self._how = how

    def __call__(self, buffer: pickle.PickleBuffer) -> bool:
        """Take `buffer`; True: leave it in the stream."""
        memory = buffer.raw()
        if memory.nbytes < SMALLEST:
            return True
        if self._how == "copied":
            self._take(memoryview(bytes(memory)), lent=False)
        else:
            lent = _address(memory) not in self.made and type(memory.obj).__name__ not in _RESIZABLE
            self._take(memory, lent=lent)
        return False

    def text(self, content: bytes, own: bool) -> None:
        """Take the content of a text or the like, which may be its `own` memory."""
        self.copied += len(content)
        self._take(memoryview(content), lent=own)

    def _take(self, memory: memoryview, *, lent: bool) -> None:
        self.sizes.append(memory.nbytes)
        self.digests.append(self._read(memory) if self._read and lent else _xxh3(memory))
        if self._how != "read":
            self.buffers.append(memory)
            self.lent.append(lent)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped
    """Writes the stream, and collects the buffers."""

    def __init__(self, write: Callable[[Any], object], found: _Collector) -> None:
        self._found = found
        super().__init__(Texts(write, found.text), protocol=5, buffer_callback=found)

    def reducer_override(self, value: Any) -> Any:
        kind, modules = type(value), self._found.modules
        if modules is not None and isinstance(value, _NAMED) and (reduced := modules.reduce(value)) is not None:
            return reduced
        if kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "__array_interface__"):
            if value.nbytes < SMALLEST or value.dtype.hasobject:
                return NotImplemented
            if kind.__name__ != "ndarray":
                return arrays.reduce_subclass(value)
            reduced, made = arrays.reduce(value)
            if made is not None:
                self._found.made.add(_address(made))
            return reduced
        if kind is types.CodeType:
            return reduce_code(value)
        if kind is memoryview:
            return arrays.reduce_view(value)
        return super().reducer_override(value)


class _HashingFile:
    """Looks like a file to a pickler, and feeds a hash."""

    def __init__(self) -> None:
        import xxhash

        self.hash = xxhash.xxh3_128()
        self.nbytes = 0

    def write(self, data: Any) -> None:
        self.hash.update(data)
        self.nbytes += len(data)


def _xxh3(content: Any) -> bytes:
    import xxhash

    return xxhash.xxh3_128_digest(content)


def _address(memory: memoryview) -> int:
    """Return where `memory` lies, which is not empty."""
    import numpy as np

    return int(np.frombuffer(memory, dtype="u1").__array_interface__["data"][0])


def aligned(buffers: Sequence[memoryview]) -> list[memoryview]:
    """Return copies of buffers in one block that begins at a multiple of `ALIGNMENT`, as long as any of them lives."""
    import numpy as np

    if not buffers:
        return []
    plan = layout([buffer.nbytes for buffer in buffers])
    memory = np.empty(plan.nbytes + ALIGNMENT, "u1")
    start = -memory.__array_interface__["data"][0] % ALIGNMENT
    own = plan.split(memory[start : start + plan.nbytes].data)
    for here, there in zip(own, buffers, strict=True):
        np.copyto(np.frombuffer(here, "u1"), np.frombuffer(there, "u1"))
    return own


_LONG = 1_000_000  # bytes of a stream


def is_kept(stream: bytes | memoryview, buffers_nbytes: int) -> bool:
    """Whether workers keep the image beside the value: its parts can be referred to, and it is sent on as it is.

    A value that is nearly all stream and strings, which are copied, would take twice its memory.
    """
    copied = copied_of(stream)
    shareable = buffers_nbytes - copied
    return shareable > 0 and len(stream) + copied <= max(_LONG, shareable // 4)

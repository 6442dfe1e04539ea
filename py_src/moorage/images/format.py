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
pickle would write into the stream is put outside as well where a process can use it there: arrays that are not
contiguous (as one dense copy, the order of their axes kept), of times, masked, ``np.matrix``, ``np.recarray``. Arrays
of Python objects, ``str`` and ``bytes`` stay in the stream, since each process has to make its own.

The **trailer** stands behind the pickle's last opcode, where pickle does not look. It is `MAGIC`, the version of this
format (one byte), and the digest (16 bytes).

The **digest** is the identity of an image: xxh3-128 over the version, the pickle, and the size and xxh3-128 of each
buffer. It errs to one side: two images with one digest are the same to the byte, but equal values may have different
images (a list with one string twice, and one with two equal strings).

The **block** is how buffers lie together in memory, in a shared segment and in a file; see `layout`. Two buffers that
are views of the same memory are written twice.

Not here: how an image travels (``carrier.py``) and where its block lies.
"""

from __future__ import annotations

import io
import pickle
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cloudpickle

from moorage.images.code import reduce_code

VERSION = 1
MAGIC = b"moorage image"
ALIGNMENT = 64
"""Bytes. Each buffer of a block begins at a multiple of it."""
SMALLEST = 4096
"""Bytes. Smaller pieces of memory stay in the stream."""

_TRAILER = len(MAGIC) + 1 + 16
_VIEWED = ("matrix", "memmap", "recarray")  # subclasses of ndarray that are a view of a plain one, and nothing else
_RESIZABLE = ("bytearray", "array", "mmap")  # their memory may move, unless it is exported: so none is kept

Read = Callable[[memoryview], bytes]


class Layout(NamedTuple):
    """How buffers lie in a block.

    Attributes
    ----------
    offsets : tuple of int
        Where each buffer begins, bytes from the start of the block.
    sizes : tuple of int
        Of each buffer, bytes.
    nbytes : int
        Of the block.
    """

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    nbytes: int

    def split(self, block: memoryview) -> list[memoryview]:
        """Return the buffers of a block."""
        return [block[start : start + size] for start, size in zip(self.offsets, self.sizes, strict=True)]


class Extent(NamedTuple):
    """Where a buffer of an image lies in the memory of the value it was made of.

    Attributes
    ----------
    start, stop : int
        Addresses.
    number : int
        Of the buffer.
    content : bytes
        Digest of the buffer.
    memory : memoryview
        Keeps the address from being used again.
    """

    start: int
    stop: int
    number: int
    content: bytes
    memory: memoryview


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A value as it is sent and kept.

    Attributes
    ----------
    stream : bytes
        With its trailer.
    buffers : tuple of memoryview
        Of bytes, contiguous. In an image that was just encoded they are the memory of the value itself.
    lent : tuple of bool
        Whether a buffer is memory of the value, rather than a copy that was made of it.
    digests : tuple of bytes
        Of each buffer.
    """

    stream: bytes
    buffers: tuple[memoryview, ...] = ()
    lent: tuple[bool, ...] = ()
    digests: tuple[bytes, ...] = ()

    @property
    def digest(self) -> str:
        """32 hexadecimal digits."""
        return digest_of(self.stream)

    @property
    def nbytes(self) -> int:
        """What there is to send, bytes."""
        return len(self.stream) + sum(buffer.nbytes for buffer in self.buffers)

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


def encode(value: Any, read: Read | None = None, *, copy: bool = False) -> Image:
    """Write `value` into an image. Its buffers are memory of the value: what is written there later is in the image.

    Parameters
    ----------
    value : object
    read : callable, optional
        Takes a buffer and returns its xxh3-128; for who knows it without reading.
    copy : bool
        The buffers are copies, which nobody writes to.

    Raises
    ------
    Exception
        What the pickler raises if something in `value` cannot be pickled.
    """
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.found.copying = copy
    pickler.dump(value)
    digest = pickler.found.digest(_xxh3(file.getbuffer()), file.tell(), read)
    file.write(MAGIC + bytes([VERSION]) + digest)
    found = pickler.found
    return Image(file.getvalue(), tuple(found.buffers), tuple(found.lent), tuple(found.digests))


def fingerprint(value: Any, read: Read | None = None) -> str:
    """Return the digest of the image of `value`, without keeping what is written.

    Parameters
    ----------
    value, read
        As for `encode`.
    """
    file = _HashingFile()
    pickler = _Pickler(file)
    pickler.dump(value)
    return pickler.found.digest(file.hash.digest(), file.nbytes, read).hex()


def decode(stream: bytes | memoryview, buffers: Sequence[Any]) -> Any:
    """Return the value of an image: a new object, on the memory of `buffers`. Read-only buffers make it read-only."""
    return pickle.loads(stream, buffers=buffers)


def is_still(value: Any, image: Image) -> bool:
    """Whether `value`, which has come out of `image`, is what came out of it. If in doubt it is not.

    Memory of the image, which nobody can write to, is not read: it only has to be where it was.
    """
    places = {(_address(buffer), buffer.nbytes) for buffer in image.buffers if buffer.nbytes}

    def read(buffer: memoryview) -> bytes:
        place = _address(buffer), buffer.nbytes
        return repr(place).encode() if buffer.readonly and place in places else _xxh3(buffer)

    try:
        afresh = decode(image.stream, [buffer.toreadonly() for buffer in image.buffers])
        return fingerprint(value, read) == fingerprint(afresh, read)
    except Exception:  # of the code of any class
        return False


def digest_of(stream: bytes | memoryview) -> str:
    """Return the digest that stands in the trailer of `stream`.

    Raises
    ------
    ValueError
        If it is not the stream of an image, or one of another version.
    """
    trailer = bytes(stream[-_TRAILER:])
    if not trailer.startswith(MAGIC):
        raise ValueError("these bytes are not the stream of an image")
    if (version := trailer[len(MAGIC)]) != VERSION:
        raise ValueError(f"this is an image of version {version}; here only version {VERSION} can be read")
    return trailer[-16:].hex()


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

    def __init__(self) -> None:
        self.buffers: list[memoryview] = []
        self.lent: list[bool] = []
        self.digests: list[bytes] = []
        self.copies: set[int] = set()  # addresses of what was made here
        self.copying = False

    def __call__(self, buffer: pickle.PickleBuffer) -> bool:
        """Take `buffer`; True: leave it in the stream."""
        memory = buffer.raw()
        if memory.nbytes < SMALLEST:
            return True
        if self.copying:
            self.buffers.append(memoryview(bytes(memory)))
            self.lent.append(False)
            return False
        self.buffers.append(memory)
        self.lent.append(_address(memory) not in self.copies and type(memory.obj).__name__ not in _RESIZABLE)
        return False

    def digest(self, stream: bytes, nbytes: int, read: Read | None) -> bytes:
        """Return the digest of the image whose pickle has this digest and size."""
        parts = [bytes([VERSION]), stream, nbytes.to_bytes(8, "little")]
        for buffer, lent in zip(self.buffers, self.lent, strict=True):
            self.digests.append(read(buffer) if read and lent else _xxh3(buffer))
            parts += [buffer.nbytes.to_bytes(8, "little"), self.digests[-1]]
        return _xxh3(b"".join(parts))


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped
    """Writes the stream, and collects the buffers."""

    def __init__(self, file: Any) -> None:
        self.found = _Collector()
        super().__init__(file, protocol=5, buffer_callback=self.found)

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "__array_interface__"):
            if kind.__name__ == "ndarray":
                return self._plain(value)
            if not value.dtype.hasobject and value.nbytes >= SMALLEST:
                return _subclass(value)
        if kind is types.CodeType:
            return reduce_code(value)
        return super().reducer_override(value)

    def _plain(self, array: Any) -> Any:
        """Return how an array is made of its memory: as it lies there, also if numpy would not export it as it is."""
        import numpy as np

        if array.nbytes < SMALLEST or array.dtype.hasobject:
            return NotImplemented
        array, memory = _dense(array)
        if memory is not None:
            self.found.copies.add(_address(memoryview(memory)))
        else:
            memory = array.ravel(order="K").view("u1")
        offset = array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
        return np.ndarray, (array.shape, array.dtype, pickle.PickleBuffer(memory), offset, array.strides)


def _dense(array: Any) -> tuple[Any, Any]:
    """Return an array without gaps that equals `array`, and its memory as bytes if it is new.

    Its axes lie in memory in the same order and direction, so that what is computed of it is the same to the last bit.
    Where elements share memory (windows, ``broadcast_to``) they do so in the copy.
    """
    import numpy as np

    if array.flags.forc:
        return array, None
    upward = tuple(slice(None, None, -1 if step < 0 else 1) for step in array.strides)
    turned = array[upward]
    span = sum((n - 1) * step for n, step in zip(turned.shape, turned.strides, strict=True)) + turned.itemsize
    if span < array.nbytes:
        memory = np.array(_raw(turned, span))
        memory.flags.writeable = array.flags.writeable
        return np.ndarray(turned.shape, turned.dtype, memory, 0, turned.strides)[upward], memory
    order = sorted(range(turned.ndim), key=lambda axis: -int(turned.strides[axis]))
    copy = np.array(turned.transpose(order), order="C")
    back = sorted(range(turned.ndim), key=order.__getitem__)
    copy.flags.writeable = array.flags.writeable
    return copy.transpose(back)[upward], copy.reshape(-1).view("u1")


class Bytes:
    """Some bytes as numpy reads them by its array interface: ``np.asarray`` makes an array of them, without a copy.

    Not a class made where it is needed: such a class is freed by the garbage collector only, and what it refers to.

    Parameters
    ----------
    address, nbytes : int
    owner : object
        Keeps the memory.
    readonly : bool
    """

    def __init__(self, address: int, nbytes: int, owner: Any, *, readonly: bool) -> None:
        self.__array_interface__ = {"data": (address, readonly), "shape": (nbytes,), "typestr": "|u1", "version": 3}
        self.owner = owner


def _raw(array: Any, nbytes: int) -> Any:
    """Return `nbytes` of memory from the first element of `array` on."""
    import numpy as np

    return np.asarray(Bytes(array.__array_interface__["data"][0], nbytes, array, readonly=True))


def _subclass(array: Any) -> Any:
    """Return how an array of one of numpy's own subclasses is made of plain ones."""
    import numpy as np

    kind = type(array)
    plain = np.ndarray.view(array, np.ndarray)
    if kind.__name__ in _VIEWED:
        return np.ndarray.view, (plain, kind)
    if kind is np.ma.MaskedArray and array.baseclass is np.ndarray:
        mask = np.ma.getmask(array)
        # data, mask, dtype, copy, subok, ndmin, fill_value, keep_mask, hard_mask, shrink
        about = (None, False, True, 0, array._fill_value, True, array._hardmask, False)
        return kind, (plain, mask, *about)
    return NotImplemented


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

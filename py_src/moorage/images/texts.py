"""Large ``str``, ``bytes`` and ``bytearray`` out of a pickle's stream. Pickle itself has no way to put them elsewhere.

CPython's pickler hands what it writes to its file in pieces of two kinds: what it has collected, and the content of
an object of 64 KiB or more, as it is, by a call of its own. A piece of the first kind is at most one frame, which tells
its length, and then perhaps the head of the object (an opcode and a length) whose content is the next piece. So such an
object can be told from any other bytes by reading along (`_announced`), and `Texts` writes in its place

    builtins.bytes, or bytearray, or str    NEXT_BUFFER    ("utf-8" "surrogatepass")    call

which makes the object from a buffer wherever the pickle is loaded. What follows, above all the opcode by which the
pickle remembers the object, stands for the new one. A pickler that writes otherwise gets the stream that it wrote.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

LARGE = 1_000_000
"""Bytes. Smaller ones stay in the stream."""

_PROTOCOL = bytes([pickle.PROTO[0], 5])
_FRAME_HEAD = 9  # an opcode and a length
_UNFRAMED = 3  # a frame that is not longer has no head
_KINDS = {
    pickle.BINBYTES: "bytes",
    pickle.BINBYTES8: "bytes",
    pickle.BYTEARRAY8: "bytearray",
    pickle.BINUNICODE: "str",
    pickle.BINUNICODE8: "str",
}
_CALL = pickle.TUPLE1 + pickle.REDUCE
_DECODE = (
    b"".join(pickle.SHORT_BINUNICODE + bytes([len(word)]) + word for word in (b"utf-8", b"surrogatepass"))
    + pickle.TUPLE3
    + pickle.REDUCE
)


class Texts:
    """What a pickler writes to.

    `write`: takes the stream. `take`: takes the content of a large object, which nobody writes to, and whether it is
    the object's own memory.
    """

    def __init__(self, write: Callable[[Any], object], take: Callable[[bytes, bool], None]) -> None:
        self._write = write
        self._take = take
        self._head = b""  # of the object whose content comes next

    def write(self, data: Any) -> None:
        """Take a piece, as a file does."""
        head, self._head = self._head, b""
        if not head:
            self._head = _announced(data)
            self._write(data[: len(data) - len(self._head)])
        elif len(data) != (nbytes := _length(head)) or nbytes < LARGE:
            self._write(head)
            self._write(data)
        else:
            kind = _KINDS[head[:1]]
            # a bytearray may be changed, and could not grow as long as its memory is used
            self._take(data if type(data) is bytes else bytes(data), kind == "bytes")
            make = pickle.GLOBAL + b"builtins\n" + kind.encode() + b"\n" + pickle.NEXT_BUFFER
            self._write(make + (_DECODE if kind == "str" else _CALL))


def _announced(data: Any) -> bytes:
    """Return the head of an object at the end of what a pickler has collected; or nothing."""
    if type(data) is not bytes:  # of the pickler in Python, which says other things in other pieces
        return b""
    start = len(_PROTOCOL) if data.startswith(_PROTOCOL) else 0
    if data[start : start + 1] == pickle.FRAME:
        start += _FRAME_HEAD + int.from_bytes(data[start + 1 : start + _FRAME_HEAD], "little")
        before = 0
    else:
        before = _UNFRAMED
    for size in (5, 9):
        head = data[max(start, len(data) - size) :]
        if len(head) == size and len(data) - start - size <= before and _is_head(head):
            return head
    return b""


def _is_head(data: bytes) -> bool:
    return data[:1] in _KINDS and (data[:1] in (pickle.BINBYTES, pickle.BINUNICODE)) == (len(data) == 5)


def _length(head: bytes) -> int:
    return int.from_bytes(head[1:], "little")

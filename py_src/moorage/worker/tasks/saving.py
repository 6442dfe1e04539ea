"""Saves values to files and restores them, each on a worker that has it or will have it. Shipped by value.

A file has the images of some values, and is named by their digests: one that is there already need not be written
again. It is written under another name first, so that what has its name is whole. A value is read by one task, which is
what Dask runs again if the value is lost: the file is its origin. Files of this machine that only the user can write to
are mapped, and stay so (``images/filed.py``); others are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from distributed import get_worker

from moorage._dask.worker import is_wanted
from moorage.images.carrier import Table
from moorage.images.filed import ENDING, is_mappable
from moorage.images.format import Image, aligned, decode, encode
from moorage.images.room import SegmentError
from moorage.images.segment import SMALLEST_SHARED
from moorage.wire.saves import Place, Restoring, SavedImage, Saving
from moorage.worker.tasks.errors import Cancelled
from moorage.worker.tasks.file import Entry, entries_of, read, write

UNFINISHED = ".moorage-"
"""What the names of files begin with that are being written."""

_BUFFERED = 1 << 20  # bytes of small images that are written together
_OTHERS = 0o022  # may write


def save_values(table: Table | None, options: Saving, *values: Any) -> list[SavedImage]:
    """Write `values` into a file, all or none; return where each is. Raises OSError."""
    worker = get_worker()

    def go_on() -> None:
        if not is_wanted(worker, options["key"]):
            raise Cancelled

    images = [_image_of(value, table) for value in values]
    entries = entries_of(images)
    name = f"{_name_of(images)}{ENDING}"
    files, folder = _files(options["place"])
    if _is_local(files):
        _write_here(folder, name, images, entries, go_on)
    else:
        _write_there(options["place"], name, images, entries, go_on)
    return [
        {"file": name, "offset": e.offset, "stream": e.stream, "sizes": list(e.sizes), "digest": e.digest}
        for e in entries
    ]


def restore_value(table: Table | None, options: Restoring) -> Any:
    """Return a value that was saved. Raises OSError if it is not there, and ValueError if it is not what was saved."""
    image = options["image"]
    entry = Entry(image["offset"], image["stream"], tuple(image["sizes"]), image["digest"])
    name = f"{options['place']['url'].rstrip('/')}/{image['file']}"
    try:
        stream, buffers = read(entry, *_content(table, options["place"], image["file"], entry, trust=options["trust"]))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if table is None:
        return decode(stream, aligned(buffers))
    return (table.loads_writable if options["writable"] else table.loads)(stream, buffers=buffers)


def _image_of(value: Any, table: Table | None) -> Image:
    image = table.image_of(value) if table is not None else None
    if table is None:
        return encode(value)
    return table.encode(value) if image is None or table.has_changed(value) else image


def _name_of(images: Sequence[Image]) -> str:
    digests = [image.digest for image in images]
    return digests[0] if len(digests) == 1 else hashlib.blake2b("".join(digests).encode(), digest_size=16).hexdigest()


def _write_here(
    folder: str, name: str, images: Sequence[Image], entries: Sequence[Entry], go_on: Callable[[], None]
) -> None:
    """Write a file of this machine, for the user alone to read: values are mapped from it. It is on the disk then."""
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        _sync(os.path.dirname(folder))
    path = os.path.join(folder, name)
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        if status.st_size == entries[-1].end and status.st_uid == os.geteuid() and not status.st_mode & _OTHERS:
            return
    unfinished = os.path.join(folder, f"{UNFINISHED}{uuid.uuid4().hex}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    try:
        with open(descriptor, "wb", _BUFFERED) as file:
            write(file.write, images, entries, go_on)
            file.flush()
            os.fsync(descriptor)
        go_on()
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
    _sync(folder)


def _write_there(
    place: Place, name: str, images: Sequence[Image], entries: Sequence[Entry], go_on: Callable[[], None]
) -> None:
    """Write a file of another store. What is there in part has another size, and is written again."""

    def begin(files: Any, folder: str) -> Any:
        path = f"{folder}/{name}"
        files.invalidate_cache()
        files.makedirs(folder, exist_ok=True)
        if files.exists(path) and files.size(path) == entries[-1].end:
            return None
        return files.open(path, "wb")

    if (file := reached(place, begin)) is None:
        return
    try:
        write(file.write, images, entries, go_on)
    except BaseException:
        with contextlib.suppress(Exception):
            file.discard()
        with contextlib.suppress(AttributeError):
            file.closed = True  # closing it would complete it
        raise
    file.close()


def _content(
    table: Table | None, place: Place, name: str, entry: Entry, *, trust: bool
) -> tuple[memoryview, memoryview]:
    """Return the bytes of an image in a file: stream and block. Raises ValueError if there are too few."""
    files, folder = _files(place)
    if not _is_local(files):
        content = reached(
            place, lambda files, folder: files.cat_file(f"{folder}/{name}", start=entry.offset, end=entry.end)
        )
        if len(content) > entry.end - entry.offset:  # the whole file: there are stores that know no ranges
            content = content[entry.offset : entry.end]
        return _split(entry, content)
    path = os.path.join(folder, name)
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        is_mine = status.st_uid == os.geteuid() and not status.st_mode & _OTHERS
        if not trust and not is_mine:
            raise PermissionError(f"{path} belongs to user {status.st_uid}, or others can write to it")
        nbytes = entry.layout.nbytes
        if table is not None and nbytes >= SMALLEST_SHARED and is_mappable(file.fileno(), entry.block):
            if status.st_size < entry.end:
                raise ValueError("it ends early")
            with contextlib.suppress(SegmentError):  # no descriptor is left
                block = table.mappings.map_file(file.fileno(), entry.block, nbytes)
                block.madvise(mmap.MADV_WILLNEED)
                file.seek(entry.offset)
                return memoryview(file.read(entry.stream)), block.memory
        file.seek(entry.offset)
        return _split(entry, file.read(entry.end - entry.offset))


def _split(entry: Entry, content: bytes) -> tuple[memoryview, memoryview]:
    if len(content) < entry.end - entry.offset:
        raise ValueError("it ends early")
    return memoryview(content)[: entry.stream], memoryview(content)[entry.block - entry.offset :]


def _sync(folder: str) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reached(place: Place, ask: Callable[[Any, str], Any]) -> Any:
    """Return what `ask` returns of a store and the folder there, by a new connection if that of before has broken.

    Raises OSError or ValueError: a store's own errors might not be known where they get.
    """
    files, folder = _files(place)
    try:
        try:
            return ask(files, folder)
        except FileNotFoundError:
            raise
        except Exception:
            type(files).clear_instance_cache()
            return ask(*_files(place))
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise OSError(str(error) or type(error).__name__) from error


def _files(place: Place) -> tuple[Any, str]:
    """Return the file system of a place, and the path of the folder there."""
    import fsspec.core

    files, folder = fsspec.core.url_to_fs(place["url"], **place["options"])
    return files, folder


def _is_local(files: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(files, LocalFileSystem)

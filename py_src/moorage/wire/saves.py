"""What workers are told of values that they save to files, and restore from there, and what they answer.

The scheduler is told what is where. The worker's side is ``worker/tasks/saving.py``, the notebook's ``tasks/saving/``.
Only shapes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol, TypedDict

from moorage.model import Durable
from moorage.wire.scheduler import PlacementDict


class Place(TypedDict):
    """Where files are."""

    url: str  # a folder, as fsspec takes it
    options: Mapping[str, Any]  # of the file system


class SavedImage(TypedDict):
    """An image in a file of the folder; see ``Entry`` in ``worker/tasks/file.py``."""

    file: str  # its name
    offset: int
    stream: int
    sizes: list[int]
    digest: str


class Filed(TypedDict):
    """How far a durable variable is, if these are its keys and that is where it is placed."""

    keys: list[Any]
    placement: PlacementDict
    state: Durable


class FileHandlers(Protocol):
    """What notebooks say to the scheduler of files; see ``scheduler/recovery/files.py``."""

    async def moorage_filed(
        self,
        files: Mapping[Any, bytes],
        durable: Mapping[str, Filed],
        instead: Collection[Any] = (),
    ) -> None:
        """Note how keys are read from files, as pickled tasks, and how far durable variables are, by ``vid``.

        A value is read when nobody else can send it any more; those of `instead` rather than sent or computed.
        """
        ...


class Saving(TypedDict):
    """Of one task; see `save_values`."""

    place: Place
    key: str  # of the task


class Restoring(TypedDict):
    """Of one task; see `restore_value`."""

    place: Place
    image: SavedImage
    writable: bool  # tasks may write to the value
    trust: bool  # take it whoever owns the file

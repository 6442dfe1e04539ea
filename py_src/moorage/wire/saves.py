"""What workers are told of values that they save to files, and restore from there, and what they answer.

The worker's side is ``worker/tasks/saving.py``, the notebook's ``tasks/saving/``. Only shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict


class Place(TypedDict):
    """Where files are."""

    url: str  # a folder, as fsspec takes it
    options: Mapping[str, Any]  # of the file system


class SavedImage(TypedDict):
    """An image in a file of the folder; see ``Entry`` in ``images/file.py``."""

    file: str  # its name
    offset: int
    stream: int
    sizes: list[int]
    digest: str


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

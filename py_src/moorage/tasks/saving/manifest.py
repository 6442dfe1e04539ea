"""What a folder of saved variables has: written last, so that it names only what is whole.

JSON of `Manifest`. Keys of Dask and labels of dicts may be tuples, which JSON has not; they are lists there, which
neither can be. Pure: what is read and written is text.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from moorage.errors import SaveError
from moorage.images import format
from moorage.wire.saves import SavedImage
from moorage.wire.scheduler import PlacementDict, StructureDict

NAME = "moorage.json"
VERSION = 1
_KIND = "moorage save"


@dataclass(frozen=True, slots=True)
class SavedVariable:
    """A variable that has been saved."""

    placement: PlacementDict
    structure: StructureDict
    typename: str
    detail: str
    nbytes: int  # in the memory of a worker
    keys: list[Any]  # of Dask
    images: list[int]  # of each key, its place among the images
    recipe: str = ""  # of a Dask collection: how it is put together; see ``recipes.py``
    until: float = 0.0  # when it is let go, in seconds since 1970, if it is durable; 0: when it is released

    @property
    def numbers(self) -> dict[Any, int]:
        """Of each key, its place among the images."""
        return dict(zip(self.keys, self.images, strict=True))


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that has been saved in a folder."""

    created: str  # when; ISO 8601, with the time zone
    images: list[SavedImage]
    variables: dict[str, SavedVariable]
    cluster: str = ""  # name of the one whose durable variables they are
    address: str = ""  # of its scheduler

    @property
    def files(self) -> list[str]:
        """The names of the files, in the order in which they were written."""
        return list(dict.fromkeys(image["file"] for image in self.images))

    def summary(self) -> str:
        """Return in words what has been saved, and when."""
        names = list(self.variables)
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return f"{', '.join(names[:5])}{more}, saved on {self.when}"

    @property
    def when(self) -> str:
        """When it was saved, in words."""
        return datetime.fromisoformat(self.created).strftime("%d %b %Y %H:%M")

    def to_json(self) -> str:
        """Return the text that stands for it."""
        fields = SavedVariable.__slots__
        return json.dumps(
            {
                "kind": _KIND,
                "version": VERSION,
                "image_version": format.VERSION,
                "moorage": version("moorage"),
                "python": platform.python_version(),
                "created": self.created,
                "cluster": self.cluster,
                "address": self.address,
                "images": self.images,
                "variables": {
                    name: {field: getattr(variable, field) for field in fields}
                    for name, variable in self.variables.items()
                },
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Manifest:
        """Return what `text` stands for. `where`: what it is called in an error. Raises SaveError."""
        try:
            read = json.loads(text)
            kind, versions = read["kind"], (read["version"], read["image_version"])
        except (ValueError, TypeError, KeyError):
            kind = ""
        if kind != _KIND:
            raise SaveError(f"{where} does not say what moorage has saved.", "Name a folder that %save was given.")
        if versions != (VERSION, format.VERSION):
            theirs = f"moorage {read.get('moorage')}"
            raise SaveError(
                f"{where} is of version {_dotted(versions)}, written by {theirs}; here is version "
                f"{_dotted((VERSION, format.VERSION))}, of moorage {version('moorage')}.",
                f"Restore it with {theirs}; then save it again, with any version.",
            )
        try:
            variables = {}
            for name, fields in read["variables"].items():
                structure = fields["structure"]
                structure["labels"] = list(map(_hashable, structure.get("labels", ())))
                variables[name] = SavedVariable(**{**fields, "keys": list(map(_hashable, fields["keys"]))})
            manifest = cls(read["created"], read["images"], variables, read.get("cluster", ""), read.get("address", ""))
            for image in manifest.images:
                _check_file(image["file"])
            for variable in variables.values():
                [manifest.images[number] for number in variable.images]
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise SaveError(f"{where} is damaged: {error}.", "Save the variables again.") from None
        return manifest


def _dotted(versions: tuple[Any, ...]) -> str:
    return ".".join(map(str, versions))


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _check_file(name: str) -> None:
    """Raise ValueError unless a file lies in the folder itself."""
    if not name or name in (".", "..") or "/" in name or "\\" in name:
        raise ValueError(f"{name!r} is not the name of a file in this folder")

"""The magics `%save` and `%restore`: ``tasks/saving/`` does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dask.utils import format_bytes
from IPython.core.magic import Magics, line_magic, magics_class

from moorage.controller import registry
from moorage.jupyter.display import printable
from moorage.jupyter.magics.parser import Arguments, Reader, check_names, duration, option, setting, switch, text
from moorage.jupyter.magics.progress import PATIENCE_SECONDS, ProgressLine
from moorage.jupyter.magics.reporting import reads

_FOLDER = "a folder that the notebook and all workers share, or a URL such as s3://bucket/folder"


class SavingArguments(Arguments):
    """What both lines say."""

    names: list[str]
    place: Any  # a text, or None for what is durable
    overwrite: bool = switch("--overwrite", "replace what is there under these names")
    options: list[tuple[str, Any]] | None = option("--option KEY=VALUE...", setting, "for the file system of the URL")
    timeout: float | None = option("--timeout T", duration, "longest wait for placements, such as 30 or 2m")

    def check(self) -> None:
        """See `Arguments`."""
        check_names(self.names)

    @property
    def how(self) -> dict[str, Any]:
        """What both verbs take."""
        options = dict(self.options or [])
        return {"overwrite": self.overwrite, "storage_options": options, "timeout": self.timeout}


class SaveArguments(SavingArguments):
    """The line of `%save`."""

    names: list[str] = option("[NAME...]", text, "placed variables; all of this notebook by default")
    place: Any = option("--to PATH", text, _FOLDER, required=True)
    stale: bool = switch(
        "--stale", "also variables that have changed in the notebook since they were placed: as they are on the cluster"
    )


class RestoreArguments(SavingArguments):
    """The line of `%restore`."""

    names: list[str] = option("[NAME...]", text, "variables that were saved; all of them by default")
    place: Any = option("--from PATH", text, f"{_FOLDER}; default: where this notebook's durable variables are")
    trust: bool = switch("--trust", "also read files of other users, and of stores without owners")


save = Reader(
    SaveArguments,
    "%save",
    "Save placed variables to a folder, from which any cluster can restore them. Workers write what they have,\n"
    "each content once. Until all is written, what was saved there before stays whole. Dask collections are\n"
    "saved part by part; for others to read, Parquet or Zarr serve better: x.to_parquet(...), x.to_zarr(...).",
)
restore = Reader(
    RestoreArguments,
    "%restore",
    "Place variables that `%save` has saved, or that were durable, where they were. Workers read them; %gather\n"
    "brings them into the notebook. Restoring runs whatever code is in the files, so only those are taken that\n"
    "belong to you.",
)


@magics_class
class SavingMagics(Magics):
    """The magics `%save` and `%restore`, for one shell."""

    @line_magic
    @reads(save)
    def save(self, args: SaveArguments, _: str | None) -> None:
        """Save placed variables."""
        controller = registry.current()
        with self._progress("saved") as progress:
            names = controller.save(*args.names, to=args.place, stale=args.stale, progress=progress, **args.how)
        print(printable(f"saved {', '.join(names)} to {args.place}"))

    @line_magic
    @reads(restore)
    def restore(self, args: RestoreArguments, _: str | None) -> None:
        """Restore variables that were saved."""
        controller = registry.current()
        with self._progress("read") as progress:
            names = controller.restore(*args.names, from_=args.place, trust=args.trust, progress=progress, **args.how)
        print(printable(f"restored {', '.join(names)}{f' from {args.place}' if args.place else ''}"))

    @contextmanager
    def _progress(self, done: str) -> Iterator[Callable[[int, int], None]]:
        assert self.shell is not None
        with ProgressLine(self.shell, PATIENCE_SECONDS) as line:
            yield lambda bytes_, total: line.update(f"{format_bytes(bytes_)} of {format_bytes(total)} {done}")

    def what_stands(self) -> str:
        """Describe what an interrupt leaves."""
        return "interrupted. Nothing has been saved or restored; what was saved before is as it was."

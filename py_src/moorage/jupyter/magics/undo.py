"""The magic `%undo`: ``controller/undoing`` knows how things were."""

from __future__ import annotations

from IPython.core.magic import Magics, line_magic, magics_class

from moorage.controller import registry
from moorage.jupyter.display import printable
from moorage.jupyter.magics.parser import Arguments, Reader
from moorage.jupyter.magics.reporting import reads


class UndoArguments(Arguments):
    """The line of `%undo`."""


undo = Reader(
    UndoArguments,
    "%undo",
    "Take back what this notebook has done last, by magic, by Python or in the panel: placed, moved,\n"
    "released, or changed in size. Again: what was done before that. What would be lost, since it is only on the\n"
    "cluster, is refused. `cluster.undo()` does the same.",
)


@magics_class
class UndoMagics(Magics):
    """The magic `%undo`, for one shell."""

    @line_magic
    @reads(undo)
    def undo(self, args: UndoArguments, _: str | None) -> None:
        """Take back what was done last."""
        print(printable(f"undone: {registry.current().undo()}"))

    def what_stands(self) -> str:
        """Describe what an interrupt leaves."""
        return "interrupted. See %placement for where things are."

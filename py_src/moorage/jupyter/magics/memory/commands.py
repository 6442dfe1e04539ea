"""What `%memory` does: ``kernel/ledger`` has the answer, ``jupyter/memory_view.py`` its looks."""

from __future__ import annotations

from IPython.core.magic import Magics, line_magic, magics_class
from IPython.display import display as publish

from moorage.controller import registry
from moorage.jupyter import memory_view
from moorage.jupyter.magics.memory.line import MemoryArguments, memory
from moorage.jupyter.magics.reporting import reads

_ALL = 100_000


@magics_class
class MemoryMagics(Magics):
    """The magic for what fills the cluster's memory, for one shell."""

    @line_magic
    @reads(memory)
    def memory(self, args: MemoryArguments, _: str | None) -> None:
        """Show what fills the workers' memory, by name."""
        found = registry.current().memory(_ALL) if args.all else registry.current().memory()
        show = memory_view.by_name if args.by == "name" else memory_view.by_worker
        publish(show(found, everything=args.all), raw=True)

    def what_stands(self) -> str:
        """Describe what an interrupt leaves."""
        return "interrupted. Nothing was changed."

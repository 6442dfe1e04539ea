"""What `%memory` and `%why` do: ``kernel/ledger`` and ``kernel/why`` have the answers."""

from __future__ import annotations

from IPython.core.magic import Magics, line_magic, magics_class
from IPython.display import display as publish

from moorage.controller import registry
from moorage.jupyter import display, memory_view
from moorage.jupyter.magics.insight.line import MemoryArguments, WhyArguments, memory, why
from moorage.jupyter.magics.reporting import reads

_ALL = 100_000


@magics_class
class InsightMagics(Magics):
    """The magics that explain what is, for one shell."""

    @line_magic
    @reads(memory)
    def memory(self, args: MemoryArguments, _: str | None) -> None:
        """Show what fills the workers' memory, by name."""
        found = registry.current().memory(_ALL) if args.all else registry.current().memory()
        show = memory_view.by_name if args.by == "name" else memory_view.by_worker
        publish(show(found, everything=args.all), raw=True)

    @line_magic
    @reads(why)
    def why(self, args: WhyArguments, _: str | None) -> None:
        """Say why something is as it is, and what helps."""
        publish(display.why(registry.current().why(args.what)), raw=True)

    def what_stands(self) -> str:
        """Describe what an interrupt leaves."""
        return "interrupted. Nothing was changed."

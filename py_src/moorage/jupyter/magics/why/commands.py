"""What `%why` does: ``kernel/why`` has the answer."""

from __future__ import annotations

from IPython.core.magic import Magics, line_magic, magics_class
from IPython.display import display as publish

from moorage.controller import registry
from moorage.jupyter import display
from moorage.jupyter.magics.reporting import reads
from moorage.jupyter.magics.why.line import WhyArguments, why


@magics_class
class WhyMagics(Magics):
    """The magic that explains, for one shell."""

    @line_magic
    @reads(why)
    def why(self, args: WhyArguments, _: str | None) -> None:
        """Say why something is as it is, and what helps."""
        publish(display.why(registry.current().why(args.what)), raw=True)

    def what_stands(self) -> str:
        """Describe what an interrupt leaves."""
        return "interrupted. Nothing was changed."

"""What `%%locality` does: ``kernel/transfers`` has the answer, ``jupyter/transfers_view.py`` its looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from IPython.core.displayhook import DisplayHook
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.display import display as publish

from moorage.controller import registry
from moorage.errors import ArgumentError, MoorageError
from moorage.jupyter import transfers_view
from moorage.jupyter.display import error_lines
from moorage.jupyter.magics.cells import ValueCell
from moorage.jupyter.magics.insight.line import LocalityArguments, locality
from moorage.jupyter.magics.reporting import reads, reported
from moorage.kernel.waiting import pending, until_ended, wait_for
from moorage.tasks.map.results import Results

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from moorage.controller.cluster import ClusterController

_SETTLE = 2.0
"""Seconds that what is on its way when the cell has ended is waited for at most."""


@magics_class
class LocalityMagics(Magics):
    """The magic for what a cell moves, for one shell."""

    shell: InteractiveShell

    @line_cell_magic
    @reads(locality)
    def locality(self, args: LocalityArguments, cell: str | None) -> Any:
        """Run a cell, and show what moved between workers meanwhile."""
        if cell is None:
            raise ArgumentError(
                "There is no cell to run.", "Write %%locality, with two %, on the first line of a cell."
            )
        controller = registry.current()
        body = ValueCell(self.shell, cell, needs_value=False)
        silent = DisplayHook.semicolon_at_end_of_expression(cell)

        async def wait_and_measure() -> Any:
            with reported(self.what_stands), self._measured(controller, args):
                value = await body.waited_for()
            return None if silent else value

        if body.waits:
            return wait_and_measure()
        with self._measured(controller, args):
            value = body.value()
        return None if silent else value

    def what_stands(self) -> str:
        """Describe what an interrupt leaves."""
        return "interrupted. What the cell has started goes on."

    @contextmanager
    def _measured(self, controller: ClusterController, args: LocalityArguments) -> Iterator[None]:
        """Show what moves meanwhile, also if that fails or is interrupted."""
        client = controller.client
        before, running = controller.moment(), pending(client)
        unfinished = {id(results) for results in self._results()}
        try:
            yield
            if not args.no_wait:
                for results in self._results():
                    if id(results) not in unfinished:
                        results.wait_quietly()
                wait_for(client, until_ended, client, running)
        except BaseException:
            try:
                self._show(controller, before, args)
            except MoorageError as error:  # of less interest than why the cell has failed
                print("\n".join(error_lines(error)))
            raise
        self._show(controller, before, args)

    def _show(self, controller: ClusterController, before: Any, args: LocalityArguments) -> None:
        publish(transfers_view.report(controller.transfers(before, _SETTLE), everything=args.all), raw=True)

    def _results(self) -> list[Results]:
        """Return the notebook's results that are not complete."""
        namespace = list(self.shell.user_ns.values())
        return [value for value in namespace if isinstance(value, Results) and not value.done()]

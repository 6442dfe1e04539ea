"""What ``%load_ext moorage`` adds to a shell, and ``%unload_ext moorage`` takes away again.

The magics, completion in their lines, ``await`` in cells whose value is placed, a look at the notebook's variables
after each cell, the rich display of controllers and placements, and the channel to the panel. The state lies in the
shell's own registries, so that loading twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from IPython import get_ipython

from moorage.controller import registry
from moorage.controller.cluster import ClusterController
from moorage.jupyter import board, display, memory_view, results_view, transfers_view
from moorage.jupyter.binding import notebook_names
from moorage.jupyter.ipython import check_shell, running_cell
from moorage.jupyter.magics import completion
from moorage.jupyter.magics.cells import await_placing
from moorage.jupyter.magics.cluster.commands import show_cluster
from moorage.jupyter.magics.collections.commands import CollectionMagics
from moorage.jupyter.magics.commands import MoorageMagics
from moorage.jupyter.magics.insight.commands import InsightMagics
from moorage.jupyter.magics.insight.locality import LocalityMagics
from moorage.jupyter.magics.saving import SavingMagics
from moorage.jupyter.magics.submit import SubmitMagics
from moorage.jupyter.magics.undo import UndoMagics
from moorage.jupyter.panel.comm import close_channel, open_channel
from moorage.jupyter.reloading import reloader_of
from moorage.kernel.code import following
from moorage.kernel.code.following import Reloader
from moorage.kernel.ledger.memory import Memory
from moorage.kernel.placement.placements import Placements
from moorage.kernel.transfers.moved import Transfers
from moorage.kernel.why.answer import Why
from moorage.tasks.computations import ask_for_cells
from moorage.tasks.map.results import Results

if TYPE_CHECKING:
    from types import SimpleNamespace

    from IPython.core.interactiveshell import InteractiveShell
    from IPython.lib.pretty import RepresentationPrinter
    from traitlets.config import Configurable

_MAGICS = (MoorageMagics, SubmitMagics, CollectionMagics, InsightMagics, LocalityMagics, SavingMagics, UndoMagics)


def load(shell: InteractiveShell) -> None:
    """Add moorage to `shell`."""
    check_shell(shell)
    unload(shell)
    shell.register_magics(*_MAGICS)
    _set_configurables(shell, registry.all_controllers())
    shell.set_hook("complete_command", _complete, re_key=completion.PATTERN)
    shell.events.register("post_run_cell", _after_cell)
    shell.input_transformers_post.append(await_placing)
    _reloaders().append(reloader_of(shell))
    formatters = _formatters(shell)
    for kind, show in _RICH.items():
        formatters["text/html"].for_type(kind, _html(show))
        formatters["text/plain"].for_type(kind, _plain(show))
    if hasattr(shell, "kernel"):  # a terminal cannot change what it has shown
        assert shell.display_formatter is not None
        shell.display_formatter.ipython_display_formatter.for_type(Results, results_view.show)
        shell.display_formatter.mimebundle_formatter.for_type(ClusterController, board.view_of)
    ask_for_cells(lambda: running_cell(shell))
    open_channel(shell)


def unload(shell: InteractiveShell) -> None:
    """Take moorage from `shell` again. Clusters and placements stay."""
    registry = shell.magics_manager.registry
    ours = [registry.pop(kind.__name__) for kind in _MAGICS if kind.__name__ in registry]
    if not ours:
        return
    _set_configurables(shell, [])
    for magics in ours:
        shell.configurables.remove(magics)
        for registered in shell.magics_manager.magics.values():
            for name in [name for name, magic in registered.items() if getattr(magic, "__self__", None) is magics]:
                del registered[name]
    shell.strdispatchers["complete_command"].regexs.pop(re.compile(completion.PATTERN), None)
    close_channel()
    ask_for_cells(None)
    shell.events.unregister("post_run_cell", _after_cell)
    shell.input_transformers_post.remove(await_placing)
    _reloaders().clear()
    formatters = _formatters(shell)
    if hasattr(shell, "kernel"):
        assert shell.display_formatter is not None
        shell.display_formatter.ipython_display_formatter.pop(Results, None)
        shell.display_formatter.mimebundle_formatter.pop(ClusterController, None)
    for kind in _RICH:
        for mime in ("text/html", "text/plain"):
            formatters[mime].pop(kind, None)


def _reloaders() -> list[Reloader]:
    return following.of_process().reloaders


def _formatters(shell: InteractiveShell) -> dict[str, Any]:
    assert shell.display_formatter is not None
    formatters: dict[str, Any] = shell.display_formatter.formatters
    return formatters


def _after_cell(_: object) -> None:
    """Let controllers see which names the cell has rebound. Takes microseconds."""
    shell = get_ipython()
    controllers = registry.all_controllers()
    _set_configurables(shell, controllers)
    for controller in controllers:
        controller.placer.note_rebound(shell.user_ns)


def _set_configurables(shell: InteractiveShell, controllers: Sequence[ClusterController]) -> None:
    """Let ``%config ClusterController`` find the clusters there are."""
    configurables: list[Configurable] = shell.configurables  # type: ignore[assignment]
    configurables[:] = [one for one in configurables if not isinstance(one, ClusterController)] + list(controllers)


def _complete(shell: InteractiveShell, event: SimpleNamespace) -> list[str]:
    def placed() -> list[str]:
        return sorted({name for controller in registry.all_controllers() for name in controller})

    def workers() -> list[str]:
        return sorted({name for controller in registry.all_controllers() for name in controller.worker_names()})

    known = completion.Names(lambda: notebook_names(shell), placed, workers)
    return completion.complete(event.text_until_cursor, known)


def _show_placements(states: Placements) -> display.Bundle:
    return display.placements(states, states.workers)


_RICH: dict[type, Callable[[Any], display.Bundle]] = {
    ClusterController: show_cluster,
    Placements: _show_placements,
    Memory: memory_view.by_worker,
    Transfers: transfers_view.report,
    Why: display.why,
}


def _html(show: Callable[[Any], display.Bundle]) -> Callable[[Any], str]:
    return lambda thing: show(thing)["text/html"]


def _plain(show: Callable[[Any], display.Bundle]) -> Callable[[Any, RepresentationPrinter, bool], None]:
    return lambda thing, printer, _: printer.text(show(thing)["text/plain"])

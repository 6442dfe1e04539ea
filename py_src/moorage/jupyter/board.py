"""The panel as a widget in the output of a cell, for notebooks without a side panel: VS Code, Colab, marimo, consoles.

The view is the same as the panel's and comes with the package (``static/board.js``), so that no extension of the
frontend is needed. Here is only its way to the kernel.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import anywidget
from IPython import get_ipython
from traitlets import Bool, observe

from moorage.controller import registry
from moorage.controller.cluster import ClusterController
from moorage.errors import InputError, MoorageError
from moorage.jupyter.ipython import keep_shell
from moorage.jupyter.panel.comm import PanelChannel, open_channel
from moorage.jupyter.panel.state import as_read_only
from moorage.jupyter.plain import PlainNotebook, in_marimo

_STATIC = Path(__file__).parent / "static"
_VIEW = "application/vnd.jupyter.widget-view+json"


def _view(name: str) -> str:
    file = _STATIC / name
    return file.read_text() if file.exists() else ""


class Board(anywidget.AnyWidget):
    """Shows workers and variables in the output of a cell, and lets them be dragged. Made by `board`."""

    _esm = _view("board.js")
    _css = _view("board.css")

    read_only = Bool(False, help="Whether it may only look.")
    _joined: PanelChannel | None = None
    _notebook: PlainNotebook | None = None

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        if self.comm is not None:
            keep_shell(self.comm)
        self.on_msg(self._on_message)

    def close(self) -> None:
        """Take it away."""
        self._leave()
        super().close()

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send what the panel tells its listeners, or a reply."""
        if getattr(self.comm, "_closed", False):  # its cell runs again, which only the comm is told
            self._leave()
            return
        told = self.read_only and content.get("type") in ("snapshot", "update")
        super().send(as_read_only(content) if told else content, buffers)

    def _leave(self) -> None:
        if self._joined is not None:
            self._joined.panel.leave(self)
            self._joined.panel.watch(self.model_id, None)

    @observe("read_only")
    def _read_only_changed(self, _: object) -> None:
        if self._joined is not None:
            self.send(self._joined.panel.snapshot())

    def _on_message(self, _: object, content: Any, __: object) -> None:
        channel = open_channel(self._notebook or get_ipython())
        if channel is not self._joined:  # a view has come to life, or the extension has been loaded again
            self._joined = channel
            channel.panel.join(self)
        channel.requests.answer(content, self.model_id, self.read_only, self.send)


def board(read_only: bool = False) -> Board:
    """Return the panel as a widget: workers and what they hold, the notebook's variables, and drag and drop.

    Parameters
    ----------
    read_only : bool
        Let it only look.

    Returns
    -------
    Board
        Show it as the last expression of a cell. All boards and panels of a notebook show the same.

    Raises
    ------
    InputError
        If there is no notebook or console to show it in.
    MoorageError
        If this copy of moorage was not built.

    Examples
    --------
    >>> moorage.board(read_only=True)  # doctest: +SKIP
    """
    shell = get_ipython()
    if shell is None and not in_marimo():
        raise InputError(
            "A board needs a notebook, and this is not one.", "In a script use cluster.placement() instead."
        )
    if not Board._esm:
        raise MoorageError("The board's front end has not been built.", "Build it: npm run build.")
    board = Board(read_only=read_only)
    if shell is None:
        board._notebook = PlainNotebook(inspect.stack(0)[1].frame.f_globals)
    else:
        shell.extension_manager.load_extension("moorage")  # its gestures are given as magics
    return board


_shown: list[Board] = []  # one, for all cells that show the cluster


def view_of(controller: ClusterController) -> dict[str, Any] | None:
    """Return the view of a board by its MIME type; None for a cluster that is over, or not the one boards are about.

    A frontend without widgets shows the other forms of a cluster instead.
    """
    if not Board._esm or controller.status == "stopped" or controller is not registry.current():
        return None
    if not _shown:
        _shown.append(Board())
    bundle = _shown[0]._repr_mimebundle_()
    return {_VIEW: bundle[0][_VIEW]} if bundle else None

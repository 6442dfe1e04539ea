"""Keep Dask data where you put it: from a notebook, by magic or by dragging a name onto a worker.

This module holds the public names and nothing else. Each is loaded on first use, so that importing
``moorage`` costs next to nothing and pulls in neither ``distributed`` nor ``IPython``: JupyterLab imports it
only to find the panel.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # not typing's: loading that would be most of what `import moorage` costs
if TYPE_CHECKING:
    from typing import Any

    from IPython.core.interactiveshell import InteractiveShell

    from moorage.controller.cluster import ClusterController
    from moorage.controller.start import attach, install, start
    from moorage.errors import MoorageError
    from moorage.jupyter.board import board

__version__ = "0.1.0"

__all__ = ["ClusterController", "MoorageError", "__version__", "attach", "board", "install", "start"]

_HOME_OF = {
    "ClusterController": "moorage.controller.cluster",
    "MoorageError": "moorage.errors",
    "attach": "moorage.controller.start",
    "board": "moorage.jupyter.board",
    "install": "moorage.controller.start",
    "start": "moorage.controller.start",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics; IPython calls this on ``%load_ext moorage``."""
    import_module("moorage.jupyter.extension").load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics away; IPython calls this on ``%unload_ext moorage``."""
    import_module("moorage.jupyter.extension").unload(shell)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell JupyterLab where the built panel lies and under which name it is installed."""
    return [{"src": "labextension", "dest": "moorage"}]

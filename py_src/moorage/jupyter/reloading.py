"""Asks IPython's autoreload which text it has brought a module to: it often writes into modules instead of reloading.

Relied on, as read in IPython 9.18, and taken for absent where it is missing: the extension's magics are registered as
``AutoreloadMagics``; their ``_reloader`` keeps in ``failed`` the files that it could not reload, and in
``deduper_reloader.source_by_modname`` what modules say by now. Then a saved file whose module was brought up to date
without a reload is said to be newer than what the notebook runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def reloader_of(shell: InteractiveShell) -> Callable[[str, str], str | None]:
    """Return what tells the text that a module runs by now, by its name and its file; None if that is not known."""

    def text(name: str, path: str) -> str | None:
        reloader = getattr(shell.magics_manager.registry.get("AutoreloadMagics"), "_reloader", None)
        if reloader is None or path in getattr(reloader, "failed", ()):
            return None
        texts: dict[str, str] = getattr(getattr(reloader, "deduper_reloader", None), "source_by_modname", {})
        return texts.get(name)

    return text

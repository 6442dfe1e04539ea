"""The boundary to parts of IPython and ipykernel that are not documented, with a look at whether they are there.

Relied on, as read in IPython 9.18 and ipykernel 7.4:

* a shell keeps its magics in ``magics_manager.registry``, what completes commands in ``strdispatchers``, what can be
  configured in ``configurables``, and names that are not the user's in ``user_ns_hidden``;
* ``shell.compile.cache`` gives a source a file name that tracebacks find its lines by;
* a comm of a kernel with subshells remembers in ``_reply_subshell_for`` where it has published last. Before ipykernel
  7.2 there is no such thing, and nothing to do;
* the message that has begun a cell is ``shell.kernel.get_parent("shell")``, and frontends with cells that have an id
  put that into its metadata. Without either, nothing leads to the cell.

Without one of the others the extension is not loaded, and the error names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moorage._dask.parts import Part, parts_of
from moorage._dask.refusal import check
from moorage.tasks.computations import Cell

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_SHELL = "IPython.core.interactiveshell:InteractiveShell"
REMEDY = "Use a moorage that knows that version, or an older IPython."

PARTS: tuple[Part, ...] = (
    *parts_of(
        "completion",
        _SHELL,
        calls={"set_hook": ("name", "hook", "re_key")},
        live=("strdispatchers",),
    ),
    *parts_of("completion", "IPython.utils.strdispatch:StrDispatch", live=("regexs",)),
    *parts_of("magics", _SHELL, live=("magics_manager", "configurables", "input_transformers_post")),
    *parts_of("magics", "IPython.core.magic:MagicsManager", live=("registry", "magics")),
    *parts_of("view of the notebook's names", _SHELL, live=("user_ns", "user_ns_hidden")),
    *parts_of(
        "traceback of cells",
        "IPython.core.compilerop:CachingCompiler",
        calls={"cache": ("transformed_code", "number", "raw_code")},
    ),
)


def check_shell(shell: InteractiveShell) -> None:
    """Refuse a shell that lacks something, before anything is put into it. Raises VersionError, which names it."""
    dispatchers = getattr(shell, "strdispatchers", {}).values()
    check(PARTS, shell, getattr(shell, "magics_manager", None), *dispatchers, remedy=REMEDY)


def running_cell(shell: Any) -> Cell:
    """Return the cell in which the calling thread is, as far as the frontend has said."""
    try:
        found = shell.kernel.get_parent("shell")["metadata"].get("cellId")
    except Exception:  # a terminal; or it is kept elsewhere
        found = None
    return Cell(found if isinstance(found, str) else "", int(shell.execution_count))


def keep_shell(channel: Any) -> None:
    """Let what is sent to us on this comm be handled by the shell that it is addressed to.

    Without that ipykernel hands it to the shell that has published on the comm last, which may be busy with a cell.
    """
    if hasattr(channel, "_reply_subshell_for"):
        channel._reply_subshell_for = lambda _data, addressed: addressed

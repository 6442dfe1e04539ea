"""How a magic reads its line and how its failure is shown: the frame around each of them.

A `MoorageError` fails the cell, so that "Run all" stops there, but shows one line and its remedy instead of a traceback
of ours. An interrupt says what stands. The user's own errors pass through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.magic import no_var_expand

from moorage.errors import MoorageError
from moorage.jupyter.display import error_lines
from moorage.jupyter.magics.parser import Arguments, HelpRequested, Reader

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

A = TypeVar("A", bound=Arguments)
Magic = Callable[[Any, str, str | None], Any]


class Interrupted(KeyboardInterrupt):
    """The user has interrupted a wait of ours. The message says what stands."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


def reads(reader: Reader[A]) -> Callable[[Callable[[Any, A, str | None], Any]], Magic]:
    """Make a magic of a method that takes the arguments as read by `reader`, and the cell or None."""

    def decorate(method: Callable[[Any, A, str | None], Any]) -> Magic:
        @wraps(method)
        def run(self: Any, line: str, cell: str | None = None) -> Any:
            shell: InteractiveShell = self.shell
            with reported(self.what_stands):
                line, cell = reader.whole(line, cell)
                return method(self, reader(line, shell.user_ns), cell)

        run.__doc__ = reader.help
        marked: Magic = no_var_expand(run)  # the line is text: nothing in it is evaluated
        return marked

    return decorate


@contextmanager
def reported(what_stands: Callable[[], str]) -> Iterator[None]:
    """Show help, errors of moorage and interrupts as the user should see them."""
    try:
        yield
    except HelpRequested as request:
        print(request)
    except MoorageError as error:
        if not hasattr(error, "_render_traceback_"):
            lines = error_lines(error)
            error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
        raise
    except KeyboardInterrupt as interrupt:
        if hasattr(interrupt, "_render_traceback_"):  # the user's own code was interrupted
            raise
        raise Interrupted(what_stands()) from None

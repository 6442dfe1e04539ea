"""The magic `%%submit`: hands a cell to the engine (``kernel/submit.py``) and shows what comes back.

What tasks print and display appears below the cell while they run. Without ``-o`` the magic waits and returns the
value; an interrupt then cancels what has not run. Errors of the cell are the user's own, shown from their own lines on.
"""

from __future__ import annotations

import contextvars
import operator
import sys
import threading
from typing import TYPE_CHECKING, Any

from distributed import Future
from IPython.core.magic import Magics, line_cell_magic, magics_class, output_can_be_silenced
from IPython.display import display as publish

from moorage.errors import ArgumentError
from moorage.jupyter.cells import not_python, show_from_users_code
from moorage.jupyter.progress import PATIENCE_SECONDS, Progress
from moorage.jupyter.reporting import reads
from moorage.jupyter.submit_line import SubmitArguments, submit
from moorage.kernel import session
from moorage.kernel.options import Options
from moorage.kernel.results import Results

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from moorage.kernel.runtime import Report


@magics_class
class SubmitMagics(Magics):
    """The magic `%%submit`, for one shell."""

    shell: InteractiveShell

    @line_cell_magic
    @output_can_be_silenced
    @reads(submit)
    def submit(self, args: SubmitArguments, cell: str | None) -> Any:
        """Run a cell on the cluster."""
        if cell is None:
            raise ArgumentError("There is no cell to run.", "Write %%submit, with two %, on the first line of a cell.")
        job = self._start(args, cell)
        if args.output:
            self._bind(args.output, job)
            return None
        try:
            return self._wait(job)
        except KeyboardInterrupt:
            job.cancel()
            raise
        except Exception as error:
            show_from_users_code(self.shell, error)
            raise

    def _wait(self, job: Future[Any] | Results) -> Any:
        if isinstance(job, Future):
            return job.result()
        with Progress(self.shell, PATIENCE_SECONDS) as progress, progress.following(job):
            return job.gather()

    def what_stands(self) -> str:
        """Return what an interrupt leaves, in words."""
        return "interrupted. What had not run was cancelled; placed variables stay where they are."

    def _start(self, args: SubmitArguments, cell: str) -> Future[Any] | Results:
        submitter = session.current().submitter
        # The line of the magic is line 1 of the cell as the user sees it.
        filename = self.shell.compile.cache("\n" + cell, self.shell.execution_count, raw_code=cell)
        options = Options(
            workers=tuple(args.workers or ()),
            allow_other_workers=args.allow_other_workers,
            near=args.near or "",
            on_report=Output(),
        )
        names = tuple(args.output)
        try:
            if args.loop is None:
                return submitter.cell(cell, self.shell.user_ns, options, filename=filename, first_line=2, names=names)
            target, iterable = args.loop
            return submitter.cell_map(
                cell, target, iterable, self.shell.user_ns, options, filename=filename, first_line=2
            )
        except SyntaxError as error:
            raise not_python(self.shell, error) from None

    def _bind(self, names: list[str], job: Future[Any] | Results) -> None:
        if len(names) == 1:
            self.shell.user_ns[names[0]] = job
            return
        assert isinstance(job, Future)  # a loop binds one name
        for index, name in enumerate(names):
            self.shell.user_ns[name] = job.client.submit(operator.getitem, job, index)


class Output:
    """Shows below a cell what its tasks print and display, from whichever thread that arrives in."""

    def __init__(self) -> None:
        self._context = contextvars.copy_context()  # the cell's: output goes where it was called
        self._lock = threading.Lock()

    def __call__(self, report: Report) -> None:
        """Show one report."""
        with self._lock:
            self._context.run(_show, report)


def _show(report: Report) -> None:
    match report["kind"]:
        case "output":
            for stream, item, text in report["parts"]:
                label = "" if item is None else f"[{item}] "
                labelled = "".join(label + line for line in text.splitlines(keepends=True))
                print(labelled, end="", file=sys.stderr if stream == "stderr" else sys.stdout)
        case "display":
            publish(report["data"], metadata=report["metadata"], raw=True)

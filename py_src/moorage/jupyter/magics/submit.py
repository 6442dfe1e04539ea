"""The magic `%%submit`: hands a cell to the engine (``tasks/runner.py``) and shows what comes back.

What tasks print and display appears below the cell while they run. Without ``-o`` the magic waits and returns the
value; an interrupt then cancels what has not run. Errors of the cell are the user's own, shown from their own lines on.
"""

from __future__ import annotations

import contextvars
import operator
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from distributed import Future
from IPython.core.displayhook import DisplayHook
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.display import display as publish

from moorage.controller import registry
from moorage.errors import ArgumentError, InputError, WaitTimeoutError
from moorage.jupyter import results_view
from moorage.jupyter.magics.cells import not_python, show_from_users_code
from moorage.jupyter.magics.loop_clause import Loop
from moorage.jupyter.magics.progress import PATIENCE_SECONDS, ProgressLine
from moorage.jupyter.magics.reporting import reads
from moorage.jupyter.magics.submit_line import SubmitArguments, submit
from moorage.kernel.waiting import result_of
from moorage.tasks.each import OnEach
from moorage.tasks.map.results import Results
from moorage.tasks.options import Options, print_report
from moorage.worker.text import clean

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from moorage.controller.cluster import ClusterController
    from moorage.tasks.runner import Submitter
    from moorage.wire.tasks import Report

Job: TypeAlias = Future[Any] | Results | OnEach


@magics_class
class SubmitMagics(Magics):
    """The magic `%%submit`, for one shell."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell)
        self._job: Job | None = None

    @line_cell_magic
    @reads(submit)
    def submit(self, args: SubmitArguments, cell: str | None) -> Any:
        """Run a cell on the cluster."""
        if cell is None:
            raise ArgumentError("There is no cell to run.", "Write %%submit, with two %, on the first line of a cell.")
        controller = registry.current()
        job = self._job = self._start(controller.submitter, args, cell)
        if args.broadcast or args.pin:
            self._place(controller, args, job)
        elif args.output and not args.collection:
            self._bind(args.output, job)
        waits = args.collection or (args.block if args.block is not None else not args.output)
        if not waits and args.output and isinstance(job, Results) and hasattr(self.shell, "kernel"):
            results_view.show_line(job)
        value = self._wait(job, args.timeout, args.collection) if waits else job
        if args.collection:
            self._bind(args.output, value)
        self._job = None  # what it has on the cluster goes, unless the notebook has a name for it
        # IPython would look at the end of the whole cell, whose first lines may be the loop, which is not Python.
        silent = DisplayHook.semicolon_at_end_of_expression(cell)
        return None if args.output or silent else value

    def what_stands(self) -> str:
        """Describe what an interrupt leaves."""
        ran = ""
        if isinstance(self._job, Results):
            now = self._job.progress
            ran = f" {now.done} of {'?' if now.total is None else now.total} items have run."
        return f"interrupted.{ran} What had not run was cancelled; placed variables stay where they are."

    def _start(self, submitter: Submitter, args: SubmitArguments, cell: str) -> Job:
        # The line of the magic is line 1 of the cell as the user sees it, and no Python.
        head = [f"# %%submit {line}".rstrip() if number == 0 else line for number, line in enumerate(args.head or [""])]
        first_line = len(head) + 1
        source = "\n".join([*head, cell])
        filename = self.shell.compile.cache(source, self.shell.execution_count, raw_code=source)
        options = Options(
            workers=tuple(args.workers or ()),
            allow_other_workers=args.allow_other_workers,
            near=args.near or "",
            retries=args.retries,
            priority=args.priority,
            resources=dict(args.resources),
            limits=dict(args.limit),
            batch_size=args.batch_size,
            timeout=args.timeout,
            rerun=args.rerun,
            auto=args.auto,
            stale=args.stale,
            on_report=Output(),
            label="" if args.loop is None else _loop_words(args.loop),
        )
        names = tuple(args.output)
        namespace = self.shell.user_ns
        try:
            if args.each:
                return submitter.cell_each(
                    cell, namespace, options, filename=filename, first_line=first_line, names=names
                )
            if args.loop is None:
                return submitter.cell(cell, namespace, options, filename=filename, first_line=first_line, names=names)
            target, iterable = args.loop
            return submitter.cell_map(
                cell, target, iterable, namespace, options, filename=filename, first_line=first_line
            )
        except SyntaxError as error:
            raise not_python(self.shell, error) from None
        except Exception as error:  # of the iterable
            show_from_users_code(self.shell, error)
            raise

    def _wait(self, job: Job, timeout: float | None, collect: bool = False) -> Any:
        try:
            if isinstance(job, Future):
                return _result(job, timeout)
            if isinstance(job, OnEach):
                if not job.wait(timeout):
                    job.cancel()
                    raise _late(timeout)
                return job.gather()
            with ProgressLine(self.shell, PATIENCE_SECONDS) as progress, progress.following(job):
                return job.to_collection() if collect else job.gather()
        except KeyboardInterrupt:
            job.cancel()
            raise
        except Exception as error:
            show_from_users_code(self.shell, error)
            raise

    def _bind(self, names: list[str], job: Any) -> None:
        for name, part in zip(names, _parts(job, len(names)), strict=True):
            self.shell.user_ns[name] = part

    def _place(self, controller: ClusterController, args: SubmitArguments, job: Job) -> None:
        """Keep the result on the cluster under its name; the notebook gets the variable, not the value."""
        for name, part in zip(args.output, _parts(job, len(args.output)), strict=True):
            try:
                if args.pin:
                    controller.pin(name, args.pin, args.allow_other_workers, part, timeout=0)
                else:
                    controller.broadcast(part, name, timeout=0)
            except InputError:
                if part.status == "error":  # at once: tell what is wrong with the cell
                    self._wait(part, None)
                raise
            self.shell.user_ns[name] = controller[name]


def _loop_words(loop: Loop) -> str:
    """Return the head of a loop in a line."""
    return clean(" ".join(f"for {loop[0]} in {loop[1]}".split()))


def _parts(job: Job, n: int) -> list[Any]:
    """Return what `n` names get: all of it, or futures of the parts of a tuple."""
    if n == 1:
        return [job]
    assert isinstance(job, Future)  # a loop binds one name
    parts = [job.client.submit(operator.getitem, job, index) for index in range(n)]
    for part in parts:
        part._moorage_whole = job  # what the cell prints comes for as long as its future is kept
    return parts


def _result(future: Future[Any], timeout: float | None) -> Any:
    try:
        return result_of(future, within=timeout)
    except TimeoutError:
        if future.done():  # it is the cell's own
            raise
        future.cancel()
        raise _late(timeout) from None


def _late(timeout: float | None) -> WaitTimeoutError:
    return WaitTimeoutError(
        f"The cell did not finish within {timeout:g} s and was cancelled.", "Allow more: --timeout."
    )


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
            print_report(report)
        case "display":
            publish(report["data"], metadata=report["metadata"], raw=True)

"""What `%compute` and `%persist` do: ``tasks/collections/`` has the engine."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dask.base import is_dask_collection
from IPython.core.magic import Magics, line_magic, magics_class, output_can_be_silenced

from moorage.controller import registry
from moorage.errors import ArgumentError, InputError, UnknownVariableError, WaitTimeoutError
from moorage.jupyter import display
from moorage.jupyter.magics.cells import ValueCell, show_from_users_code
from moorage.jupyter.magics.collections.line import ComputeArguments, compute, persist
from moorage.jupyter.magics.progress import PATIENCE_SECONDS, ProgressLine
from moorage.jupyter.magics.reporting import reads
from moorage.kernel.waiting import gather, wait_for

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from moorage.controller.cluster import ClusterController


_KINDS = "Dask arrays, data frames, bags, delayed objects and xarray objects on Dask can be computed."


@magics_class
class CollectionMagics(Magics):
    """The magics for Dask collections, for one shell."""

    shell: InteractiveShell

    @line_magic
    @output_can_be_silenced
    @reads(compute)
    def compute(self, args: ComputeArguments, _: str | None) -> Any:
        """Compute collections, each on the workers named for it."""
        controller = registry.current()
        collections = self._expression(args.expression) if args.expression else self._named(args.names)
        what = args.expression or ", ".join(args.names)
        with self._saying_what_stays():
            futures = controller.compute(collections, **self._where(args))
        if args.output:
            self.shell.user_ns[args.output] = futures[0] if len(futures) == 1 else futures
            return None
        client = controller.client
        try:
            with self._telling(controller, f"computing {what}"):
                values = wait_for(client, gather, client, futures, within=args.timeout)
        except TimeoutError:
            raise WaitTimeoutError(
                f"{what} was not computed within {args.timeout:g} s, and was cancelled.",
                "Allow more with --timeout, or do not wait: -o NAME.",
            ) from None
        except Exception as error:
            show_from_users_code(self.shell, error)
            raise
        return values[0] if len(values) == 1 else tuple(values)

    @line_magic
    @reads(persist)
    def persist(self, args: ComputeArguments, _: str | None) -> None:
        """Persist collections, each on the workers named for it."""
        if args.expression:
            raise ArgumentError(
                f"%persist keeps collections under their names, and {args.expression} is not a name.",
                f"Write: total = {args.expression}, and then: %persist total",
            )
        collections = self._named(args.names)
        with self._saying_what_stays():
            kept = registry.current().persist(collections, **self._where(args))
        self.shell.user_ns.update(zip(args.names, kept, strict=True))

    def what_stands(self) -> str:
        """Describe what an interrupt leaves."""
        return "interrupted. What had not been computed was cancelled; placed variables stay where they are."

    def _where(self, args: ComputeArguments) -> dict[str, Any]:
        """Return what says on which workers, for the verbs of a controller."""
        others: Any = args.allow_other_workers is not None
        if args.allow_other_workers:
            others = [self._collection(name) for name in args.allow_other_workers]
        pairs = [(tuple(map(self._collection, names)), workers) for names, workers in args.on]
        return {"workers": pairs or args.workers, "allow_other_workers": others}

    @contextmanager
    def _saying_what_stays(self) -> Iterator[None]:
        """Say in lines what Dask has computed already, elsewhere than where the line says."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for warning in caught:
            print(display.printable(str(warning.message)))

    def _expression(self, expression: str) -> list[Any]:
        """Return the collections that an expression makes, evaluated as the user's own code."""
        body = ValueCell(self.shell, expression)
        if body.waits:
            raise InputError("A line of %compute cannot contain await.", "Bind it to a name first.")
        value = body.value()
        collections = list(value) if isinstance(value, list | tuple) else [value]
        for one in collections or [value]:
            if not is_dask_collection(one):
                raise InputError(f"{expression} makes a {type(one).__name__}, which is not a Dask collection.", _KINDS)
        return collections

    def _named(self, names: list[str]) -> list[Any]:
        return [self._collection(name) for name in names]

    def _collection(self, name: str) -> Any:
        namespace = self.shell.user_ns
        if name not in namespace:
            collections = [key for key, value in namespace.items() if key[:1] != "_" and is_dask_collection(value)]
            raise UnknownVariableError(name, collections, "in the notebook")
        if not is_dask_collection(namespace[name]):
            raise InputError(
                f"{name} is a {type(namespace[name]).__name__}, which is not a Dask collection.",
                _KINDS,
            )
        return namespace[name]

    @contextmanager
    def _telling(self, controller: ClusterController, text: str) -> Iterator[None]:
        """Say what is going on, and what the scheduler has to tell meanwhile: that tasks wait for a worker, say."""
        before = set(controller.notices)
        with ProgressLine(self.shell, PATIENCE_SECONDS) as progress:
            progress.update(display.printable(text))

            def tell(kind: str) -> None:
                new = [notice for key, notice in controller.notices.items() if key not in before]
                if kind == "notices" and new:
                    progress.update(display.printable(f"{text}. {new[-1]['message']} {new[-1]['remedy']}"))

            unsubscribe = controller.subscribe(tell)
            try:
                yield
            finally:
                unsubscribe()

"""Items that raised, as the notebook sees them."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

from distributed import KilledWorker

from moorage.errors import MoorageError
from moorage.naming import short_name
from moorage.tasks.map.ledger import Batch
from moorage.tasks.map.outcomes import exception_of
from moorage.worker.tasks.errors import in_words


@dataclass(frozen=True, slots=True)
class ItemError:
    """An item that raised.

    Attributes
    ----------
    index : int
    item : object
        What it was called with.
    worker : str
        Where it ran last.
    exception : BaseException
        What it raised, with the traceback cut to the user's own frames.
    """

    index: int
    item: Any
    worker: str
    exception: BaseException

    @property
    def in_words(self) -> str:
        """The exception in one line."""
        notes = getattr(self.exception, "__notes__", ())
        if isinstance(self.exception, KilledWorker) and notes:
            return f"the workers that ran it ended. {notes[0]}".split("\n")[0]
        return in_words(self.exception).split("\n")[0]

    @property
    def traceback(self) -> str:
        """The traceback as text, with source lines where the notebook has them."""
        frames = traceback.extract_tb(self.exception.__traceback__)
        # Columns within lines do not travel, so that no mark is better than a wrong one.
        plain = traceback.StackSummary.from_list([(f.filename, f.lineno or 0, f.name, f.line) for f in frames])
        return "".join(
            ["Traceback (most recent call last):\n", *plain.format(), *traceback.format_exception_only(self.exception)]
        )

    def __repr__(self) -> str:
        return f"<item {self.index} on worker {short_name(self.worker or '?')}: {self.in_words}>"


def exception_at(batch: Batch, position: int, index: int) -> BaseException:
    """Return what to raise for an item that has no value."""
    if batch.error is not None:
        return batch.error
    if batch.status == "cancelled":
        return MoorageError(f"Item {index} was cancelled.", "Run it with .retry().")
    return exception_of(batch.errors[position], index)

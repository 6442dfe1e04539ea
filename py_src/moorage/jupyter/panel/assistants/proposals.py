"""What assistants want changed: each is put to the user in the panel, and done when the user agrees.

What is not answered in time, or whose assistant goes away, is asked no longer. What is then done, and how it is
refused, is ``requests.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from threading import Lock, Timer

from dask.utils import format_bytes

from moorage.errors import InputError, MoorageError, WaitTimeoutError
from moorage.wire.panel import PanelProposal, PanelVariable
from moorage.wire.panel_requests import PanelTold


@dataclass(eq=False, slots=True)
class _Proposal:
    """`who` has proposed it; `act` does it on behalf of a panel and returns what to tell `who`."""

    shown: PanelProposal
    who: Hashable
    act: Callable[[Hashable], PanelTold]
    answer: Future[PanelTold]
    limit: Timer


class Proposals:
    """What the user is being asked. `changed`: called when that is something else."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._lock = Lock()
        self._open: dict[str, _Proposal] = {}
        self._ids = count(1)

    @property
    def shown(self) -> dict[str, PanelProposal]:
        """As panels show them, the oldest first."""
        with self._lock:
            return {one: proposal.shown for one, proposal in self._open.items()}

    def put(
        self, who: Hashable, line: str, note: str, act: Callable[[Hashable], PanelTold], seconds: float
    ) -> Future[PanelTold]:
        """Ask the user whether what `line` says shall be done; return what becomes of it."""
        proposal_id = f"proposal-{next(self._ids)}"
        late = WaitTimeoutError(
            f"Nobody has agreed to {line} in the panel within {seconds:g} s.",
            "Nothing was changed. Ask the user to look at moorage's panel, and try again.",
        )
        limit = Timer(seconds, self._refuse, (proposal_id, late))
        limit.daemon = True
        shown: PanelProposal = {"id": proposal_id, "line": line, "note": note}
        proposal = _Proposal(shown, who, act, Future(), limit)
        with self._lock:
            self._open[proposal_id] = proposal
        limit.start()
        self._changed()
        return proposal.answer

    def decide(self, proposal_id: str, agreed: bool, by: Hashable) -> None:
        """Do what was proposed, or tell the assistant that the user has refused it.

        Raises InputError if it is not asked any more, and what doing it raises.
        """
        if not agreed:
            self._refuse(proposal_id, None)
            return
        proposal = self._take(proposal_id)
        if proposal is None:
            raise InputError("The assistant does not wait for that any more.", "Nothing was changed.")
        try:
            proposal.answer.set_result(proposal.act(by))
        except Exception as error:
            proposal.answer.set_exception(error)
            raise

    def withdraw(self, who: Hashable) -> None:
        """Ask no longer what `who` has proposed, since nobody waits for it."""
        with self._lock:
            gone = [one for one, proposal in self._open.items() if proposal.who == who]
        for one in gone:
            self._refuse(one, None)

    def close(self) -> None:
        """Ask nothing any more."""
        for one in self.shown:
            self._refuse(one, None)

    def _refuse(self, proposal_id: str, error: MoorageError | None) -> None:
        if (proposal := self._take(proposal_id)) is not None:
            line = proposal.shown["line"]
            proposal.answer.set_exception(error or MoorageError(f"The user refuses {line}.", "Nothing was changed."))

    def _take(self, proposal_id: str) -> _Proposal | None:
        with self._lock:
            proposal = self._open.pop(proposal_id, None)
        if proposal is not None:
            proposal.limit.cancel()
            self._changed()
        return proposal


def cost_of_copies(nbytes: int) -> str:
    """Return what the user should know before something is placed."""
    return f"{format_bytes(nbytes)} a copy" if nbytes else ""


def cost_of_release(variables: list[PanelVariable]) -> str:
    """Return what the user should know before these are released."""
    lost = [variable["name"] for variable in variables if variable["only_on_cluster"]]
    return f"The notebook has no value of {', '.join(lost)}." if lost else ""

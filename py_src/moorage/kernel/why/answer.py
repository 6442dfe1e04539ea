"""What ``cluster.why(...)`` returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from moorage.errors import ArgumentError


@dataclass(frozen=True, slots=True)
class Why:
    """Why something is as it is.

    Attributes
    ----------
    subject : str
        What was asked about.
    state : str
        A word or two: ``held``, ``in memory``, ``running`` or ``lazy`` if all is well; else ``waiting``, ``moving``,
        ``lost``, ``stale``, ``failed``, ``killed``, ``retried``, ``queued``, ``forgotten``, ``paused``, ``spilled``,
        ``surplus``, ``gone``, ``restarted``, ``short of memory``.
    cause : str
        In a sentence.
    remedy : str
        What would help, in a sentence or two; empty if all is well.
    log : tuple of str
        Of a worker that has ended: the last lines of its log, and of a crash where it was.
    line : str
        A line for a cell that does it, a magic or Python; empty if no line does as it stands.
    others : tuple of Why
        Of several parts or items that are not all alike: the other causes, each with those that have it.

    Examples
    --------
    >>> cluster.why("flights")  # doctest: +SKIP
    flights is waiting: no worker carol yet.
    Start a worker of that name, or place it elsewhere: %pin flights --workers ...
    """

    subject: str
    state: str
    cause: str
    remedy: str = ""
    log: tuple[str, ...] = ()
    line: str = ""
    others: tuple[Why, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing is the matter."""
        return not self.remedy and all(other.well for other in self.others)

    def __str__(self) -> str:
        log = ["The last lines of its log:", *(f"  {line}" for line in self.log)] if self.log else []
        verb = "are" if ", " in self.subject else "is"
        own = [f"{self.subject} {verb} {self.state}: {self.cause}", *log, self.remedy]
        return "\n".join(filter(None, [*own, *map(str, self.others)]))

    def __repr__(self) -> str:
        return str(self)


def line(make: Callable[[], str]) -> str:
    """Return the line that `make` writes; an empty one if a name in it can stand in none."""
    try:
        return make()
    except ArgumentError:
        return ""

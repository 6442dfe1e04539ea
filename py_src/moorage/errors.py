"""Every exception that moorage raises deliberately.

Each error says what was asked and why it cannot be (``message``) and what would work (``remedy``).

* MoorageError
    * InputError                 the request is invalid; nothing was changed
        * UnknownWorkerError     no worker of that name, host or address
        * UnknownVariableError   no variable of that name (also a ``KeyError``)
        * InvalidNameError       a variable name that is not a Python identifier
        * NotPlaceableError      a value that cannot be placed: an iterator, an Actor
        * UnpicklableError       a value that cannot leave the notebook; names the attribute
        * ArgumentError          a magic line or an option that cannot be read
    * DoesNotFitError            the data does not fit where it was asked to be; the message has the numbers
    * NotMappableError           a value cannot be mapped from the host's shared memory
    * LostError                  the last copy is gone and there is no origin to restore it from
    * StaleError                 the notebook's value is not the one that was placed
    * CodeError                  a worker cannot have a module as the notebook has it; the task did not run
    * SaveError                  variables could not be saved or restored; what was saved before is as it was
    * ReadOnlyError              a read-only panel asked for a change; nothing was changed
    * WaitTimeoutError           a wait reached its time limit (also a ``TimeoutError``)
    * ClusterError
        * NoClusterError         nothing is started or attached
        * StartError             a cluster did not start
        * UnreachableError       a cluster cannot be reached, or the connection was lost
        * VersionError           the versions of scheduler and notebook do not work together
        * ScaleError             a cluster cannot be scaled as asked
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from moorage.naming import short_names


class MoorageError(Exception):
    """Base class of moorage's errors.

    Parameters
    ----------
    message : str
        What was asked and why it cannot be, in one line.
    remedy : str, optional
        What would work.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors travel between processes: subclasses with a richer __init__ are rebuilt from message and remedy.
        return _rebuild, (type(self), self.message, self.remedy)


def _rebuild(cls: type[MoorageError], message: str, remedy: str) -> MoorageError:
    error = cls.__new__(cls)
    MoorageError.__init__(error, message, remedy)
    return error


class InputError(MoorageError, ValueError):
    """The request is invalid. Nothing was changed."""


class UnknownWorkerError(InputError):
    """No worker has that name, host or address.

    Parameters
    ----------
    asked : str
        The worker that was asked for.
    known : iterable of str
        Names of the existing workers.
    """

    def __init__(self, asked: str, known: Iterable[str]) -> None:
        names = short_names(sorted(known))
        super().__init__(f"There is no worker {asked!r}.", _choices("workers", asked, names))


class UnknownVariableError(InputError, KeyError):
    """No variable has that name.

    Parameters
    ----------
    asked : str
        The variable that was asked for.
    known : iterable of str
        Names of the existing variables.
    where : str, optional
        Where it was looked for, for the message.
    workers : iterable of str
        Names of workers, where one could have been meant.
    """

    def __init__(
        self, asked: str, known: Iterable[str], where: str = "on the cluster", workers: Iterable[str] = ()
    ) -> None:
        names, others = sorted(known), short_names(sorted(workers))
        remedy = _choices("variables", asked, names)
        if others:
            remedy += f" {_choices('workers', asked, others)}"
        super().__init__(f"There is no variable {asked!r} {where}.", remedy)


class InvalidNameError(InputError):
    """A variable name that is not a Python identifier."""

    def __init__(self, name: object) -> None:
        super().__init__(
            f"{name!r} cannot name a variable: it is not a Python identifier.",
            "Use letters, digits and underscores, and do not begin with a digit.",
        )


class NotPlaceableError(InputError):
    """A value that cannot be placed, such as an iterator or an Actor."""


class UnpicklableError(InputError):
    """A value that cannot be sent from the notebook, or a result that cannot be sent back."""


class ArgumentError(InputError):
    """A magic line or an option that cannot be read."""


class DoesNotFitError(MoorageError):
    """The data does not fit where it was asked to be. Nothing was moved."""


class NotMappableError(MoorageError):
    """A value cannot be mapped from the host's shared memory, only copied."""


class LostError(MoorageError):
    """The last copy of a variable is gone and it cannot be restored."""


class StaleError(MoorageError):
    """The notebook's value is not the one that was placed."""


class CodeError(MoorageError):
    """A worker cannot have a module of the user as the notebook has it. The task did not run there."""


class ReadOnlyError(MoorageError):
    """A read-only panel asked for a change. Nothing was changed."""


class SaveError(MoorageError):
    """Variables could not be saved or restored. What was saved before is as it was."""


class WaitTimeoutError(MoorageError, TimeoutError):
    """A wait reached its time limit. What was asked for stays recorded."""


class ClusterError(MoorageError):
    """The cluster as a whole failed to do something."""


class NoClusterError(ClusterError):
    """Nothing is started or attached."""


class StartError(ClusterError):
    """A cluster did not start. Nothing of it is left behind."""


class UnreachableError(ClusterError, ConnectionError):
    """A cluster cannot be reached, or the connection to it was lost."""


class VersionError(ClusterError):
    """The versions of scheduler and notebook do not work together."""


class ScaleError(ClusterError):
    """A cluster cannot be scaled as asked. No worker was closed."""


def _choices(kind: str, asked: str, names: Sequence[str]) -> str:
    """Return a sentence that names the nearest of `names` and then all of them, at most 20."""
    if not names:
        return f"There are no {kind} yet."
    nearest = difflib.get_close_matches(asked, names, n=1)
    hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
    listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"{hint}The {kind}: {listed}."

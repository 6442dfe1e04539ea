"""Goes through all checks and says what they have found. A check that fails itself is a fault, and does not end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from moorage.cli.finding import Finding
from moorage.errors import MoorageError

Check = Callable[[], Iterator[Finding]]


def examine(say: Callable[[str], object], target: str | None = None, *, start: bool = True) -> bool:
    """Go through the checks; return whether there is no fault.

    `target`: of a cluster to look at, too, as `moorage.attach` takes it. `start`: whether to try with a small cluster.
    """
    counted = {"warning": 0, "fault": 0}
    for check in _checks(target, start):
        for finding in _found(check):
            say(str(finding))
            if finding.level in counted:
                counted[finding.level] += 1
    say("")
    words = [f"{count} {level}{'s' * (count != 1)}" for level, count in reversed(counted.items()) if count]
    say(f"{', '.join(words)}." if words else "Nothing is wrong.")
    return not counted["fault"]


def _checks(target: str | None, start: bool) -> Iterator[Check]:
    """Yield the checks. Each module is imported only when its turn comes, since what it needs may be broken."""
    from moorage.cli import packages

    yield packages.packages
    from moorage.cli import frontend

    yield frontend.panel
    yield frontend.kernels
    from moorage.cli import machine, settings

    yield settings.settings
    yield machine.folders
    yield machine.state_files
    yield machine.open_files
    yield machine.loopback
    from moorage.cli import memory

    yield memory.free
    yield memory.shared
    from moorage.cli import trial

    if start:
        yield trial.small_cluster
    if target:
        yield partial(trial.cluster, target)


def _found(check: Check) -> Iterator[Finding]:
    try:
        yield from check()
    except MoorageError as error:
        yield Finding("fault", error.message, error.remedy)
    except Exception as error:
        name = getattr(check, "__name__", "cluster").replace("_", " ")
        yield Finding("fault", f"The check of {name} failed: {type(error).__name__}: {error}")

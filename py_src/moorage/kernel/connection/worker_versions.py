"""Whether the workers of a cluster run what this notebook runs: the versions that matter for what is sent there.

What differs becomes a notice that names it and what to do; each difference is told once. Nothing is refused: often it
works all the same.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from distributed.utils import offload
from distributed.versions import get_versions

from moorage.kernel.code.packages import ALWAYS, distributions, folders
from moorage.kernel.waiting import ask_workers
from moorage.naming import short_name

if TYPE_CHECKING:
    from moorage.kernel.connection.scheduler_link import SchedulerLink

_SECONDS, _ALONE_SECONDS = 10.0, 60.0
_LOOKED_AT = 100
"""Elements of a value whose packages are looked for."""

Versions = Mapping[str, str | None]


class Difference(NamedTuple):
    """A package that is not the same on both sides; ``there`` is None where it is missing."""

    package: str
    here: str
    there: str | None


def differences(
    ours: Versions, theirs: Mapping[str, Versions], packages: Iterable[str]
) -> dict[Difference, Sequence[str]]:
    """Return what workers have in another version or not at all, and which workers.

    `ours`: package -> version in this process. `theirs`: worker -> the same there. `packages`: those to compare. One
    that is not here is not compared.
    """
    found = defaultdict(list)
    for package in packages:
        if (mine := _short(package, ours.get(package))) is None:
            continue
        for worker, versions in theirs.items():
            other = _short(package, versions.get(package))
            if other != mine:
                found[Difference(package, mine, other)].append(worker)
    return dict(found)


def in_words(found: Mapping[Difference, Sequence[str]]) -> str:
    """Return differences as a text, package by package."""
    there = defaultdict(list)
    for difference, workers in found.items():
        there[difference[:2]].append(f"{difference.there or 'missing'} on {_listed(workers)}")
    return "; ".join(f"{package} is {here} here and {', '.join(others)}" for (package, here), others in there.items())


class Environment:
    """Compares this process with the workers of one cluster: with those that are there, and with those that come."""

    def __init__(self, link: SchedulerLink) -> None:
        self._link = link
        self._packages = set(ALWAYS)
        self._modules: set[str] = set()
        self._compared: set[str] = set()  # addresses of workers
        self._told: set[Difference] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def watch(self) -> None:
        """Compare the workers that are there, and from now on those that come."""
        self._link.subscribe(self._on_change)
        await self._compare_newcomers()

    def look_at(self, values: Iterable[Any]) -> None:
        """Compare the packages that these values need, in the background; each package once."""
        modules = {
            type(value).__module__.partition(".")[0] for value, _ in zip(values, range(_LOOKED_AT), strict=False)
        }
        new = modules - self._modules - set(sys.stdlib_module_names) - {"__main__"}
        if new:
            self._modules |= new
            self._in_background(self._compare_modules(new))

    def _on_change(self, kind: str) -> None:
        if kind == "workers" and not self._compared.issuperset(self._addresses()):
            self._in_background(self._compare_newcomers())

    def _addresses(self) -> dict[str, str]:
        """Return the names of the workers by address."""
        return {worker["address"]: name for name, worker in self._link.mirror.snapshot()[1].items()}

    async def _compare_newcomers(self) -> None:
        there = set(self._addresses())
        new, self._compared = there - self._compared, there
        await self._compare(self._packages, new)

    async def _compare_modules(self, modules: set[str]) -> None:
        installed = await offload(lambda: distributions(folders()))
        packages = {installed.get(module, module) for module in modules} - self._packages
        self._packages |= packages
        await self._compare(packages, self._compared)

    async def _compare(self, packages: Collection[str], addresses: Collection[str]) -> None:
        """Give a notice of what differs and was not told yet; a worker that does not answer in time is left alone."""
        if not packages or not addresses:
            return
        packages = sorted(packages)
        asked = [package for package in packages if package != "python"]  # which is told anyway
        message = {"op": "versions", "packages": asked}
        with suppress(OSError):
            try:
                asking = ask_workers(self._link.client, message, addresses)
                answers = await asyncio.wait_for(asking, _SECONDS if len(addresses) > 1 else _ALONE_SECONDS)
            except TimeoutError:  # one of them is stuck, and the others need not be taken for that
                for address in addresses if len(addresses) > 1 else ():
                    self._in_background(self._compare(packages, [address]))
                return
            ours = await offload(get_versions, asked)
            names = self._addresses()
            theirs = {names.get(address, address): told["packages"] for address, told in answers.items()}
            found = differences(ours["packages"], theirs, packages)
            new = {difference: workers for difference, workers in found.items() if difference not in self._told}
            self._told |= set(new)
            if new:
                self._link.notice(
                    "warning",
                    f"Workers do not run what this notebook runs: {in_words(new)}.",
                    "Values and functions may not arrive. Use the same environment on both sides: "
                    "%cluster sync --install, or start the notebook in the environment of the workers.",
                )

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _short(package: str, version: str | None) -> str | None:
    """Return a version as far as it matters: of Python, not the patch release."""
    return ".".join(version.split(".")[:2]) if version and package == "python" else version


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(short_name, sorted(names)[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

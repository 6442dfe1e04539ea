"""Whether the workers of a cluster run what this notebook runs: the versions that matter for what is sent there.

What differs becomes a notice that names it and what to do. Nothing is refused: often it works all the same. Workers
that come later are looked at when a value of the next new package does.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING, Any

from distributed.utils import offload

if TYPE_CHECKING:
    from moorage.kernel.link import SchedulerLink

ALWAYS = ("python", "distributed", "cloudpickle", "numpy")
_SECONDS = 10.0
_LOOKED_AT = 100
"""Elements of a value whose packages are looked for."""

Versions = Mapping[str, str | None]


def differences(ours: Versions, theirs: Mapping[str, Versions], packages: Iterable[str]) -> list[str]:
    """Return in words, one for each package, what workers have in another version or not at all.

    Parameters
    ----------
    ours : mapping of str to str or None
        Package -> version in this process.
    theirs : mapping of str to mapping
        Worker -> the same there.
    packages : iterable of str
        Those to compare. One that is not here is not compared.
    """
    found = []
    for package in packages:
        if (mine := _short(package, ours.get(package))) is None:
            continue
        workers = defaultdict(list)
        for worker, versions in theirs.items():
            other = _short(package, versions.get(package))
            if other != mine:
                workers[other].append(worker)
        if workers:
            there = "; ".join(f"{version or 'missing'} on {_listed(names)}" for version, names in workers.items())
            found.append(f"{package} is {mine} here and {there}")
    return found


class Environment:
    """Compares this process with the workers of one cluster: at the start, and when a value of a new package comes.

    Parameters
    ----------
    link : SchedulerLink
    """

    def __init__(self, link: SchedulerLink) -> None:
        self._link = link
        self._seen: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def look_at(self, values: Iterable[Any]) -> None:
        """Compare the packages that these values need, in the background; each package once."""
        modules = {
            type(value).__module__.partition(".")[0] for value, _ in zip(values, range(_LOOKED_AT), strict=False)
        }
        new = modules - self._seen - set(sys.stdlib_module_names) - {"__main__"}
        if new:
            self._seen |= new
            task = asyncio.ensure_future(self._compare_modules(new))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def compare(self, packages: Iterable[str] = ALWAYS) -> None:
        """Give a notice if versions differ; a cluster that does not tell them in time is left alone."""
        packages = list(packages)
        asked = [package for package in packages if package != "python"]  # which is told anyway
        with suppress(TimeoutError, OSError):
            versions = await asyncio.wait_for(self._link.client._get_versions(packages=asked), _SECONDS)
            names = {worker["address"]: name for name, worker in self._link.mirror.snapshot()[1].items()}
            theirs = {names.get(address, address): told["packages"] for address, told in versions["workers"].items()}
            if found := differences(versions["client"]["packages"], theirs, packages):
                self._link.notice(
                    "warning",
                    f"Workers do not run what this notebook runs: {'; '.join(found)}.",
                    "Values and functions may not arrive. Use the same environment on both sides: install the versions"
                    " of this notebook there, or start the notebook in the environment of the workers.",
                )

    async def _compare_modules(self, modules: set[str]) -> None:
        installed = await offload(_distributions)
        await self.compare(sorted({installed.get(module, module) for module in modules} - set(ALWAYS)))


@cache
def _distributions() -> dict[str, str]:
    """Return the name under which each top-level module is installed, such as scikit-learn for sklearn."""
    return {module: names[0] for module, names in packages_distributions().items()}


def _short(package: str, version: str | None) -> str | None:
    """Return a version as far as it matters: of Python, not the patch release."""
    return ".".join(version.split(".")[:2]) if version and package == "python" else version


def _listed(names: list[str]) -> str:
    return ", ".join(sorted(names)[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

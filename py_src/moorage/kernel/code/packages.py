"""Installed packages, of this process and of the workers of a cluster: which differ, and pip where they are missing.

An environment that workers share is installed into once, and that of the notebook never: which it is is tried, not
guessed. Requirement files and what conda manages are out of reach, and said to be. Runs on the client's event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from typing import TYPE_CHECKING, Any, Literal

from distributed.utils import offload
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from moorage.errors import CodeError, InputError
from moorage.kernel.install import run_on_workers
from moorage.worker.code import packages as there
from moorage.worker.code.packages import Installed

if TYPE_CHECKING:
    from distributed import Client

Standing = Literal["same", "older", "newer", "missing"]

ALWAYS = ("python", "distributed", "cloudpickle", "numpy")
_ONLY_HERE = frozenset(("ipykernel", "ipython", "ipywidgets", "moorage", "traitlets"))
_PIP_SECONDS = 600.0


@dataclass(frozen=True)
class PackageState:
    """A package on the workers of a cluster.

    Attributes
    ----------
    here : str
        The version of the notebook.
    workers : mapping of str to str or None
        Version of each worker; None where it is missing.
    """

    here: str
    workers: Mapping[str, str | None]

    def standing(self, worker: str) -> Standing:
        """Return how a worker stands to the notebook."""
        version = self.workers[worker]
        if version is None:
            return "missing"
        if version == self.here:
            return "same"
        try:
            return "newer" if Version(version) > Version(self.here) else "older"
        except InvalidVersion:
            return "older"


def used_here(namespace: Mapping[str, Any], imports: Iterable[str]) -> list[str]:
    """Return the packages, and ``python``, that values of a namespace and some imported modules belong to."""
    roots = {name.partition(".")[0] for name in imports}
    for value in list(namespace.values()):
        module = value.__name__ if isinstance(value, type(sys)) else getattr(value, "__module__", None)
        for name in (module, type(value).__module__):
            if isinstance(name, str):
                roots.add(name.partition(".")[0])
    installed = distributions(folders())
    found = {installed[root] for root in roots if root in installed} | set(ALWAYS)
    return sorted(name for name in found if canonicalize_name(name) not in _ONLY_HERE and version_here(name))


@lru_cache(maxsize=1)
def distributions(folders: tuple[tuple[str, int], ...]) -> dict[str, str]:
    """Return the name under which each top-level module is installed, such as scikit-learn for sklearn.

    `folders`: where Python looks, and when something was installed or removed there last.
    """
    return {module: names[0] for module, names in packages_distributions().items()}


def folders() -> tuple[tuple[str, int], ...]:
    """Return where Python looks for modules, and when something was installed or removed there last."""
    found = []
    for folder in sys.path:
        with contextlib.suppress(OSError):
            found.append((folder, os.stat(folder or ".").st_mtime_ns))
    return tuple(found)


def version_here(package: str) -> str | None:
    """Return the version of a package in this process, if it has it."""
    return there.look([package])["versions"][package]


def as_requirements(asked: Iterable[str]) -> dict[str, str]:
    """Return what pip is to install, by package: the notebook's version of those that name none.

    Raises InputError if pip cannot install one by its name.
    """
    found = {}
    for text in asked:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            raise InputError(
                f"{text!r} is not the name of a package: files of requirements, folders and options of pip are out of"
                " reach.",
                "Give names, such as pandas or pandas==2.3.0.",
            ) from None
        if requirement.name == "python":
            raise InputError("pip cannot install Python.", "Start the workers with the notebook's Python.")
        if requirement.url or requirement.specifier:
            found[requirement.name] = text
            continue
        version = version_here(requirement.name)
        if version is None:
            raise InputError(
                f"{requirement.name} is not installed here, so there is no version to go by.",
                f"Say which: --install {requirement.name}==VERSION",
            )
        if not _is_from_index(requirement.name):
            raise InputError(
                f"{requirement.name} is installed here from a folder or an address, which pip cannot get by name.",
                "Say what workers are to have: 'NAME @ URL'. What is installed by pip install -e follows by itself.",
            )
        found[requirement.name] = f"{text}=={version}"
    return found


class Packages:
    """The packages of one cluster's workers. `workers`: their names by address."""

    def __init__(self, client: Client, workers: Mapping[str, str]) -> None:
        self._client = client
        self._workers = workers

    async def compare(self, packages: Collection[str]) -> dict[str, PackageState]:
        """Return how the workers that answer stand."""
        told = {self._workers[at]: said["versions"] for at, said in (await self._look(packages)).items()}
        ours = (await offload(there.look, packages))["versions"]
        return {
            package: PackageState(here, {worker: told[worker][package] for worker in sorted(told)})
            for package, here in ours.items()
            if here is not None
        }

    async def install(self, asked: Collection[str], packages: Collection[str]) -> str:
        """Install packages where they are missing or differ; return what pip has said.

        `asked`: names or requirements; empty for those of `packages` that workers do not have as the notebook does.
        Raises InputError; nothing was installed. Raises CodeError if pip has failed somewhere.
        """
        wanted = await offload(as_requirements, asked)
        if not asked:
            states = await self.compare([name for name in packages if name != "python"])
            differ = [name for name, state in states.items() if set(state.workers.values()) - {state.here}]
            wanted = await offload(as_requirements, filter(_is_from_index, differ))
        told = await self._look(list(wanted))
        lacking = {at: needs for at, said in told.items() if (needs := _lacking(wanted, said))}
        if not lacking:
            return ""
        groups, left_out = await self._environments({at: told[at] for at in lacking})
        said = await asyncio.gather(*(self._pip(group, lacking[group[0]]) for group in groups))
        output = "\n".join([text for _, text in said] + left_out)
        if failed := [", ".join(self._names(group)) for group, (status, _) in zip(groups, said, strict=True) if status]:
            raise CodeError(
                f"{output}\npip has failed where these workers run: {'; '.join(failed)}.",
                "Its last lines say why. Whoever runs the workers can install there what is asked for.",
            )
        await self._look([])  # they look anew for what can be imported
        return output

    async def _environments(self, told: Mapping[str, Installed]) -> tuple[list[list[str]], list[str]]:
        """Return workers by the environment they share, and lines about those that use the notebook's.

        Raises InputError if there is none to install into, or one that must not be.
        """
        for at, said in told.items():
            if said["conda"]:
                raise InputError(
                    f"{', '.join(said['conda'])} was installed by conda where {self._workers[at]} runs, which pip would"
                    " write over.",
                    "Install it there with conda.",
                )
        by_where: dict[str, list[str]] = {}
        for at, said in told.items():
            by_where.setdefault(said["where"], []).append(at)
        firsts = [group[0] for group in by_where.values()]
        token = f".moorage-{uuid.uuid4().hex}"
        ours, marks = f"{token}-notebook", {at: f"{token}-{number}" for number, at in enumerate(firsts)}
        all_marks = [ours, *marks.values()]
        here = (await offload(there.look, []))["where"]
        there.leave_mark(ours)
        try:
            written = await asyncio.gather(*(self._run(there.leave_mark, (marks[at],), [at]) for at in firsts))
            seen = await self._run(there.see_marks, (all_marks,), firsts)
        finally:
            there.wipe_marks([ours])
            await self._run(there.wipe_marks, (all_marks,), firsts)
        groups: dict[tuple[str, ...], list[str]] = {}
        left_out = []
        for at, wrote in zip(firsts, written, strict=True):
            names = ", ".join(self._names(by_where[told[at]["where"]]))
            if told[at]["where"] == here or ours in seen.get(at, ()):
                left_out.append(f"{names} use the notebook's own environment, {told[at]['prefix']}: nothing installed.")
                continue
            if not wrote.get(at):
                raise InputError(
                    f"{names} may not write to their environment, {told[at]['prefix']}.",
                    "Whoever runs the workers can install there what is asked for.",
                )
            groups.setdefault(tuple(seen[at]), []).extend(by_where[told[at]["where"]])
        if not groups:
            raise InputError(
                "\n".join(left_out),
                "Install in it yourself, with %pip install, and restart the workers: %cluster restart-workers",
            )
        return list(groups.values()), left_out

    async def _pip(self, group: list[str], requirements: list[str]) -> tuple[int, str]:
        """Install into the environment that a group of workers shares; return pip's exit status, and what was said."""
        answers = await self._run(there.pip_install, (requirements, _PIP_SECONDS), group[:1], _PIP_SECONDS)
        status, said = answers.get(group[0], (1, "The worker has not answered."))
        return status, f"{', '.join(self._names(group))}: pip install {' '.join(requirements)}\n{said.rstrip()}"

    async def _look(self, packages: Collection[str]) -> dict[str, Installed]:
        return await self._run(there.look, (list(packages),), self._workers)

    async def _run(
        self, function: Callable[..., Any], args: tuple[Any, ...], at: Collection[str], seconds: float = 0.0
    ) -> dict[str, Any]:
        return await run_on_workers(self._client, function, args, at, (there.__name__,), seconds)

    def _names(self, addresses: Iterable[str]) -> list[str]:
        return sorted(self._workers[at] for at in addresses)


def _lacking(wanted: Mapping[str, str], said: Installed) -> list[str]:
    """Return those requirements that a worker does not meet."""
    found = []
    for name, text in wanted.items():
        version, requirement = said["versions"][name], Requirement(text)
        if version is None or requirement.url or not requirement.specifier.contains(version, prereleases=True):
            found.append(text)
    return found


def _is_from_index(package: str) -> bool:
    try:
        return distribution(package).read_text("direct_url.json") is None
    except PackageNotFoundError:
        return False

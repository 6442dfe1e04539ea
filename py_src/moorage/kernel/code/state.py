"""Which version of the user's modules, and of packages, each worker has, as `%cluster sync` shows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from moorage.code.manifest import Manifest
from moorage.kernel.code.packages import PackageState
from moorage.naming import short_name

Standing = Literal["same", "older", "missing"]


@dataclass(frozen=True)
class CodeState:
    """The user's modules, and packages, on the workers of a cluster.

    Attributes
    ----------
    modules : mapping of str to mapping of str to str
        By name, for each worker: "same" as in the notebook, "older", or "missing". What is not the same comes before
        the next task that needs it.
    not_sent : mapping of str to str
        Why modules do not follow.
    packages : mapping of str to PackageState
        By name, with the version of the notebook (``here``) and of each worker (``workers``).
    output : str
        What pip has said, if something was installed.
    not_reloaded : collection of str
        Modules whose files were saved since the notebook has imported them: what was saved runs nowhere.
    """

    modules: Mapping[str, Mapping[str, Standing]]
    not_sent: Mapping[str, str]
    packages: Mapping[str, PackageState] = field(default_factory=dict)
    output: str = ""
    not_reloaded: Collection[str] = ()

    def __repr__(self) -> str:
        lines = [self.output] if self.output else []
        if not self.modules and not self.not_sent:
            lines.append("No modules of yours are imported: what is installed does not follow, unless you name it.")
        saved = ", as imported; its file has been saved since and not reloaded"
        lines += [
            f"{name}: {_in_words(workers)}{saved if name in self.not_reloaded else ''}"
            for name, workers in sorted(self.modules.items())
        ]
        lines += [f"{name}: not sent, {why}" for name, why in sorted(self.not_sent.items())]
        return "\n".join([*lines, *_packages_in_words(self.packages)])


def state_of(
    manifest: Manifest, told: Mapping[str, Mapping[str, str]], not_reloaded: Collection[str] = ()
) -> CodeState:
    """Return how workers stand. `told`: the deep digests of modules, by worker and name."""
    modules: dict[str, dict[str, Standing]] = {}
    for name, text in manifest.texts.items():
        if text.not_sent:
            continue
        modules[name] = {
            worker: "missing" if name not in there else "same" if there[name] == manifest.deep[name] else "older"
            for worker, there in sorted(told.items())
        }
    not_sent = {name: text.not_sent for name, text in manifest.texts.items() if text.not_sent}
    return CodeState(modules, not_sent, not_reloaded=not_reloaded)


def _packages_in_words(packages: Mapping[str, PackageState]) -> list[str]:
    """Return a line for each package that is not the same everywhere, and one for all others."""
    lines = list[str]()
    same = list[str]()
    for name, state in sorted(packages.items()):
        others: dict[str | None, list[str]] = defaultdict(list)
        for worker, version in state.workers.items():
            if version != state.here:
                others[version].append(worker)
        told = [
            f"{state.standing(names[0])} on {' '.join(map(short_name, names))}" + (f" ({version})" if version else "")
            for version, names in others.items()
        ]
        (lines if told else same).append(f"{name} {state.here}" + (f": {', '.join(told)}" if told else ""))
    return [*lines, f"the same on all workers: {', '.join(same)}"] if same else lines


def _in_words(workers: Mapping[str, Standing]) -> str:
    by_standing = defaultdict(list)
    for worker, standing in workers.items():
        by_standing[standing].append(worker)
    if len(by_standing) == 1 and len(workers) > 1:
        return f"{next(iter(by_standing))} on all {len(workers)} workers"
    return (
        ", ".join(f"{standing} on {' '.join(map(short_name, names))}" for standing, names in by_standing.items())
        or "no workers"
    )

"""Which version of the user's modules each worker has, as `%cluster sync` shows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from moorage.code.manifest import Manifest

Standing = Literal["same", "older", "missing"]


@dataclass(frozen=True)
class CodeState:
    """The user's modules on the workers of a cluster.

    Attributes
    ----------
    modules : mapping of str to mapping of str to str
        By name, for each worker: "same" as in the notebook, "older", or "missing". What is not the same comes before
        the next task that needs it.
    not_sent : mapping of str to str
        Why modules do not follow.
    """

    modules: Mapping[str, Mapping[str, Standing]]
    not_sent: Mapping[str, str]

    def __repr__(self) -> str:
        if not self.modules and not self.not_sent:
            return "No modules of yours are imported: what is installed by pip does not follow, unless you name it."
        lines = [f"{name}: {_in_words(workers)}" for name, workers in sorted(self.modules.items())]
        return "\n".join([*lines, *(f"{name}: not sent, {why}" for name, why in sorted(self.not_sent.items()))])


def state_of(manifest: Manifest, told: Mapping[str, Mapping[str, str]]) -> CodeState:
    """Return how workers stand. `told`: the deep digests of modules, by worker and name."""
    modules: dict[str, dict[str, Standing]] = {}
    for name, text in manifest.texts.items():
        if text.not_sent:
            continue
        modules[name] = {
            worker: "missing" if name not in there else "same" if there[name] == manifest.deep[name] else "older"
            for worker, there in sorted(told.items())
        }
    return CodeState(modules, {name: text.not_sent for name, text in manifest.texts.items() if text.not_sent})


def _in_words(workers: Mapping[str, Standing]) -> str:
    by_standing = defaultdict(list)
    for worker, standing in workers.items():
        by_standing[standing].append(worker)
    if len(by_standing) == 1 and len(workers) > 1:
        return f"{next(iter(by_standing))} on all {len(workers)} workers"
    return ", ".join(f"{standing} on {' '.join(names)}" for standing, names in by_standing.items()) or "no workers"

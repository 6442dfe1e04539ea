"""The user's kept clusters: where their state files are, and which of them is meant."""

from __future__ import annotations

from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

from moorage.deploy.fdstore.client import facts_at
from moorage.deploy.state_file import SUFFIX, KeptCluster, read
from moorage.errors import InputError


def state_folder() -> Path:
    """Return the folder of the state files, below Jupyter's runtime folder. It need not be there."""
    return Path(jupyter_runtime_dir()) / "moorage"


def kept_clusters(folder: Path) -> list[KeptCluster]:
    """Return the kept clusters whose files are in `folder`, by name, and remove stale files."""
    return [cluster for path in sorted(folder.glob("*" + SUFFIX)) if (cluster := read(path, _is_returning))]


def _is_returning(cluster: KeptCluster) -> bool:
    facts = facts_at(cluster.store)
    return bool(facts.get("restart") and facts.get("info", {}).get("keep"))


def only() -> KeptCluster | None:
    """Return the one kept cluster, or None if there is none. Raises InputError if there are several. It lists them."""
    clusters = kept_clusters(state_folder())
    if len(clusters) > 1:
        first = clusters[0].name
        raise InputError(
            f"{len(clusters)} clusters are kept, so name one: {_listed(clusters)}.",
            f'Attach to one of them: %cluster attach {first}, or attach("{first}").',
        )
    return clusters[0] if clusters else None


def named(name: str) -> KeptCluster:
    """Return the kept cluster called `name`. Raises InputError if there is none. It lists those that there are."""
    clusters = kept_clusters(state_folder())
    for cluster in clusters:
        if cluster.name == name:
            return cluster
    raise InputError(
        f"{name!r} is neither an address, nor a scheduler file, nor the name of a kept cluster.",
        "An address looks like tcp://host:port. "
        + (f"The kept clusters: {_listed(clusters)}." if clusters else "No cluster is kept: %cluster keep keeps one."),
    )


def _listed(clusters: list[KeptCluster]) -> str:
    return ", ".join(f"{cluster.name} ({cluster.kind}, on {cluster.host})" for cluster in clusters)

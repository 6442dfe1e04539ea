"""Which cluster to start: by the name of a queue, by a factory in the configuration, or local processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dask.config

from moorage import config
from moorage.deploy.spec import LOCAL_CLUSTER, SSH_CLUSTER, HostSpec
from moorage.errors import InputError

CLASSES = {
    "local": LOCAL_CLUSTER,
    "ssh": SSH_CLUSTER,
    "sge": "dask_jobqueue.SGECluster",
    "slurm": "dask_jobqueue.SLURMCluster",
    "pbs": "dask_jobqueue.PBSCluster",
    "lsf": "dask_jobqueue.LSFCluster",
    "moab": "dask_jobqueue.MoabCluster",
    "oar": "dask_jobqueue.OARCluster",
    "htcondor": "dask_jobqueue.HTCondorCluster",
}
_LOCAL_ONLY = {"threads_per_worker": None, "memory_limit": "auto", "names": ()}


def deployment(using: str | None, options: Mapping[str, Any], **ours: Any) -> HostSpec:
    """Return the spec of the cluster that is asked for.

    `using`: a key of `CLASSES`, or the path of a class. None: the factory of the configuration, or a local cluster.
    `options`: arguments of the class. `ours`: further fields of `HostSpec`. Raises InputError if there is no such
    deployment, or an option is not for it.
    """
    args: tuple[Any, ...] = ()
    if using is None:
        cluster_class, args, defaults = configured()
        options = {**defaults, **options}
    else:
        cluster_class = class_of(using)
    options = dict(options)
    if cluster_class in (LOCAL_CLUSTER, "dask.distributed.LocalCluster"):
        for name in ("n_workers", *_LOCAL_ONLY):
            if name in options and ours.get(name) == _LOCAL_ONLY.get(name):
                ours[name] = options.pop(name)
    else:
        if "n_workers" in options and ours.get("n_workers") is None:
            ours["n_workers"] = options.pop("n_workers")
        for name, default in _LOCAL_ONLY.items():
            if ours.get(name) not in (None, default):
                raise InputError(
                    f"{name} is for local clusters; {cluster_class} has options of its own.",
                    "For a job queue, set cores, memory and processes per job: --option cores=4 memory=8GB.",
                )
    return HostSpec(cluster_class=cluster_class, args=args, options=options, **ours)


def class_of(kind: str) -> str:
    """Return the path of the class of a kind of cluster. Raises InputError if it is none."""
    path = CLASSES.get(kind.lower(), kind)
    if "." not in path:
        raise InputError(
            f"There is no cluster kind {kind!r}.",
            f"Use one of {', '.join(CLASSES)}, or the path of a Dask cluster class, as package.ClusterClass.",
        )
    return path


def configured() -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Return class, arguments and options that the configuration says."""
    for setting, given in (
        ("moorage.cluster.factory", config.get("cluster.factory")),
        ("labextension.factory", dask.config.get("labextension.factory", None)),
    ):
        if not given:
            continue
        try:
            path = f"{given['module']}.{given['class']}"
            return path, tuple(given.get("args") or ()), dict(given.get("kwargs") or {})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"The setting {setting} does not name a cluster class: {given!r}.",
                "It needs the keys module and class, and may have args (a list) and kwargs (a mapping).",
            ) from error
    return LOCAL_CLUSTER, (), {}

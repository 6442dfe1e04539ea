"""Clusters on other machines: what they need besides the options of the user.

Job queues, by dask-jobqueue, and machines by SSH (``ssh.py``). The workers there read their credentials from files in a
folder that this machine and they share, private to the user. They serve no pages, which would not be encrypted. And
they leave before the queue ends their job, with their data moved to the others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.config

from moorage.deploy.clusters.walltime import lifetime, wall_time


def shared_base() -> Path:
    """Path of the folder, on a file system that workers on other machines see too, for folders of credentials."""
    return Path.home() / ".moorage"


def with_defaults(cluster_class: type, options: dict[str, Any], shared: Path, dashboard: bool) -> dict[str, Any]:
    """Return the options of a class of dask-jobqueue, with what neither the user nor the configuration has set.

    Parameters
    ----------
    cluster_class : type
    options : dict
        The user's, which win.
    shared : Path
        Folder for the credentials of the workers.
    dashboard : bool
        Whether to serve Dask's dashboard, on loopback.
    """
    job: Any = cluster_class.job_cls  # type: ignore[attr-defined]
    section = f"jobqueue.{options.get('config_name') or job.default_config_name()}"

    def setting(name: str, default: Any) -> Any:
        if (given := options.get(name)) is not None:
            return given
        configured = dask.config.get(f"{section}.{name.replace('_', '-')}", None)
        return default if configured is None else configured

    pages: dict[str, Any] = {"dashboard_address": "127.0.0.1:0"} if dashboard else {"dashboard": False}
    no_pages = "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'"
    extra = list(setting("worker_extra_args", []))
    seconds = wall_time(job.default_config_name(), setting("walltime", None))
    given = dask.config.get("distributed.worker.lifetime.duration") or "--lifetime" in extra
    if seconds and not given:
        extra = [*lifetime(seconds), *extra]
    return {
        **options,
        "scheduler_options": {**pages, **setting("scheduler_options", {})},
        "shared_temp_directory": setting("shared_temp_directory", str(shared)),
        "worker_extra_args": ["--no-dashboard", *extra],
        "job_script_prologue": [no_pages, *setting("job_script_prologue", [])],
    }

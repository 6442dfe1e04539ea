"""The line of `%cluster`: its actions, the options of each, the typed result, and the text of ``-h``. Pure."""

from __future__ import annotations

from typing import Any

from moorage.errors import ArgumentError
from moorage.jupyter.magics.arguments import Patient
from moorage.jupyter.magics.parser import (
    Arguments,
    Reader,
    check_names,
    count,
    limit,
    nbytes,
    option,
    positive,
    setting,
    switch,
    text,
)


class ClusterArguments(Arguments):
    """The line of `%cluster`."""

    action: str = "status"


class NamedArguments(ClusterArguments, Patient):
    """What `%cluster start` and `%cluster attach` have in common."""

    variable: str = option("--as NAME", text, "bind it to this name instead of `cluster`", default="cluster")

    def check(self) -> None:
        """Check the name."""
        check_names([self.variable])


class StartArguments(NamedArguments):
    """The line of `%cluster start`."""

    n_workers: int | None = option("-n --n-workers N", positive, "number of workers")
    threads: int | None = option("--threads T", positive, "threads of each worker")
    memory: str | None = option("--memory SIZE", limit, "memory limit of each worker, such as 2GB")
    names: list[str] | None = option("--names NAME...", text, "names of the workers")
    using: str | None = option(
        "--using KIND", text, "local (default), ssh, sge, slurm, pbs, lsf, ... or the path of a Dask cluster class"
    )
    options: list[tuple[str, Any]] | None = option(
        "--option KEY=VALUE...",
        setting,
        "argument of that class, such as cores=4 or queue=all.q; the value is JSON or a string",
        action="extend",
    )
    insecure: bool = switch("--insecure", "turn TLS off: anyone who can reach the cluster can use it")
    keep: bool = switch("--keep", "let the cluster outlive this kernel")

    def check(self) -> None:
        """Check the names."""
        super().check()
        names = self.names or []
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ArgumentError(f"--names gives {twice!r} twice.", "Each worker needs a name of its own.")
        if names and self.n_workers not in (None, len(names)):
            raise ArgumentError(
                f"-n asks for {self.n_workers} workers and --names names {len(names)}.",
                "Leave one of them out, or give as many names as workers.",
            )


class AttachArguments(NamedArguments):
    """The line of `%cluster attach`."""

    target: str | None = option(
        "[TARGET]",
        text,
        "address, scheduler file, variable with a Client or a Dask cluster, or name of a kept cluster;\n"
        "default: the only kept cluster, else the one of this kernel",
    )
    tls_ca: str | None = option("--tls-ca FILE", text, "certificate authority of the cluster (PEM)")
    tls_cert: str | None = option("--tls-cert FILE", text, "client certificate (PEM)")
    tls_key: str | None = option("--tls-key FILE", text, "key of that certificate (PEM)")


class ScaleArguments(ClusterArguments, Patient):
    """The line of `%cluster scale`."""

    n: int | None = option("[N]", count, "number of workers")
    cores: int | None = option("--cores C", positive, "total number of cores instead")
    total_memory: int | None = option("--memory SIZE", nbytes, "total memory instead, such as 64GB")
    remove: list[str] | None = option("--remove W...", text, "remove these workers instead")
    force: bool = switch("--force", "shrink even if data does not fit on the remaining workers")
    place: str | None = option(
        "--to PATH", text, "with 0: save all data to this folder or URL first; workers that start later load it"
    )
    overwrite: bool = switch("--overwrite", "replace what has been saved there")
    options: list[tuple[str, Any]] | None = option("--option KEY=VALUE...", setting, "for the file system of the URL")

    def check(self) -> None:
        """Check that there is one size."""
        if [self.n, self.cores, self.total_memory, self.remove].count(None) != 3:
            raise ArgumentError(
                "%cluster scale takes exactly one size, or the workers to remove.",
                "Write: %cluster scale 4, --cores 16, --memory 64GB, or --remove alice.",
            )


class AdaptArguments(ClusterArguments):
    """The line of `%cluster adapt`."""

    minimum: int | None = option("[MIN]", count)
    maximum: int | None = option("[MAX]", positive)
    off: bool = switch("--off", "stop adapting")

    def check(self) -> None:
        """Check the range."""
        if self.off and self.minimum is None:
            return
        if self.off or self.minimum is None or self.maximum is None:
            raise ArgumentError(
                "%cluster adapt takes a minimum and a maximum of workers, or --off.", "Write: %cluster adapt 2 8."
            )
        if self.minimum > self.maximum:
            raise ArgumentError(
                f"The minimum, {self.minimum}, is more than the maximum, {self.maximum}.",
                f"Write: %cluster adapt {self.maximum} {self.minimum}.",
            )


class KeepArguments(ClusterArguments):
    """The line of `%cluster keep`."""

    off: bool = switch("--off", "end it with this kernel again")


class SyncArguments(ClusterArguments):
    """The line of `%cluster sync`."""

    modules: list[str] = option("[NAME...]", text, "have this installed package follow the notebook, too")
    env: list[str] | None = option("--env VARIABLE...", text, "environment variables to send to the workers")
    folder: str | None = option("--folder PATH", text, "the working directory of the workers from now on")
    install: list[str] | None = option(
        "--install [PACKAGE...]",
        text,
        "install packages with pip where workers run, in the notebook's version or as PACKAGE==VERSION;\n"
        "default: those that differ or are missing. Never into the notebook's own environment",
    )


class RestartArguments(ClusterArguments, Patient):
    """The line of `%cluster restart-workers`."""

    workers: list[str] = option("[WORKER...]", text, "by default all")


_CLUSTER = """Start, attach, scale, leave and stop clusters; without an action, show the current one.

  %cluster start [-n N] [--threads T] [--memory 2GB] [--names alice,bob] [--keep]
  %cluster start --using sge --option cores=4 memory=8GB      by dask-jobqueue; also ssh
  %cluster attach [TARGET]        an address, a scheduler file, a variable that holds a Client or a Dask cluster, or
                                  the name of a kept cluster; by default the only kept cluster,
                                  or the one of this kernel, after %reset
  %cluster scale 0 --to PATH      save all data; workers that start later load it
  %cluster scale N                also --cores 16, --memory 64GB, or --remove alice,bob; data moves before workers go
  %cluster adapt MIN MAX          follow the load; --off stops that
  %cluster keep                   let it outlive this kernel; --off undoes that
  %cluster leave                  disconnect from a cluster that goes on running: kept or attached
  %cluster sync [NAME...]         which version of your modules and packages each worker has; NAME: an installed package
                                  follows, too; --install: pip installs on the workers what differs
  %cluster restart-workers [W...] one after another; placed data stays
  %cluster stop

Every action takes -h."""


cluster = Reader(
    ClusterArguments,
    "%cluster",
    _CLUSTER,
    ["[ACTION]", "[OPTIONS]"],
    {
        "start": Reader(StartArguments, "%cluster start", "Start a cluster on this machine: TLS, loopback only."),
        "attach": Reader(AttachArguments, "%cluster attach", "Use a running cluster."),
        "scale": Reader(ScaleArguments, "%cluster scale", "Add workers, or remove some without losing data."),
        "adapt": Reader(AdaptArguments, "%cluster adapt", "Let the number of workers follow the load."),
        "keep": Reader(
            KeepArguments,
            "%cluster keep",
            "Let the cluster outlive this kernel. After an hour unused (moorage.cluster.idle-timeout)\n"
            "it stops; or, with the setting moorage.cluster.park, saves its data to that folder and\n"
            "comes back with it when it is used.",
        ),
        "sync": Reader(
            SyncArguments, "%cluster sync", "Show which version of your modules and packages each worker has."
        ),
        "restart-workers": Reader(
            RestartArguments,
            "%cluster restart-workers",
            "Restart workers one after another; what is placed stays or comes back.",
        ),
        "leave": Reader(
            ClusterArguments, "%cluster leave", "Disconnect from a cluster that goes on without this notebook."
        ),
        "stop": Reader(ClusterArguments, "%cluster stop", "Stop the cluster and discard what is placed on it."),
    },
)

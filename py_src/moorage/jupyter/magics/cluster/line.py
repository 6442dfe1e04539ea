"""The line of `%cluster`: its actions, the options of each, the typed result, and the text of ``-h``. Pure."""

from __future__ import annotations

from typing import Any

from moorage.errors import ArgumentError
from moorage.jupyter.magics.arguments import add_timeout
from moorage.jupyter.magics.parser import (
    Arguments,
    Parser,
    Reader,
    check_names,
    count,
    limit,
    nbytes,
    option,
    positive,
    switch,
    take,
    text,
)


class ClusterArguments(Arguments):
    """The line of `%cluster`. Fields that do not belong to its action have no meaning."""

    action: str = "status"
    n_workers: int | None
    threads: int | None
    memory: str | None
    names: list[str] | None
    keep: bool
    using: str | None
    options: list[tuple[str, Any]] | None
    insecure: bool
    variable: str
    target: str | None
    tls_ca: str | None
    tls_cert: str | None
    tls_key: str | None
    n: int | None
    cores: int | None
    total_memory: int | None
    remove: list[str] | None
    minimum: int | None
    maximum: int | None
    off: bool
    modules: list[str] | None
    env: list[str] | None
    folder: str | None
    install: list[str] | None
    force: bool
    place: str | None
    overwrite: bool
    timeout: float | None

    def check(self) -> None:
        """Check combinations of options."""
        match self.action:
            case "start":
                self._check_start()
            case "attach":
                check_names([self.variable])
            case "scale":
                if [self.n, self.cores, self.total_memory, self.remove].count(None) != 3:
                    raise ArgumentError(
                        "%cluster scale takes exactly one size, or the workers to remove.",
                        "Write: %cluster scale 4, --cores 16, --memory 64GB, or --remove alice.",
                    )
            case "adapt":
                self._check_adapt()

    def _check_start(self) -> None:
        check_names([self.variable])
        names = self.names or []
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ArgumentError(f"--names gives {twice!r} twice.", "Each worker needs a name of its own.")
        if names and self.n_workers not in (None, len(names)):
            raise ArgumentError(
                f"-n asks for {self.n_workers} workers and --names names {len(names)}.",
                "Leave one of them out, or give as many names as workers.",
            )

    def _check_adapt(self) -> None:
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


_CLUSTER = """Start, attach, scale, leave and stop clusters; without an action, show the current one.

  %cluster start [-n N] [--threads T] [--memory 2GB] [--names alice,bob] [--keep]
  %cluster start --using sge --option cores=4 memory=8GB      by dask-jobqueue; also ssh
  %cluster attach [TARGET]        an address, a scheduler file, a variable that holds a Client or a Dask cluster, or
                                  the name of a kept cluster; by default the only kept cluster
  %cluster scale 0 --to PATH      save all that is there; when workers come again, so does it
  %cluster scale N                also --cores 16, --memory 64GB, or --remove alice,bob; data moves before workers go
  %cluster adapt MIN MAX          follow the load; --off stops that
  %cluster keep                   let it outlive this kernel; --off undoes that
  %cluster leave                  disconnect from a cluster that goes on: a kept one, or one that was attached
  %cluster sync [NAME...]         which version of your modules and packages each worker has; NAME: an installed package
                                  follows, too; --install: pip installs on the workers what differs
  %cluster restart-workers [W...] one after another; placed data stays
  %cluster stop

Every action takes -h."""


def _cluster_actions() -> dict[str, Parser]:
    start = Parser("%cluster start", description="Start a cluster on this machine: TLS, loopback only.")
    take(start, "-n --n-workers N", positive, "number of workers")
    take(start, "--threads T", positive, "threads of each worker")
    take(start, "--memory SIZE", limit, "memory limit of each worker, such as 2GB")
    take(start, "--names NAME...", text, "names of the workers")
    take(
        start,
        "--using KIND",
        text,
        "local (default), ssh, sge, slurm, pbs, lsf, ... or the path of a Dask cluster class",
    )
    take(
        start,
        "--option KEY=VALUE...",
        option,
        "argument of that class, such as cores=4 or queue=all.q; the value is JSON or a string",
        dest="options",
        action="extend",
    )
    switch(start, "--insecure", "turn TLS off: anyone who can reach the cluster can use it")
    switch(start, "--keep", "let the cluster outlive this kernel")

    attach = Parser("%cluster attach", description="Use a running cluster.")
    take(
        attach,
        "target TARGET",
        text,
        "address, scheduler file, variable with a Client or a Dask cluster, or name of a kept cluster;\n"
        "default: the only kept cluster",
        nargs="?",
    )
    take(attach, "--tls-ca FILE", text, "certificate authority of the cluster (PEM)")
    take(attach, "--tls-cert FILE", text, "client certificate (PEM)")
    take(attach, "--tls-key FILE", text, "key of that certificate (PEM)")
    for parser in (start, attach):
        take(parser, "--as NAME", text, "bind it to this name instead of `cluster`", dest="variable", default="cluster")

    scale = Parser("%cluster scale", description="Add workers, or remove some without losing data.")
    take(scale, "n N", count, "number of workers", nargs="?")
    take(scale, "--cores C", positive, "total number of cores instead")
    take(scale, "--memory SIZE", nbytes, "total memory instead, such as 64GB", dest="total_memory")
    take(scale, "--remove W...", text, "remove these workers instead")
    switch(scale, "--force", "shrink even if data does not fit on the remaining workers")
    take(
        scale,
        "--to PATH",
        text,
        "with 0: save all that is there to this folder or URL first; workers that come later read it",
        dest="place",
    )
    switch(scale, "--overwrite", "replace what has been saved there")
    take(scale, "--option KEY=VALUE...", option, "for the file system of the URL", dest="options")

    adapt = Parser("%cluster adapt", description="Let the number of workers follow the load.")
    take(adapt, "minimum MIN", count, nargs="?")
    take(adapt, "maximum MAX", positive, nargs="?")
    switch(adapt, "--off", "stop adapting")

    keep = Parser(
        "%cluster keep",
        description="Let the cluster outlive this kernel. After an hour unused (moorage.cluster.idle-timeout)\n"
        "it stops; or, with the setting moorage.cluster.park, saves its data to that folder and\n"
        "comes back with it when it is used.",
    )
    switch(keep, "--off", "end it with this kernel again")

    sync = Parser("%cluster sync", description="Show which version of your modules and packages each worker has.")
    take(sync, "modules NAME", text, "have this installed package follow the notebook, too", nargs="*")
    take(sync, "--env VARIABLE...", text, "variables of the environment to take along")
    take(sync, "--folder PATH", text, "the folder that workers work in from now on")
    take(
        sync,
        "--install PACKAGE",
        text,
        "install packages with pip where workers run, in the notebook's version or as PACKAGE==VERSION;\n"
        "default: those that differ or are missing. Never into the notebook's own environment",
        nargs="*",
    )

    restart = Parser(
        "%cluster restart-workers", description="Restart workers one after another; what is placed stays or comes back."
    )
    take(restart, "modules WORKER", text, "by default all", nargs="*")

    leave = Parser("%cluster leave", description="Disconnect from a cluster that goes on without this notebook.")
    stop = Parser("%cluster stop", description="Stop the cluster and discard what is placed on it.")
    for parser in (start, attach, scale, restart):
        add_timeout(parser)
    return {
        "start": start,
        "attach": attach,
        "scale": scale,
        "adapt": adapt,
        "keep": keep,
        "sync": sync,
        "restart-workers": restart,
        "leave": leave,
        "stop": stop,
    }


cluster = Reader(
    ClusterArguments, Parser("%cluster", usage="%(prog)s [ACTION] [OPTIONS]", description=_CLUSTER), _cluster_actions()
)

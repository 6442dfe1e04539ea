"""The cluster that a host process should run: its options, their checks, and their form on the wire.

Checks that need no cluster are made here, in the process that asks, so that a wrong option costs no start.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dask.utils import format_bytes, parse_bytes
from distributed.system import MEMORY_LIMIT

from moorage.errors import InputError

LOCAL_CLUSTER = "distributed.LocalCluster"
SSH_CLUSTER = "moorage.deploy.clusters.ssh.SSHCluster"
_JOB_QUEUES = "dask_jobqueue."
BARE_WORKER = 100_000_000
"""Bytes that a worker process takes before it holds any data, roughly: 70 to 150 MB, with pandas or without."""

MOST_THREADS = 1000

OURS = frozenset({"asynchronous", "loop", "name", "security", "protocol", "start", "ip"})
"""Arguments of a cluster class that are not for whoever asks for one."""


@dataclass(frozen=True)
class HostSpec:
    """A cluster to be started in a process of its own.

    Raises InputError if an option is invalid. The message names the option and what would work.
    """

    # path of a Dask cluster class whose scheduler runs in the process that creates it
    cluster_class: str = LOCAL_CLUSTER
    n_workers: int | None = None  # default: one for each of `names`, or Dask's choice for this machine
    threads_per_worker: int | None = None  # default: Dask's choice
    # per worker: bytes, a string such as ``"2GB"``, or a fraction of this machine's memory. ``None`` and ``"auto"``
    # share the memory evenly, 0 sets no limit.
    memory_limit: int | float | str | None = "auto"
    names: tuple[str, ...] = ()  # names of the first workers; further ones are numbered. Local clusters only.
    # whether to serve Dask's dashboard, on loopback. Without it the scheduler serves no page at all.
    dashboard: bool = True
    keep: bool = False  # whether the cluster outlives the process that starts it
    # seconds after which a kept cluster ends while no client is connected and no task runs
    idle_timeout: float = 3600.0
    # folder or URL that its data is saved to then, rather than that it ends; empty: it ends
    park: str = ""
    args: tuple[Any, ...] = ()  # positional arguments of the cluster class; JSON only
    # further keyword arguments of the cluster class; JSON only
    options: Mapping[str, Any] = field(default_factory=dict)
    # whether to turn TLS off: anyone who can reach the scheduler may then run code on the cluster
    insecure: bool = False
    # of a cluster that comes back: its name, the port of its scheduler; of a local one the workers that it begins with
    name: str = ""
    port: int = 0
    workers: tuple[str, ...] | None = None
    store: str = ""  # path of the socket of its file descriptor store; empty: it gets a new one
    start_method: str = "forkserver"  # ``"forkserver"`` (quick) or ``"spawn"``: how local workers are started

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", _checked_names(self.names))
        object.__setattr__(self, "args", tuple(self.args))
        if self.workers is not None:
            object.__setattr__(self, "workers", tuple(self.workers))
        _check_count("n_workers", self.n_workers, least=0)
        _check_count("threads_per_worker", self.threads_per_worker, least=1, most=MOST_THREADS)
        _check_memory(self.memory_limit)
        _check_seconds("idle_timeout", self.idle_timeout)
        if self.start_method not in ("forkserver", "spawn"):
            raise InputError(f"start_method={self.start_method!r} is unknown.", 'Use "forkserver" or "spawn".')
        if self.n_workers is not None and self.n_workers < len(self.names):
            raise InputError(
                f"{len(self.names)} names were given for {self.n_workers} workers.",
                "Leave n_workers out to get one worker for each name.",
            )
        if self.names and not self.is_local:
            raise InputError(f"{self.cluster_class} names its workers itself.", "Leave the names out.")
        if taken := OURS & set(self.options):
            remedy = "Use --insecure to turn TLS off." if taken & {"security", "protocol"} else "Leave it out."
            raise InputError(f"The option {min(taken)!r} is set by moorage.", remedy)
        try:
            json.dumps([self.args, dict(self.options)])
        except (TypeError, ValueError) as error:
            raise InputError(
                f"The options of the cluster cannot be sent to its process: {error}.",
                "Use numbers, strings, lists and dicts.",
            ) from error
        if self.is_local:
            check_size(self.n_workers or len(self.names), self.memory_limit)

    @property
    def is_local(self) -> bool:
        """Whether the workers are processes on this machine."""
        return self.cluster_class in (LOCAL_CLUSTER, "dask.distributed.LocalCluster")

    @property
    def is_job_queue(self) -> bool:
        """Whether the workers are jobs, as dask-jobqueue submits them."""
        return self.cluster_class.startswith(_JOB_QUEUES)

    @property
    def comes_back(self) -> bool:
        """Whether it can be started again at the same address."""
        return self.is_local or self.is_job_queue or self.cluster_class == SSH_CLUSTER

    @property
    def kind(self) -> str:
        """What users call such a cluster: ``local``, or the name of its class."""
        return "local" if self.is_local else self.cluster_class.rpartition(".")[2]

    @property
    def scheduler_port(self) -> int | None:
        """The port that is asked for its scheduler, if any."""
        return self.port or self.options.get("scheduler_port") or self._of_scheduler("port")

    @property
    def dashboard_address(self) -> Any:
        """Where its dashboard is asked to be, in one of the forms that Dask takes; None: anywhere."""
        return self.options.get("dashboard_address") or self._of_scheduler("dashboard_address")

    def _of_scheduler(self, option: str) -> Any:
        options = self.options.get("scheduler_options")
        return options.get(option) if isinstance(options, Mapping) else None

    def to_wire(self) -> dict[str, Any]:
        """Return the spec as JSON-able values."""
        return asdict(self)

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> HostSpec:
        """Return the spec that `wire`, made by `to_wire`, stands for."""
        known = {field.name for field in fields(cls)}
        values = {key: value for key, value in wire.items() if key in known}
        return cls(**values)


def check_size(n_workers: int, memory_limit: int | float | str | None = None) -> None:
    """Refuse a number of local workers that this machine cannot even start.

    Raises InputError if so many bare worker processes do not fit in memory.
    """
    possible = int(MEMORY_LIMIT // BARE_WORKER)
    if n_workers > possible:
        raise InputError(
            f"{n_workers} workers do not fit on this machine: each takes about {format_bytes(BARE_WORKER)} before it"
            f" holds any data, and there are {format_bytes(MEMORY_LIMIT)}.",
            f"Ask for at most {possible}.",
        )


def _check_seconds(option: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InputError(f"{option}={value!r} is not a positive number of seconds.")


def _checked_names(names: Iterable[Any] | str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise InputError(f"names={names!r} is a single string.", "Give a list of names.")
    names = tuple(names)
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{name!r} cannot name a worker.", "Use non-empty strings.")
        if not name.isprintable() or "://" in name or len(name) > 100:
            raise InputError(
                f"{name!r} cannot name a worker.",
                "A name has at most 100 printable characters and is not an address.",
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"The worker name {twice[0]!r} is given twice.", "Give each worker a name of its own.")
    return names


def _check_count(option: str, value: object, least: int, most: float = math.inf) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
        raise InputError(f"{option}={value!r} is not a whole number of at least {least}.")
    if value is not None and value > most:
        raise InputError(f"{option}={value!r} is more than a worker can use.", f"Ask for at most {most}.")


def _check_memory(limit: object) -> None:
    remedy = 'Use bytes, a string such as "2GB", a fraction of the memory such as 0.25, "auto", or 0 for no limit.'
    if limit is None or limit == "auto" or (limit == 0 and not isinstance(limit, bool)):
        return
    amount: float
    if isinstance(limit, float) and 0 < limit <= 1:
        amount = limit * MEMORY_LIMIT
    elif isinstance(limit, int | float | str) and not isinstance(limit, bool):
        try:
            amount = parse_bytes(limit)
        except (ValueError, OverflowError) as error:
            raise InputError(f"memory_limit={limit!r} is not an amount of memory.", remedy) from error
    else:
        raise InputError(f"memory_limit={limit!r} is not an amount of memory.", remedy)
    if amount < BARE_WORKER:
        raise InputError(
            f"memory_limit={limit!r} is too little: a worker takes about {format_bytes(BARE_WORKER)} before it holds"
            " any data.",
            remedy,
        )

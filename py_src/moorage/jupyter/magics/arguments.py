"""What each magic takes: its options, the typed result, and the text of ``-h``.

One `Reader` per magic, by its name: ``pin("big --workers alice")`` returns a `PinArguments`. Pure: no shell, no
cluster. It does *not* cover what the magics do (``commands.py``), nor whether a named variable or worker exists.
"""

from __future__ import annotations

from typing import Any

from moorage.errors import ArgumentError
from moorage.jupyter.magics.parser import (
    Arguments,
    Parser,
    Reader,
    check_names,
    count,
    duration,
    limit,
    nbytes,
    one_of,
    option,
    positive,
    text,
)


def add_workers(parser: Parser, about: str, *, required: bool = False) -> None:
    """Add the option ``--workers``."""
    parser.add_argument("--workers", nargs="+", type=text, metavar="W", required=required, help=about)


def _add_names(parser: Parser, about: str, nargs: str = "+") -> None:
    parser.add_argument("names", nargs=nargs, type=text, metavar="NAME", help=about)


def _add_timeout(parser: Parser) -> None:
    parser.add_argument("--timeout", type=duration, metavar="T", help="wait at most so long, such as 30 or 2m")


def _add_placing(parser: Parser) -> None:
    parser.add_argument("--force", action="store_true", help="place it even if it does not seem to fit")
    parser.add_argument(
        "--rebind",
        action="store_true",
        help="bind the names to the memory that the workers of this host share: one copy in all, read-only",
    )
    parser.add_argument(
        "--writable",
        action="store_true",
        help="let tasks write to it: each worker for itself, seen by its later tasks and by nobody else",
    )
    parser.add_argument(
        "--keep-local",
        action="store_true",
        help="cell form: keep the value in the notebook too, as a variable of that name",
    )
    _add_timeout(parser)


class PlacingArguments(Arguments):
    """What `%scatter`, `%broadcast` and `%pin` have in common."""

    names: list[str]
    force: bool
    rebind: bool
    writable: bool
    keep_local: bool
    timeout: float | None

    def the_name(self) -> str:
        """Return the one name that the cell form takes."""
        if len(self.names) != 1:
            raise ArgumentError(
                f"A cell has one value, and {len(self.names)} names were given: {', '.join(self.names)}.",
                "Give one name.",
            )
        return self.names[0]

    def check(self) -> None:
        """Check the names."""
        check_names(self.names)


_CELL_FORM = """
In the cell form, %%{0} NAME, the cell runs in the notebook, and the value of its last expression is placed under
NAME, which means that value from then on. The notebook keeps no copy of it, unless --keep-local is given, or --rebind:
then NAME is the value in the memory that the workers share."""


class ScatterArguments(PlacingArguments):
    """The line of `%scatter`."""

    workers: list[str] | None
    whole: bool
    copies: int | None
    by: str
    allow_other_workers: bool

    def check(self) -> None:
        """Check names, and that the options do not contradict each other."""
        super().check()
        if self.workers and self.copies:
            raise ArgumentError(
                "--workers spreads the elements over these workers, one copy of each; --copies has no meaning there.",
                "For a copy on each of the workers: %pin NAME --workers W...",
            )


def _scatter() -> Parser:
    parser = Parser(
        "%scatter",
        usage="%(prog)s NAME... [--workers W...] [--allow-other-workers] [--whole] [--copies N]\n"
        "                [--by cores|workers|memory] [--force] [--rebind] [--writable] [--keep-local] [--timeout T]",
        description="Place variables of the notebook on the cluster, the elements of a list, tuple, set or dict\n"
        "spread over its workers. They stay there until they are released." + _CELL_FORM.format("scatter"),
    )
    _add_names(parser, "variables of the notebook")
    add_workers(parser, "spread them over these workers only (name, host, host:port or address)")
    parser.add_argument("--whole", action="store_true", help="place a list, set or dict as one value")
    parser.add_argument("--copies", type=positive, metavar="N", help="keep so many copies of each element")
    parser.add_argument(
        "--by",
        type=one_of("cores", "workers", "memory"),
        default="cores",
        metavar="{cores,workers,memory}",
        help="deal elements to workers in turn by their cores (default), one each, or to the most free memory",
    )
    parser.add_argument(
        "--allow-other-workers",
        action="store_true",
        help="with --workers: tasks on them may run elsewhere when none of these workers is there",
    )
    _add_placing(parser)
    return parser


class BroadcastArguments(PlacingArguments):
    """The line of `%broadcast`."""

    per_host: bool


def _broadcast() -> Parser:
    parser = Parser(
        "%broadcast",
        usage="%(prog)s NAME... [--per-host] [--force] [--rebind] [--writable] [--keep-local] [--timeout T]",
        description="Place variables on every worker, also on those that join later." + _CELL_FORM.format("broadcast"),
    )
    _add_names(parser, "variables of the notebook, or already placed ones")
    parser.add_argument("--per-host", action="store_true", help="one copy per host instead of one per worker")
    _add_placing(parser)
    return parser


class PinArguments(PlacingArguments):
    """The line of `%pin`."""

    workers: list[str]
    allow_other_workers: bool

    def check(self) -> None:
        """Check the names; a placed variable of another notebook can be pinned too."""
        check_names(self.names, foreign=True)


def _pin() -> Parser:
    parser = Parser(
        "%pin",
        usage="%(prog)s NAME... --workers W... [--allow-other-workers] [--force] [--rebind] [--writable]\n"
        "            [--keep-local] [--timeout T]",
        description="Keep a copy of variables on each of these workers. A variable that is placed already moves; one\n"
        "that is not is taken from the notebook." + _CELL_FORM.format("pin"),
    )
    _add_names(parser, "placed variables, or variables of the notebook")
    add_workers(parser, "the workers (name, host, host:port or address)", required=True)
    parser.add_argument(
        "--allow-other-workers",
        action="store_true",
        help="tasks on them may run elsewhere when none of these workers is there",
    )
    _add_placing(parser)
    return parser


class NamesArguments(Arguments):
    """The line of `%release`, `%gather` and `%placement`."""

    names: list[str]
    timeout: float | None
    verbose: bool = False
    map: bool = False

    def check(self) -> None:
        """Check the names."""
        check_names(self.names, foreign=True)


def _release() -> Parser:
    parser = Parser(
        "%release",
        usage="%(prog)s NAME...",
        description="Let go of placed variables: their copies on the cluster may go.",
    )
    _add_names(parser, "placed variables")
    return parser


def _gather() -> Parser:
    parser = Parser(
        "%gather",
        usage="%(prog)s NAME... [--map] [--timeout T]",
        description="Bring placed variables into the notebook: each is bound to its name there, and the value is\n"
        "returned (`y = %gather x`; a final `;` keeps it from being shown). Their copies on the cluster stay.\n"
        "Futures, results of %%submit and other notebooks' variables are returned without replacing what the name has.",
    )
    _add_names(parser, "placed variables, or what %%submit -o has bound")
    parser.add_argument(
        "--map", action="store_true", help="map the memory in which workers of this host have it: no copy, read-only"
    )
    _add_timeout(parser)
    return parser


def _placement() -> Parser:
    parser = Parser(
        "%placement", usage="%(prog)s [NAME...] [-v]", description="Show where placed variables are: now, and by wish."
    )
    _add_names(parser, "only these", nargs="*")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also which workers share memory, and why others do not"
    )
    return parser


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
    force: bool
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
                        "%cluster scale takes one size, or the workers to let go.",
                        "Say %cluster scale 4, --cores 16, --memory 64GB, or --remove alice.",
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
                "%cluster adapt takes a minimum and a maximum of workers, or --off.",
                "Say %cluster adapt 2 8.",
            )
        if self.minimum > self.maximum:
            raise ArgumentError(
                f"The minimum, {self.minimum}, is more than the maximum, {self.maximum}.",
                f"Say %cluster adapt {self.maximum} {self.minimum}.",
            )


_CLUSTER = """Start, attach, scale and stop clusters; without an action, show the one there is.

  %cluster start [-n N] [--threads T] [--memory 2GB] [--names alice,bob] [--keep]
  %cluster start --using sge --option cores=4 memory=8GB      by dask-jobqueue; also ssh
  %cluster attach [TARGET]        an address, a scheduler file, a variable that holds a Client or a Dask cluster, or
                                  the name of a kept cluster; without TARGET the one kept cluster
  %cluster scale N                also --cores 16, --memory 64GB, or --remove alice,bob; data moves before workers go
  %cluster adapt MIN MAX          let load decide; --off ends that
  %cluster keep                   let it outlive this kernel; --off ends that
  %cluster stop

Each takes -h."""


def _cluster_actions() -> dict[str, Parser]:
    start = Parser("%cluster start", description="Start a cluster on this machine: TLS, loopback only.")
    start.add_argument("-n", "--n-workers", type=positive, metavar="N", help="number of workers")
    start.add_argument("--threads", type=positive, metavar="T", help="threads of each worker")
    start.add_argument("--memory", type=limit, metavar="SIZE", help="memory limit of each worker, as 2GB")
    start.add_argument("--names", nargs="+", type=text, metavar="NAME", help="names of the workers")
    start.add_argument(
        "--using",
        type=text,
        metavar="KIND",
        help="local (default), ssh, sge, slurm, pbs, lsf, ... or the path of a Dask cluster class",
    )
    start.add_argument(
        "--option",
        dest="options",
        nargs="+",
        action="extend",
        type=option,
        metavar="KEY=VALUE",
        help="argument of that class, as cores=4 or queue=all.q; JSON, or a text",
    )
    start.add_argument("--insecure", action="store_true", help="do without TLS: open to whoever reaches it")
    start.add_argument("--keep", action="store_true", help="let the cluster outlive this kernel")

    attach = Parser("%cluster attach", description="Use a cluster that runs already.")
    attach.add_argument(
        "target",
        nargs="?",
        type=text,
        metavar="TARGET",
        help="address, scheduler file, variable with a Client or a Dask cluster, or name of a kept cluster;\n"
        "default: the one kept cluster",
    )
    attach.add_argument("--tls-ca", type=text, metavar="FILE", help="certificate authority of the cluster (PEM)")
    attach.add_argument("--tls-cert", type=text, metavar="FILE", help="certificate to show it (PEM)")
    attach.add_argument("--tls-key", type=text, metavar="FILE", help="key of that certificate (PEM)")
    for parser in (start, attach):
        parser.add_argument(
            "--as",
            dest="variable",
            type=text,
            default="cluster",
            metavar="NAME",
            help="bind it to this name instead of `cluster`",
        )

    scale = Parser("%cluster scale", description="Add workers, or take some away without losing data.")
    scale.add_argument("n", nargs="?", type=count, metavar="N", help="number of workers")
    scale.add_argument("--cores", type=positive, metavar="C", help="cores in all instead")
    scale.add_argument(
        "--memory", dest="total_memory", type=nbytes, metavar="SIZE", help="memory in all instead, as 64GB"
    )
    scale.add_argument("--remove", nargs="+", type=text, metavar="W", help="let these workers go instead")
    scale.add_argument("--force", action="store_true", help="shrink even if data does not fit on what stays")

    adapt = Parser("%cluster adapt", description="Let the number of workers follow the load.")
    adapt.add_argument("minimum", nargs="?", type=count, metavar="MIN")
    adapt.add_argument("maximum", nargs="?", type=positive, metavar="MAX")
    adapt.add_argument("--off", action="store_true", help="stop adapting")

    keep = Parser("%cluster keep", description="Let the cluster outlive this kernel.")
    keep.add_argument("--off", action="store_true", help="end it with this kernel after all")

    stop = Parser("%cluster stop", description="End the cluster and what is placed on it.")
    for parser in (start, attach, scale):
        _add_timeout(parser)
    return {"start": start, "attach": attach, "scale": scale, "adapt": adapt, "keep": keep, "stop": stop}


scatter = Reader(ScatterArguments, _scatter())
broadcast = Reader(BroadcastArguments, _broadcast())
pin = Reader(PinArguments, _pin())
release = Reader(NamesArguments, _release())
gather = Reader(NamesArguments, _gather())
placement = Reader(NamesArguments, _placement())
cluster = Reader(
    ClusterArguments, Parser("%cluster", usage="%(prog)s [ACTION] [OPTIONS]", description=_CLUSTER), _cluster_actions()
)

"""The commands: what each takes and prints.

All else is imported when a command runs: ``dask`` loads this module for any command of its own, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from moorage.deploy.state_file import KeptCluster


@contextmanager
def _reported() -> Iterator[None]:
    """Turn moorage's errors into a message and an exit code."""
    from moorage.errors import MoorageError

    try:
        yield
    except MoorageError as error:
        raise click.ClickException(str(error)) from error


def _kept(name: str | None) -> Any:
    """Return the kept cluster of that name, or the only one."""
    from moorage.deploy import kept
    from moorage.errors import NoClusterError

    cluster = kept.named(name) if name else kept.only()
    if cluster is None:
        raise NoClusterError("No cluster is kept.", "%cluster keep keeps one, and so does moorage.start(keep=True).")
    return cluster


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="moorage")
def moorage() -> None:
    """Look after moorage's kept clusters, and find what is wrong with this machine."""


@moorage.command()
@click.argument("target", required=False)
@click.option("--start/--no-start", default=True, help="Whether to start a small cluster, as the last check.")
def doctor(target: str | None, start: bool) -> None:
    """Find what is wrong here, and say what to do about it.

    With TARGET, an address, a scheduler file or the name of a kept cluster, also there. The exit code is 1 if something
    is wrong.
    """
    from moorage.cli.doctor import examine

    if not examine(click.echo, target, start=start):
        raise SystemExit(1)


@moorage.command("list")
def list_clusters() -> None:
    """List your kept clusters on this machine, and the durable variables of your notebooks."""
    from dask.utils import format_bytes

    from moorage.deploy.kept import kept_clusters, state_folder
    from moorage.tasks.saving.durable import everybodys

    if clusters := kept_clusters(state_folder()):
        _table(clusters)
    else:
        click.echo("No cluster is kept.")
    if durable := everybodys():
        click.echo(
            "\nDurable variables: `%restore` in their notebook has them back. To be rid of them, remove the folder."
        )
        for folder, names in durable.items():
            nbytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            click.echo(f"{folder}  {format_bytes(nbytes)}: {', '.join(names)}")


def _table(clusters: Iterable[KeptCluster]) -> None:
    rows = [
        ("NAME", "KIND", "STATE", "HOST", "PID", "ADDRESS"),
        *((one.name, one.kind, one.state, one.host, str(one.pid), one.address) for one in clusters),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@moorage.command()
@click.argument("name", required=False)
def stop(name: str | None) -> None:
    """Stop the kept cluster NAME, or the only one, with all that is placed on it."""
    from distributed import Security

    from moorage import config
    from moorage.controller.ending import stop_host
    from moorage.deploy.security import from_texts

    with _reported():
        cluster = _kept(name)
        security: Security = from_texts(cluster.tls) if cluster.tls else Security()
        stop_host(cluster.address, security, config.seconds("stop-timeout"))
    click.echo(f"{cluster.name}: stopped")


@moorage.command()
@click.argument("name", required=False)
@click.option("-n", "--lines", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines.")
def log(name: str | None, lines: int) -> None:
    """Show the end of the log of the kept cluster NAME, or of the only one: of its scheduler and local workers."""
    from moorage.deploy.logs import log_of

    with _reported():
        text = log_of(_kept(name), lines)
    click.echo(text or "The log is empty.")

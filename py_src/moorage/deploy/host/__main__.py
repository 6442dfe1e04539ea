"""Start of a host process: ``python -m moorage.deploy.host --scratch BASE [--preload MODULE,MODULE] [--spawn]``.

Everything that is not the same for each cluster, and everything secret, comes through the standard input. Workers
import this module once more (as multiprocessing does with the main module of their parent), hence so little of it.
"""

from __future__ import annotations


def main() -> None:
    """Prepare the process with the standard library alone, then import Dask and serve."""
    import argparse
    import os
    import tempfile
    from pathlib import Path

    from moorage.deploy.host.channel import Channel
    from moorage.deploy.scratch import LOG, Scratch, default_base

    parser = argparse.ArgumentParser(prog="python -m moorage.deploy.host")
    parser.add_argument("--scratch", required=True, type=Path)
    parser.add_argument("--preload", default="")
    parser.add_argument("--spawn", action="store_true")
    arguments = parser.parse_args()

    channel = Channel(os.dup(0), os.dup(1))
    try:
        scratch = Scratch(arguments.scratch)
    except Exception as error:
        channel.send_error(error)
        raise SystemExit(1) from error
    channel.send({"event": "scratch", "path": str(scratch.path)})
    # Where multiprocessing puts its socket, whose path must be short.
    sockets = scratch if len(str(scratch.path)) < 60 else Scratch(default_base())
    tempfile.tempdir = str(sockets.path)
    log = os.open(scratch.path / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for theirs, ours in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(theirs, ours)

    from moorage.deploy.host.server import run

    if not arguments.spawn:
        from moorage.deploy.host import forkserver

        locks = [folder.lock for folder in {scratch, sockets}]
        forkserver.start(
            [module for module in arguments.preload.split(",") if module],
            private=[channel.reading, channel.writing, *locks],
        )

    run(channel, [scratch] if sockets is scratch else [scratch, sockets])


if __name__ == "__main__":
    main()

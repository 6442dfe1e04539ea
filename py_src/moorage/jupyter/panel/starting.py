"""Clusters that a panel starts: what their kinds can be given, and the start itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from moorage.controller.start import start
from moorage.deploy.factory import class_of, configured
from moorage.deploy.parameters import ask, kinds
from moorage.deploy.spec import LOCAL_CLUSTER
from moorage.jupyter.binding import CLUSTER, bind_if_free, end_lost
from moorage.jupyter.magics.parser import value_of
from moorage.wire.panel_requests import PanelKind, PanelParameter, PanelStartArgs


def kind_of(kind: str) -> PanelKind:
    """Return what a kind of cluster can be started with."""
    path = class_of(kind) if kind else configured()[0]
    is_local = path == LOCAL_CLUSTER
    found = [] if is_local else [cast("PanelParameter", asdict(one)) for one in ask(kind)]
    return {"kinds": kinds(), "path": path, "is_local": is_local, "parameters": found}


def start_as(args: PanelStartArgs, shell: Any) -> None:
    """Start the cluster that a panel asks for, and bind it."""
    end_lost(shell.user_ns, CLUSTER)
    options = {name: value_of(written) for name, written in args.get("options", {}).items()}
    controller = start(
        n_workers=args["n_workers"],
        threads_per_worker=args.get("threads"),
        memory_limit=args.get("memory", "auto"),
        keep=args.get("keep", False),
        using=args.get("using"),
        options=options,
    )
    bind_if_free(shell, controller)

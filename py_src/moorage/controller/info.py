"""What there is to say of a cluster at a glance."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class ClusterInfo(TypedDict):
    """A cluster at a glance. The panel shows all of it: ``PanelCluster`` has the same fields, which mypy compares."""

    name: str
    kind: str  # "local", "SGECluster", "attached", ...
    status: Literal["starting", "connected", "lost", "stopped"]
    detail: str  # a line on what happens or went wrong; empty when all is well
    secure: bool  # TLS
    dashboard_link: str  # empty when there is none
    requested: int  # workers asked for
    arrived: int
    pending: int  # asked for and not here yet
    scalable: bool  # this notebook can scale it
    adapt: list[int]  # [minimum, maximum], or empty when adapting is off
    kept: bool  # outlives the kernel
    idle_timeout: NotRequired[float]  # seconds without use after which a kept cluster ends

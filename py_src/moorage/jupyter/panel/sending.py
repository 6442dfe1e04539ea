"""How variables look in the panel that are on their way to the scheduler, which does not know them yet."""

from __future__ import annotations

from typing import Any

from moorage import counts
from moorage.controller.cluster import ClusterController
from moorage.jupyter.panel.sizes import measure
from moorage.kernel.placement.structure import has_parts
from moorage.kernel.values.describe import describe_value
from moorage.model import Everywhere, OnWorkers, Placement
from moorage.plan import ClusterView
from moorage.wire.panel import PanelVariable
from moorage.wire.scheduler import placement_to_dict


def on_their_way(
    values: dict[str, Any], placement: Placement, controller: ClusterController
) -> dict[str, PanelVariable]:
    """Return how variables look that are being sent to the cluster."""
    view = ClusterView(controller.link.mirror.infos())
    pending = counts.none()
    if isinstance(placement, Everywhere):
        pending["rest"] = 1
    elif isinstance(placement, OnWorkers) and placement.each:
        pending["others"] = {view.name(a): 1 for spec in placement.workers for a in view.resolve(spec)}
    shown: dict[str, PanelVariable] = {}
    for name, value in values.items():
        typename, detail = describe_value(value)
        shown[name] = {
            "name": name,
            "owner": "",
            "typename": typename,
            "detail": detail,
            "nbytes": measure(value),
            "shared": 0,
            "nkeys": 1,
            "collection": has_parts(value),
            "writable": False,
            "placement": placement_to_dict(placement),
            "state": "moving",
            "reason": "being sent from the notebook",
            "stale": False,
            "only_on_cluster": False,
            "held": counts.none(),
            "pending": pending,
        }
    return shown

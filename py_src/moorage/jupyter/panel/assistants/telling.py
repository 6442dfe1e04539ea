"""What clusters, placements and memory are like in words, as the magics print it: for assistants, which read text."""

from __future__ import annotations

from moorage.controller import registry
from moorage.jupyter import display, memory_view
from moorage.jupyter.magics.cluster.commands import show_cluster
from moorage.wire.panel_requests import PanelTellArgs


def tell(args: PanelTellArgs) -> str:
    """Return the text. Raises as the magics do."""
    match args["what"]:
        case "clusters":
            shown = [show_cluster(controller) for controller in registry.all_controllers()]
            return "\n\n".join(bundle["text/plain"] for bundle in shown)
        case "placement":
            states = registry.current().placement(*args["names"])
            return display.placements(states, states.workers)["text/plain"]
        case "memory":
            return memory_view.by_worker(registry.current().memory())["text/plain"]

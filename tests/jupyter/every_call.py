"""All that a user can call, each called once: in Python, as a magic, by the panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dask
import dask.array
import numpy as np
from IPython.core.magic import Magics
from traitlets.config import Configurable

import moorage
from moorage.controller.cluster import ClusterController
from moorage.jupyter.magics.cluster import line as cluster_line
from moorage.jupyter.magics.insight.commands import InsightMagics
from moorage.kernel.placement.variable import Variable
from moorage.model import Everywhere
from moorage.tasks.each import OnEach
from moorage.tasks.map.results import Results
from moorage.tasks.runner import Submitter
from moorage.wire.panel_requests import PanelOps

CLASSES = {
    ClusterController: Configurable,
    Variable: object,
    Results: Sequence,
    OnEach: Mapping,
    Submitter: object,
}


SPECIAL = ("__getitem__", "__iter__", "__len__", "__contains__", "__exit__")


TO_PLACE = {"names": ["a"], "placement": {"kind": "everywhere"}, "force": False}


CALLS = {
    "ClusterController.workers": lambda s: s.cluster.workers(),
    "ClusterController.get_client": lambda s: s.cluster.get_client(),
    "ClusterController.get_logs": lambda s: s.cluster.get_logs(),
    "ClusterController.worker_names": lambda s: s.cluster.worker_names(),
    "ClusterController.scale": lambda s: s.cluster.scale(2, timeout=1),
    "ClusterController.adapt": lambda s: s.cluster.adapt(2, 2),
    "ClusterController.keep": lambda s: s.cluster.keep(False),
    "ClusterController.wait_for_workers": lambda s: s.cluster.wait_for_workers(3, timeout=1),
    "ClusterController.dismiss": lambda s: s.cluster.dismiss("1"),
    "ClusterController.subscribe": lambda s: s.cluster.subscribe(lambda kind: None)(),
    "ClusterController.status_info": lambda s: s.cluster.status_info(),
    "ClusterController.scatter": lambda s: s.cluster.scatter(np.ones(10), "new"),
    "ClusterController.scatter | large": lambda s: s.cluster.scatter(np.ones(1_000_000), "large"),
    "ClusterController.broadcast": lambda s: s.cluster.broadcast(np.ones(10), "new"),
    "ClusterController.pin": lambda s: s.cluster.pin("a", "alice"),
    "ClusterController.place": lambda s: s.cluster.place("a", Everywhere()),
    "ClusterController.release": lambda s: s.cluster.release("parts"),
    "ClusterController.gather": lambda s: s.cluster.gather("a"),
    "ClusterController.placement": lambda s: s.cluster.placement(),
    "ClusterController.memory": lambda s: s.cluster.memory(),
    "ClusterController.memory_effort": lambda s: s.cluster.memory_effort(),
    "ClusterController.moment": lambda s: s.cluster.moment(),
    "ClusterController.transfers": lambda s: s.cluster.transfers(),
    "ClusterController.parts": lambda s: s.cluster.parts("parts"),
    "ClusterController.why": lambda s: s.cluster.why("a"),
    "ClusterController.sync": lambda s: s.cluster.sync(),
    "ClusterController.sharing": lambda s: s.cluster.sharing("a"),
    "ClusterController.submit": lambda s: s.cluster.submit(int, resources={"GPU": 1}),
    "ClusterController.map": lambda s: s.cluster.map(abs, [1, 2]).gather(),
    "ClusterController.map | placed": lambda s: s.cluster.map(s.value.__getitem__, [1, 2]).gather(),
    "ClusterController.compute": lambda s: s.cluster.compute(dask.array.ones(3), sync=True),
    "ClusterController.compute | workers": lambda s: s.cluster.compute(dask.array.ones(3), workers="alice"),
    "ClusterController.persist": lambda s: s.cluster.persist(dask.array.ones(3), workers="alice"),
    "ClusterController.__getitem__": lambda s: s.cluster["elsewhere"],
    "ClusterController.__iter__": lambda s: list(s.cluster),
    "ClusterController.__contains__": lambda s: "a" in s.cluster,
    "Variable.gather": lambda s: s.variable.gather(),
    "Variable.plot": lambda s: s.variable.plot(),
    "Results.__getitem__": lambda s: s.running[0],
    "Results.__getitem__ | there": lambda s: s.there[0],
    "Results.__iter__": lambda s: list(s.running),
    "Results.__len__": lambda s: len(s.running),
    "Results.__contains__": lambda s: 7 in s.running,
    "Results.batches_on_cluster": lambda s: s.running.batches_on_cluster(),
    "Results.batch_of": lambda s: s.running.batch_of(0),
    "Results.batches": lambda s: s.running.batches(),
    "Results.as_completed": lambda s: list(s.running.as_completed()),
    "Results.done": lambda s: s.running.done(),
    "Results.first_errors": lambda s: s.running.first_errors(1),
    "Results.gather": lambda s: s.running.gather(),
    "Results.gather | there": lambda s: s.there.gather(),
    "Results.to_collection": lambda s: s.running.to_collection(),
    "Results.to_collection | there": lambda s: s.there.to_collection(),
    "Results.retry": lambda s: s.running.retry(),
    "Results.subscribe": lambda s: s.running.subscribe(lambda: None)(),
    "Results.wait": lambda s: s.running.wait(),
    "Results.wait_quietly": lambda s: s.running.wait_quietly(),
    "OnEach.__getitem__": lambda s: s.each["alice"],
    "OnEach.__contains__": lambda s: "alice" in s.each,
    "OnEach.__iter__": lambda s: list(s.each),
    "OnEach.__len__": lambda s: len(s.each),
    "OnEach.done": lambda s: s.each.done(),
    "OnEach.gather": lambda s: s.each.gather(),
    "OnEach.wait": lambda s: s.each.wait(),
    "Submitter.cell": lambda s: s.submitter.cell("1 + 1", {}),
    "Submitter.cell_each": lambda s: s.submitter.cell_each("1", {}).gather(),
    "Submitter.cell_map": lambda s: s.submitter.cell_map("i", "i", "range(3)", {}).gather(),
    "Submitter.compile": lambda s: s.submitter.compile("1", {}),
    "Submitter.each": lambda s: s.submitter.each(float).gather(),
    "Submitter.evaluate": lambda s: s.submitter.evaluate("a", {}),
    "Submitter.map": lambda s: s.submitter.map(abs, [1]).gather(),
    "Submitter.submit": lambda s: s.submitter.submit(int, (np.ones(1_000_000),)),
    "moorage.start": lambda s: moorage.start(n_workers=0, timeout=0.1),
    "moorage.attach": lambda s: moorage.attach(s.address, security=s.security),
    "moorage.attach | client": lambda s: moorage.attach(s.client),
    "moorage.install": lambda s: moorage.install(s.client),
    "moorage.board": lambda s: moorage.board(),
    "%cluster": lambda s: s.line("cluster"),
    "%cluster start": lambda s: s.line("cluster", "start -n 1 --as other --timeout 0.1"),
    "%cluster attach": lambda s: s.line("cluster", f"attach {s.address} --as other"),
    "%cluster scale": lambda s: s.line("cluster", "scale 2 --timeout 1"),
    "%cluster adapt": lambda s: s.line("cluster", "adapt 2 2"),
    "%cluster sync": lambda s: s.line("cluster", "sync"),
    "%cluster keep": lambda s: s.line("cluster", "keep --off"),
    "%scatter": lambda s: s.line("scatter", "x"),
    "%broadcast": lambda s: s.line("broadcast", "x"),
    "%pin": lambda s: s.line("pin", "x --workers alice"),
    "%release": lambda s: s.line("release", "parts"),
    "%gather": lambda s: s.line("gather", "a"),
    "%gather | results": lambda s: s.line("gather", "running"),
    "%placement": lambda s: s.line("placement"),
    "%memory": lambda s: s.line("memory"),
    "%compute": lambda s: s.line("compute", "lazy --on lazy=alice"),
    "%persist": lambda s: s.line("persist", "lazy"),
    "%why": lambda s: s.line("why", "a"),
    "%undo": lambda s: s.line("undo"),
    "%save": lambda s: s.line("save", f"a --to {s.folder}/magic --timeout 1"),
    "%restore": lambda s: s.line("restore", f"--from {s.folder}/saved --timeout 1"),
    "ClusterController.save": lambda s: s.cluster.save("a", to=f"{s.folder}/python", timeout=1),
    "ClusterController.restore": lambda s: s.cluster.restore(from_=f"{s.folder}/saved", timeout=1),
    "ClusterController.collection": lambda s: s.cluster.collection("parts"),
    "ClusterController.undo": lambda s: s.cluster.undo(),
    "%placement -v": lambda s: s.line("placement", "-v"),
    "%submit": lambda s: s.line("submit"),
    "%%scatter": lambda s: s.cell("scatter", "y", "[1, 2]"),
    "%%broadcast": lambda s: s.cell("broadcast", "y", "[1, 2]"),
    "%%pin": lambda s: s.cell("pin", "y --workers bob", "[1, 2]"),
    "%locality": lambda s: s.line("locality"),
    "%%locality": lambda s: s.cell("locality", "", "1 + 1"),
    "%%submit": lambda s: s.cell("submit", "", "1 + 1"),
    "%%submit | each": lambda s: s.cell("submit", "--each", "1 + 1"),
    "%%submit | loop": lambda s: s.cell("submit", "for i in range(3)", "i"),
    "panel snapshot": lambda s: s.ask("snapshot"),
    "panel watch": lambda s: s.ask("watch", candidates=False, threshold=1),
    "panel place": lambda s: s.ask("place", names=["a"], placement={"kind": "everywhere"}, force=False),
    "panel release": lambda s: s.ask("release", names=["parts"]),
    "panel start": lambda s: s.ask("start", n_workers=1),
    "panel attach": lambda s: s.ask("attach", target=s.address),
    "panel scale": lambda s: s.ask("scale", n=2),
    "panel adapt": lambda s: s.ask("adapt", minimum=2, maximum=2),
    "panel keep": lambda s: s.ask("keep", on=True),
    "panel why": lambda s: s.ask("why", kind="name", name="a"),
    "panel why | log": lambda s: s.ask("why", kind="log", name="alice"),
    "panel undo": lambda s: s.ask("undo"),
    "OnEach.come_back": lambda s: s.each.come_back(),
    "Submitter.come_back": lambda s: s.submitter.come_back(),
    "panel tell": lambda s: s.ask("tell", what="placement", names=[]),
    "panel cancel": lambda s: s.ask("cancel", id="1"),
    "panel kept": lambda s: s.ask("kept"),
    "panel kind": lambda s: s.ask("kind", kind=""),
    "panel parts": lambda s: s.ask("parts", name="parts", start=0, count=10),
    "panel propose": lambda s: s.ask("propose", op="place", args=TO_PLACE),
    "panel decide": lambda s: s.ask("decide", id="1", agreed=True),
    "panel dismiss": lambda s: s.ask("dismiss", id="1"),
}


LAST_CALLS = {
    "Results.stop": lambda s: s.running.stop(),
    "Results.cancel": lambda s: s.running.cancel(),
    "OnEach.cancel": lambda s: s.each.cancel(),
    "Submitter.leave": lambda s: s.submitter.leave(),
    "Submitter.close": lambda s: s.submitter.close(),
    "ClusterController.__exit__": lambda s: s.attached[0].__exit__(None, None, None),
    "ClusterController.close": lambda s: s.attached[1].close(),
    "ClusterController.let_go": lambda s: s.attached[2].let_go(),
    "ClusterController.leave": lambda s: s.attached[3].leave(),
    "ClusterController.restart_workers": lambda s: s.cluster.restart_workers(["alice"], timeout=1),
    "%cluster restart-workers": lambda s: s.line("cluster", "restart-workers alice --timeout 1"),
    "panel restart": lambda s: s.ask("restart", worker="alice"),
    "panel leave": lambda s: s.ask("leave"),
    "%cluster leave": lambda s: s.line("cluster", "leave"),
    "panel stop": lambda s: s.ask("stop"),
    "%cluster stop": lambda s: s.line("cluster", "stop"),
    "ClusterController.stop": lambda s: s.cluster.stop(),
}
"""What ends something, in this order."""


def public_calls():
    """Return the names of all that a user can call, as they are called in `CALLS`."""
    found = {f"moorage.{name}" for name in moorage.__all__ if callable(getattr(moorage, name))}
    found -= {f"moorage.{name}" for name in moorage.__all__ if isinstance(getattr(moorage, name), type)}
    for kind in CLASSES:
        found |= {f"{kind.__name__}.{name}" for name, member in members(kind).items() if callable(member)}
    kinds = [kind for kind in Magics.__subclasses__() if kind.registered]
    ours = [kind for kind in kinds if kind.__module__.startswith("moorage.")]
    assert InsightMagics in ours
    for magics in ours:
        found |= {f"%{name}" for name in magics.magics.get("line", ())} | {
            f"%%{name}" for name in magics.magics.get("cell", ())
        }
    found |= {f"%cluster {action}" for action in cluster_line.cluster.actions}
    return found | {f"panel {op}" for op in PanelOps.__annotations__}


def members(kind):
    base = CLASSES[kind]
    public = {name for name in dir(kind) if not name.startswith("_") and not hasattr(base, name)}
    return {name: getattr(kind, name) for name in public | {name for name in SPECIAL if hasattr(kind, name)}}

"""Outside of ``moorage._dask`` nothing reaches into private parts of other packages, or undocumented ones of Dask."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, Nanny, Scheduler, Worker
from distributed.core import PooledRPCCall, Server
from distributed.deploy.spec import SpecCluster
from distributed.scheduler import ClientState, TaskState, WorkerState

import moorage
from moorage._dask import client as of_clients
from moorage._dask import pages, scaling
from moorage._dask import scheduler as of_schedulers

ROOT = Path(moorage.__file__).parent
BOUNDARY = ROOT / "_dask"

# Not Dask: what Python, IPython and numpy document in spite of the underscore, and what has no other way.
DOCUMENTED = {"_exit", "_fields", "_replace", "_esm", "_render_traceback_", "_repr_mimebundle_"}
KNOWN = {
    "images/arrays.py: _fill_value",  # numpy's masked arrays: what their constructor takes can be read only there
    "images/arrays.py: _hardmask",
    "jupyter/ipython.py: _reply_subshell_for",  # ipykernel; only if it is there
    "worker/code/loading.py: _bootstrap",  # the lock of an import: nothing documented lets another one wait for it
    "worker/code/loading.py: _DeadlockError",
    "worker/code/loading.py: _ModuleLockManager",
    "worker/code/loading.py: _initializing",
    "worker/unpickling/classes.py: _class_setstate",  # cloudpickle; only if it is there
    "images/code.py: _DYNAMIC_CLASS_TRACKER_BY_ID",
}

ON_SCHEDULERS = {
    "scheduler": Scheduler, "_scheduler": Scheduler, "ts": TaskState, "ws": WorkerState, "cs": ClientState,
}  # fmt: skip
IN_NOTEBOOKS = {"client": Client, "_client": Client}
#: What Dask's objects are called in each room.
CALLED: dict[str, dict[str, type]] = {
    "scheduler": ON_SCHEDULERS,
    "deploy": {**ON_SCHEDULERS, "server": Server},
    "deploy/scaling": {"cluster": SpecCluster},
    "deploy/clusters": {"cluster": SpecCluster},
    "deploy/host": {"cluster": SpecCluster, "_cluster": SpecCluster},
    "worker": {"worker": Worker, "_worker": Worker, "dask_worker": Worker, "nanny": Nanny, "_nanny": Nanny},
    "kernel": IN_NOTEBOOKS,
    "tasks": IN_NOTEBOOKS,
    "controller": {**IN_NOTEBOOKS, "scheduler_comm": PooledRPCCall},
    "jupyter": IN_NOTEBOOKS,
}
#: What is used in many places all the same. Each is among the parts that are looked for.
EVERYWHERE = {
    "TaskState.get_nbytes", "TaskState.set_nbytes",  # of `nbytes`, which is documented
    "WorkerState.metrics",  # of which `memory`, which is documented, says that it is made
    "Client.cluster", "Client.id", "Client.status",
    "SpecCluster.new_spec", "SpecCluster.scheduler_spec", "SpecCluster.worker_spec",  # what its subclasses fill in
    "SpecCluster.dashboard_link", "SpecCluster.scale_down", "SpecCluster.scheduler_address",
    "SpecCluster.scheduler_info", "SpecCluster.status",
}  # fmt: skip


def private_accesses(tree: ast.Module) -> Iterator[str]:
    nodes = list(ast.walk(tree))
    own = {n.attr for n in nodes if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") in ("self", "cls")}
    own |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            if node.attr not in own | DOCUMENTED and not node.attr.startswith("_moorage"):
                yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module and node.module != "moorage":
            yield from filter(is_private, [] if node.module == "moorage._dask" else node.module.split("."))
            yield from filter(is_private, (alias.name for alias in node.names))
        elif isinstance(node, ast.Import):
            yield from (part for alias in node.names for part in alias.name.split(".") if is_private(part))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_dask"


def test_private_parts_of_dask_are_used_in_one_package_only() -> None:
    found = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in sorted(ROOT.rglob("*.py"))
        if BOUNDARY not in file.parents
        for name in private_accesses(ast.parse(file.read_text()))
    }
    assert found == KNOWN


def test_each_module_of_the_boundary_says_what_it_relies_on_and_in_which_version() -> None:
    core = {"__init__", "parts", "refusal"}
    modules = [file for file in BOUNDARY.rglob("*.py") if file.stem not in core]
    assert modules
    for file in modules:
        words = ast.get_docstring(ast.parse(file.read_text())) or ""
        assert "Relied on, as read in" in words, file.name
        assert "ithout" in words, f"{file.name}: what happens without it?"


def documented(cls: type) -> set[str]:
    """Return what Dask's reference has of a class: what has a docstring, a comment, or a place in its docstring."""
    names: set[str] = set()
    for each in cls.__mro__[:-1]:
        for name, value in vars(each).items():
            value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if not name.startswith("_") and getattr(value, "__doc__", None):
                names.add(name)
        names |= set(inspect.signature(each.__init__).parameters)  # type: ignore[misc]
        words = each.__doc__ or ""
        names |= {*re.findall(r"\*\*(\w+)", words), *re.findall(r"^\s*(\w+)\s*:", words, re.MULTILINE)}
        try:
            source = inspect.getsource(each)
        except (OSError, TypeError):
            continue
        names |= set(re.findall(r"(?:^\s*#:.*\n)+\s*(?:self\.)?(\w+)", source, re.MULTILINE))
    return names


def uses(tree: ast.Module, called: dict[str, type]) -> Iterator[tuple[type, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = getattr(node.value, "id", getattr(node.value, "attr", ""))
            if name in called:
                yield called[name], node.attr


@pytest.mark.parametrize("room", CALLED)
def test_undocumented_parts_of_dask_are_used_in_one_package_only(room: str) -> None:
    known: dict[type, set[str]] = {cls: documented(cls) for cls in CALLED[room].values()}
    assert all(len(names) > 10 or cls in (ClientState, PooledRPCCall) for cls, names in known.items()), (
        "nothing is documented"
    )
    found = {
        f"{cls.__name__}.{name}": str(file.relative_to(ROOT))
        for file in sorted((ROOT / room).rglob("*.py"))
        for cls, name in uses(ast.parse(file.read_text()), CALLED[room])
        if name not in known[cls] and not name.startswith(("moorage_", "__"))
    }
    assert {name: file for name, file in found.items() if name not in EVERYWHERE} == {}


def test_what_is_used_everywhere_is_looked_for() -> None:
    parts: set[Any] = {str(part) for part in (*of_schedulers.PARTS, *of_clients.PARTS, *scaling.PARTS, *pages.PARTS)}
    assert EVERYWHERE - parts == {"Client.cluster"}, "nothing rests on it but a line that is shown"

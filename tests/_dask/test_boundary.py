"""Outside of ``moorage._dask`` nothing reaches into another package's private parts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import moorage

ROOT = Path(moorage.__file__).parent
BOUNDARY = ROOT / "_dask"

# Not Dask: what Python, IPython and numpy document in spite of the underscore, and what has no other way.
DOCUMENTED = {"_exit", "_fields", "_replace", "_esm", "_render_traceback_", "_repr_mimebundle_"}
KNOWN = {
    "images/arrays.py: _fill_value",  # numpy's masked arrays: what their constructor takes can be read only there
    "images/arrays.py: _hardmask",
    "jupyter/ipython.py: _reply_subshell_for",  # ipykernel; only if it is there
    "worker/unpickling/classes.py: _class_setstate",  # cloudpickle; only if it is there
    "worker/unpickling/classes.py: _DYNAMIC_CLASS_TRACKER_BY_ID",
}


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
    core = {"__init__", "parts", "refusal", "scheduler"}
    modules = [file for file in BOUNDARY.glob("*.py") if file.stem not in core]
    assert modules
    for file in modules:
        words = ast.get_docstring(ast.parse(file.read_text())) or ""
        assert "Relied on, as read in" in words, file.name
        assert "ithout" in words, f"{file.name}: what happens without it?"

"""A pytest plugin that lets tests of an older distributed be collected: what they import and is gone, is there by name.

A test that uses such a name fails, with moorage on the scheduler and without.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path


def pytest_configure() -> None:
    """Look at what the tests below this folder import from Dask."""
    for path in Path("distributed/tests").glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("dask", "distributed"):
                _provide(node.module or "", [alias.name for alias in node.names])


def _provide(module: str, names: list[str]) -> None:
    try:
        found = importlib.import_module(module)
    except ImportError:  # of a test that is not among ours
        return
    for name in names:
        try:
            importlib.import_module(f"{module}.{name}")
        except ImportError:
            if not hasattr(found, name):
                setattr(found, name, object())

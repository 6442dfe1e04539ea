"""The examples in docstrings of what users call do what they say."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from distributed import LocalCluster

import moorage
from moorage.controller import cluster as controller
from moorage.controller import info, placing, resizing, running
from moorage.controller import start as starting
from moorage.jupyter import board
from moorage.kernel.placement import variable
from moorage.tasks.map import results

MODULES = (controller, info, placing, resizing, running, starting, board, variable, results)


def evaluate(x: int) -> int:
    return x * x


def examples(module: ModuleType) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder().find(module) if test.examples]


@pytest.mark.parametrize("test", [test for module in MODULES for test in examples(module)], ids=lambda test: test.name)
def test_an_example_does_what_it_says(
    test: doctest.DocTest, cluster: moorage.ClusterController, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where some save
    test.globs |= {
        "moorage": moorage,
        "cluster": cluster,
        "client": cluster.client,
        "LocalCluster": LocalCluster,
        "evaluate": evaluate,
        "flights": np.arange(1000),
        "model": {"weights": np.ones(10)},
    }
    said: list[str] = []
    out: Callable[[str], object] = said.append
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=out)
    assert not said, "".join(said)


@pytest.mark.parametrize("name", ["start", "attach", "install", "board"])
def test_each_function_has_an_example(name: str) -> None:
    assert ">>>" in getattr(moorage, name).__doc__


@pytest.mark.parametrize(
    "name", ["scatter", "broadcast", "pin", "place", "gather", "release", "submit", "map", "compute", "scale"]
)
def test_each_verb_has_an_example(name: str) -> None:
    assert ">>>" in getattr(moorage.ClusterController, name).__doc__

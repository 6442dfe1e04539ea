"""What distributed tests of its scheduler is so with moorage on it: keys that are not placed are treated as by stock.

The wheel of distributed has no tests. Give a checkout, of the tag nearest to the version installed::

    MOORAGE_DISTRIBUTED_CHECKOUT=~/distributed pytest tests/upstream

Its tests run against the installed distributed, once as it is and once with moorage on every scheduler. Nothing of the
checkout is written to. Takes some minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import distributed
import pytest

VARIABLE = "MOORAGE_DISTRIBUTED_CHECKOUT"
FILES = ("test_active_memory_manager.py", "test_client.py", "test_publish.py", "test_scheduler.py")
SUBJECTS = (
    "active_memory_manager or scatter or replicate or rebalance or retire or restart or who_has or cancel or steal"
)


@pytest.fixture(scope="module")
def suite() -> Iterator[Path]:
    """A copy of the installed distributed, with the tests of the checkout in it."""
    if not (checkout := os.environ.get(VARIABLE)):
        pytest.skip(f"{VARIABLE} names no checkout of dask/distributed, and its wheel has no tests")
    source, installed = Path(checkout).expanduser(), Path(distributed.__file__).parent
    assert (source / "distributed" / "tests").is_dir(), f"{source} is no checkout of dask/distributed"
    with tempfile.TemporaryDirectory(prefix="upstream") as folder:
        root = Path(folder)
        shutil.copytree(installed, root / "distributed", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(source / "distributed" / "tests", root / "distributed" / "tests")
        for file in ("conftest.py", "pyproject.toml"):
            shutil.copy(source / file, root)
        yield root


def run(suite: Path, selection: Iterable[str], *, moorage: bool) -> dict[str, str]:
    """Return the outcome of each test: ``passed``, ``skipped``, ``failure`` or ``error``."""
    report = suite / "report.xml"
    report.unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "pytest", "-q", "--tb=short", "--timeout=100", f"--junit-xml={report}",
        # not upstream's own options: they need plugins that mark and rerun flaky tests
        "-o", "addopts=", "-p", "no:asyncio", "-W", "ignore::pytest.PytestUnknownMarkWarning",
        *(["-p", "moorage_on_every_scheduler"] if moorage else []), *selection,
    ]  # fmt: skip
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parents[1])])}
    done = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True, timeout=1200)
    assert report.exists(), done.stdout + done.stderr
    outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        file = case.get("classname", "").replace(".", "/")
        worst = next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")
        outcomes[f"{file}.py::{case.get('name')}"] = worst
    return outcomes


@pytest.mark.timeout(2400)
def test_what_passes_on_a_stock_scheduler_passes_with_moorage_on_it(suite: Path) -> None:
    selection = [*(f"distributed/tests/{file}" for file in FILES), "-k", SUBJECTS]
    stock = {test for test, outcome in run(suite, selection, moorage=False).items() if outcome == "passed"}
    ours = {test for test, outcome in run(suite, selection, moorage=True).items() if outcome == "passed"}
    assert len(stock) > 100, "too few tests were found to say anything"
    # some of them have time limits of their own, and fail now and then on a busy machine, stock or not
    if unsure := sorted(stock - ours):
        ours |= {test for test, outcome in run(suite, unsure, moorage=True).items() if outcome == "passed"}
    print(f"{len(stock)} pass on stock, {len(stock & ours)} of them with moorage")
    assert stock <= ours, sorted(stock - ours)

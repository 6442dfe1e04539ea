"""What distributed tests of its scheduler is so with moorage on it: keys that are not placed are treated as by stock.

Its tests run against the installed distributed with moorage on every scheduler; those that fail run once more, and then
without moorage: only what fails there too may fail. Where the tests come from stands in ``checkout.py``. With
``MOORAGE_DISTRIBUTED_CHECKOUT`` those that upstream calls slow run as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import distributed
import pytest

from tests.upstream.checkout import VARIABLE, UnavailableError, checkout

HERE = Path(__file__).parent
FILES = ("test_active_memory_manager.py", "test_client.py", "test_publish.py", "test_scheduler.py")
SUBJECTS = (
    "active_memory_manager or scatter or replicate or rebalance or retire or restart or who_has or cancel or steal"
)
MOORAGE = ("-p", "moorage_on_every_scheduler")
AGAIN = ("--last-failed", "--last-failed-no-failures=none")


@pytest.fixture
def suite(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the installed distributed, with its tests in it."""
    try:
        source = checkout(request.config.cache.mkdir("distributed"))  # type: ignore[union-attr]
    except UnavailableError as reason:
        pytest.skip(str(reason))
    ignore = shutil.ignore_patterns("*.pyc.*")  # another process writes it at the moment
    shutil.copytree(Path(distributed.__file__).parent, tmp_path / "distributed", ignore=ignore)
    shutil.copytree(source / "distributed" / "tests", tmp_path / "distributed" / "tests", ignore=ignore)
    for file in ("conftest.py", "pyproject.toml"):
        shutil.copy(source / file, tmp_path)
    return tmp_path


def run(suite: Path, *options: str) -> tuple[set[str], set[str]]:
    """Return the tests that pass and those that fail."""
    report = suite / "report.xml"
    report.unlink(missing_ok=True)
    files = [f"distributed/tests/{file}" for file in FILES]
    command: Sequence[str] = [
        sys.executable, "-m", "pytest", "-q", "--tb=short", "--timeout=100", f"--junit-xml={report}",
        # not upstream's own options: they need plugins that mark and rerun flaky tests
        "-o", "addopts=", "-p", "pytest_timeout", "-W", "ignore::pytest.PytestUnknownMarkWarning",
        "-p", "names_that_are_gone", "-W", "ignore::DeprecationWarning",  # tests may be older than what they test
        "-p", "workers_that_start_soon",
        *(["--runslow"] if VARIABLE in os.environ else []), *options, *files, "-k", SUBJECTS,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
        "DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver",  # workers by spawning take a second each
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # a browser's and others that are no business of theirs
    }
    done = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True, timeout=1200)
    assert report.exists(), done.stdout + done.stderr
    print(done.stdout[-2000:])
    passed, failed = set(), set()
    for case in ElementTree.parse(report).iter("testcase"):
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            failed.add(f"{case.get('classname')}.{case.get('name')}")
        elif "skipped" not in outcomes:
            passed.add(f"{case.get('classname')}.{case.get('name')}")
    return passed, failed


@pytest.mark.timeout(2400)
def test_what_passes_on_a_stock_scheduler_passes_with_moorage_on_it(suite: Path) -> None:
    passed, failed = run(suite, *MOORAGE)
    assert len(passed) > 100, "too few tests were found to say anything"
    if failed:  # some have time limits of their own, and fail now and then on a busy machine
        _, failed = run(suite, *MOORAGE, *AGAIN)
    passed_on_stock, _ = run(suite, *AGAIN) if failed else (set(), set())
    print(f"{len(passed)} pass with moorage; {len(failed)} fail, {len(failed - passed_on_stock)} of them on stock too")
    assert not failed & passed_on_stock

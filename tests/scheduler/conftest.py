"""One cluster of three named workers for all tests of this folder; each test leaves it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dask.config
import pytest

from tests.helpers import eventually
from tests.scheduler.notebook import Notebook, notebook_on
from tests.workers import Workers


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    folder: Path = tmp_path_factory.mktemp("workers")
    with dask.config.set({"temporary-directory": str(folder)}), Workers("alice", "bob", "carol") as workers:
        yield workers


@pytest.fixture
def workers(cluster: Workers) -> Iterator[Workers]:
    yield cluster
    cluster.restore()
    # nothing of a test is left behind: no task, no pretended client
    eventually(lambda: not cluster.look(lambda s: [*s.tasks, *(c for c in s.clients if c.startswith("moorage"))]))


@pytest.fixture
def notebook(workers: Workers) -> Iterator[Notebook]:
    with notebook_on(workers) as notebook:
        yield notebook

"""A pytest plugin that lets workers in processes of their own start sooner: they are forked with what they import.

Dask's own forkserver has no arrays, which each worker would take a second to import. ``distributed.utils_test``, which
does that, cannot be there before the fork: it starts a thread.
"""

from __future__ import annotations

from distributed.utils import get_mp_context


def pytest_configure() -> None:
    get_mp_context().set_forkserver_preload(["distributed", "dask.array", "dask.dataframe", "pytest"])

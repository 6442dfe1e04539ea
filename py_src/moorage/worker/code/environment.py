"""Gives workers what the notebook's process has: environment variables, a working folder; newcomers included.

Shipped by value, alone.
"""

from __future__ import annotations

import os
from typing import Any

from distributed.diagnostics.plugin import WorkerPlugin


class EnvironmentPlugin(WorkerPlugin):
    """Sets environment variables, and the working folder. `variables`: by name. `folder`: empty to leave it."""

    idempotent = False

    def __init__(self, variables: dict[str, str], folder: str) -> None:
        self._variables = variables
        self._folder = folder

    def setup(self, worker: Any) -> None:
        """Called by Dask on each worker."""
        os.environ.update(self._variables)
        if self._folder:
            os.chdir(self._folder)

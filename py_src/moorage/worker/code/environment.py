"""Gives environment variables of the notebook to workers, those that join included. Shipped by value, alone."""

from __future__ import annotations

import os
from typing import Any

from distributed.diagnostics.plugin import WorkerPlugin


class EnvironmentPlugin(WorkerPlugin):
    """Sets environment variables. `variables`: by name."""

    idempotent = False

    def __init__(self, variables: dict[str, str]) -> None:
        self._variables = variables

    def setup(self, worker: Any) -> None:
        """Called by Dask on each worker."""
        os.environ.update(self._variables)

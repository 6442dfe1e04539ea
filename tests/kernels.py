"""Starts a kernel of this Python for a test. Not covered: those that JupyterLab starts."""

import os
from pathlib import Path
from uuid import uuid4

from jupyter_client.manager import KernelManager
from jupyter_core.paths import jupyter_runtime_dir

ROOT = Path(__file__).parents[1]


def start_kernel():
    """Start a kernel in the folder of this project, and return its manager.

    Its sockets are files, since a port that is free now may be taken when the kernel has started. So may a file be in a
    folder that kernels share, unless their names are its own.
    """
    runtime = Path(jupyter_runtime_dir())
    runtime.mkdir(parents=True, exist_ok=True)
    file = runtime / f"{uuid4().hex[:8]}.json"
    manager = KernelManager(kernel_name="python3", transport="ipc", connection_file=str(file))
    manager.start_kernel(cwd=str(ROOT), env={**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"})
    return manager

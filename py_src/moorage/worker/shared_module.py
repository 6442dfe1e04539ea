"""A module that the workers of one process share, by whose name tasks find what a plugin has put there.

Shipped by value. Dask's nannies run one worker a process; a script may run several.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any


def join(worker: Any, name: str, fill: Callable[[Any], None]) -> Any:
    """Return the module `name`, made and filled for the first worker of this process."""
    module: Any = sys.modules.get(name)
    if module is None:
        module = types.ModuleType(name, "What moorage has put into this process.")
        module.users = set()
        fill(module)
        sys.modules[name] = module
    module.users.add(worker.address)
    return module


def leave(worker: Any, name: str) -> Any:
    """Return the module if nobody uses it any more, and it is gone; else None."""
    module: Any = sys.modules.get(name)
    if module is None:
        return None
    module.users.discard(worker.address)
    return None if module.users else sys.modules.pop(name)

"""A notebook cell as something that can be called on a worker.

The body runs as a cell does, not as a function does: in a namespace of its own, in which names can be rebound and
deleted, and which the functions of the notebook that travel along see as their globals. Each call starts from the
captured values again.
"""

from __future__ import annotations

import asyncio
import inspect
import types
from collections.abc import Sequence
from typing import Any

ITEM = "__moorage_item__"  # what the code of a loop reads the element from
VALUE = "__moorage_value__"  # what the code leaves the value of its last expression in


class Cell:
    """A compiled cell and what it captures.

    `code`: the body. Reads `ITEM`, if it is the body of a loop, and leaves its value in `VALUE`. `namespace`: the
    captured globals. Functions that were pickled together with it have it as their globals. `names`: variables whose
    values are the result, in case the body does not end with an expression. `modules`: parts of packages that it names;
    that they are here is enough.
    """

    def __init__(
        self,
        code: types.CodeType,
        namespace: dict[str, Any],
        names: tuple[str, ...] = (),
        modules: Sequence[types.ModuleType] = (),
    ) -> None:
        self.code = code
        self.namespace = namespace
        self.names = names
        self.modules = modules
        self.captured: dict[str, Any] | None = None

    def __call__(self, *item: Any) -> Any:
        """Run the body, with the element if it is the body of a loop, and return its value."""
        namespace = self.namespace
        if self.captured is None:
            self.captured = dict(namespace)
        namespace.clear()
        namespace.update(self.captured)
        namespace["__name__"] = "__main__"
        if item:
            namespace[ITEM] = item[0]
        running = eval(self.code, namespace)
        if self.code.co_flags & inspect.CO_COROUTINE:  # it awaits at top level
            asyncio.run(running)
        return self._value(namespace.get(VALUE))

    def _value(self, value: Any) -> Any:
        names = self.names
        if value is None and names:
            missing = [name for name in names if name not in self.namespace]
            if missing and len(names) == 1:
                return None
            if missing:
                raise NameError(
                    f"the cell ends without an expression and does not assign {', '.join(missing)}; "
                    f"end it with a line such as: {', '.join(names)}"
                )
            value = tuple(self.namespace[name] for name in names)
            return value[0] if len(names) == 1 else value
        if len(names) > 1:
            value = tuple(value)
            if len(value) != len(names):
                raise ValueError(f"the cell has {len(value)} values for {len(names)} names: {', '.join(names)}")
        return value

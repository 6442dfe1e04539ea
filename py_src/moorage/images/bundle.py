"""Many small values in one pickle: on the worker it is a dict of the values, each an image of its own as if sent alone.

What Dask does for each thing that it sends, to pickle it, to pack it and to unpack it, costs more than a small value
does. Atoms stand in the pickle as they are; anything else as in ``carrier.py``, where it says how it arrives.
"""

from __future__ import annotations

import importlib
import itertools
import operator
from collections.abc import Iterable
from typing import Any

from moorage.images.format import Image

_ATOMS = (int, float, complex, str, bytes, bool, type(None))


class Bundle:
    """Stands for a dict of values that Dask is to send, and arrives as that dict.

    `values`: nobody must write to the buffers of the images. `module`: name of the images module.
    """

    def __init__(self, values: Iterable[tuple[Any, Any, Image]], module: str) -> None:
        self._values = list(values)
        self._module = module

    def frames(self) -> Any:
        """Return it pickled already, as Dask sends it on without a copy."""
        from distributed.protocol.serialize import Serialized, serialize

        return Serialized(*serialize(self, serializers=("pickle",), on_error="raise"))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        module = module_of(self._module)
        parts: list[Any] = [[(key, value) for key, value, _ in self._values if type(value) in _ATOMS]]
        others = [(key, image) for key, value, image in self._values if type(value) not in _ATOMS]
        streams = {key: image.stream for key, image in others if not image.buffers}
        if streams:
            loaded = Call(map, Call(getattr, module, "loads"), list(streams.values()))
            parts.append(Call(zip, list(streams), loaded))
        for key, image in others:
            if image.buffers:
                buffers = [bytes(buffer) if buffer.readonly else bytearray(buffer) for buffer in image.buffers]
                loads = operator.methodcaller("loads", image.stream, buffers=buffers)
                parts.append([(key, Call(loads, module))])
        return dict, (Call(itertools.chain, *parts),)


class Call:
    """Is pickled as a call."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def module_of(name: str) -> Call:
    """Return what is, where it is unpickled, the images module, or else that of Python which loads all the same."""
    modules = Call(getattr, Call(importlib.import_module, "sys"), "modules")
    return Call(dict.get, modules, name, Call(importlib.import_module, "pickle"))


def writable_module(module: str) -> str:
    """Return the name of the module that makes values which tasks may write to."""
    return f"writable_{module}"

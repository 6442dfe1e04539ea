"""How a persisted Dask collection is put together again from the futures of its parts, as it is written down.

A pickle of what Dask itself says of that (``__dask_postpersist__``), as text: it goes into the manifest, and is read
only where the files may be, too.
"""

from __future__ import annotations

import base64
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import cloudpickle
from dask.core import flatten
from dask.delayed import Delayed
from distributed import Future

from moorage.errors import InputError
from moorage.kernel.placement.placer import Placer
from moorage.wire.scheduler import VariableRecord


def recipe_of(collection: Any) -> str:
    """Return how a persisted collection, or a list of delayed objects, is put together again."""
    if isinstance(collection, list | tuple):
        made: Any = (type(collection), [part.key for part in collection])
    else:
        made = (None, (list(flatten(collection.__dask_keys__())), *collection.__dask_postpersist__()))
    return base64.b64encode(cloudpickle.dumps(made)).decode()


def recipes_of(variables: Mapping[str, VariableRecord], placer: Placer) -> dict[str, str]:
    """Return the recipes of those variables that are Dask collections. Raises InputError if the notebook has it not."""
    recipes = {}
    for name, record in variables.items():
        if record["structure"]["kind"] == "collection":
            try:
                value = placer.value_of(name)
            except KeyError:
                raise InputError(
                    f"{name} is a Dask collection that this notebook does not have: only its parts are here.",
                    "Save it where it was placed.",
                ) from None
            recipes[name] = recipe_of(value)
    return recipes


def put_together(recipe: str, futures: Sequence[Future[Any]]) -> Any:
    """Return the collection of these futures, one for each part."""
    several, how = pickle.loads(base64.b64decode(recipe))
    if several is not None:
        return several(Delayed(key, {key: future}) for key, future in zip(how, futures, strict=True))
    keys, rebuild, arguments = how
    return rebuild(dict(zip(keys, futures, strict=True)), *arguments)

"""An expression that is another one, across which Dask optimizes nothing. Imports Dask's data frames.

Relied on, as read in dask 2026.8.0: `Expr` of ``dask.dataframe.dask_expr._expr`` is not fused with others unless it is
blockwise, names its parameters in ``_parameters``, says by ``_meta`` and ``_divisions`` what it is, and by ``_layer``
what its own tasks are; ``Alias(key, target)`` is a task that stands for another. Without them ``cutting.py``, which
checks it, does not cut.
"""

from __future__ import annotations

from typing import Any

from dask._task_spec import Alias
from dask.dataframe.dask_expr._expr import Expr


class Kept(Expr):
    """The expression `frame`; `index` tells it from others."""

    _parameters = ["frame", "index"]  # noqa: RUF012  as in Dask

    @property
    def _meta(self) -> Any:
        return self.frame._meta

    def _divisions(self) -> Any:
        return self.frame.divisions

    def _layer(self) -> dict[Any, Any]:
        own: Any = self
        pairs = zip(own.__dask_keys__(), self.frame.__dask_keys__(), strict=True)
        return {key: Alias(key, target) for key, target in pairs}

"""A variable on the cluster, as the notebook holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from moorage.errors import InputError, NotPlaceableError
from moorage.kernel.parts.parts import Parts
from moorage.kernel.parts.picture import Picture
from moorage.kernel.placement.placements import Placements
from moorage.model import PlacementState
from moorage.naming import short_name
from moorage.wire.scheduler import VariableRecord

if TYPE_CHECKING:
    from distributed import Future


class _Inventory(Protocol):
    def record(self, name: str) -> VariableRecord: ...
    def states(self, names: list[str]) -> Placements: ...
    def futures(self, name: str) -> Any: ...
    def future_of(self, key: Any, name: str) -> Future[Any]: ...
    def futures_not_placed(self, name: str) -> list[Future[Any]] | None: ...


class _Cluster(Protocol):
    @property
    def placer(self) -> _Inventory: ...
    def placement(self, *names: str) -> Placements: ...
    def parts(self, name: str) -> Parts: ...
    def gather(self, *names: str, map: bool, timeout: str | float | None, asynchronous: bool | None) -> Any: ...


class Variable:
    """What ``cluster["name"]`` returns: the variable, not its value, which `gather` returns. Thread-safe.

    Attributes
    ----------
    name : str
        Its name in this notebook.

    Examples
    --------
    >>> future = cluster.broadcast(flights, name="flights")
    >>> cluster.client.submit(len, cluster["flights"].future).result()
    1000
    """

    def __init__(self, cluster: _Cluster, name: str) -> None:
        self._cluster = cluster
        self._placer = cluster.placer
        self.name = name

    @property
    def keys(self) -> list[Any]:
        """The Dask keys, in the order of the elements."""
        return list(self._placer.record(self.name)["keys"])

    @property
    def futures(self) -> Any:
        """Futures in the structure of the placed value: one, or a list, tuple, dict … of them."""
        return self._placer.futures(self.name)

    @property
    def future(self) -> Future[Any]:
        """The future of a variable that has a single key.

        Raises
        ------
        InputError
            If it has more than one key.
        """
        if len(self.keys) != 1:
            raise InputError(
                f"{self.name} has {len(self.keys)} keys, so it has no single future.",
                f'Use cluster["{self.name}"].futures, or place it as one value.',
            )
        return self._placer.future_of(self.keys[0], self.name)

    @property
    def placement(self) -> PlacementState:
        """The current state of the variable: its holders, and whether it is as asked."""
        return self._cluster.placement(self.name)[self.name]

    @property
    def parts(self) -> Parts:
        """The parts of a collection, or the elements, with the workers that have them, as of now."""
        return self._cluster.parts(self.name)

    def plot(self) -> Picture:
        """Return a picture of the parts: a square for each, coloured by worker; in a terminal the same in words."""
        return self.parts.plot()

    def gather(self, timeout: str | float | None = None, asynchronous: bool | None = None, *, map: bool = False) -> Any:
        """Return the value; see `ClusterController.gather`."""
        return self._cluster.gather(self.name, map=map, timeout=timeout, asynchronous=asynchronous)

    def __moorage_value__(self) -> Any:
        """What stands for the variable in a task: its futures."""
        return self.futures

    def __repr__(self) -> str:
        record = self._placer.record(self.name)
        spread = ""
        if record["structure"]["kind"] == "collection":
            held = self._placer.states([self.name])[self.name].held
            spread = "".join(f", {short_name(worker)}: {n:,}" for worker, n in sorted(held.items()))
        return f"<Variable {self.name}: {record['typename']} {record['detail']}, {record['state']}{spread}>"


class NotPlaced(Variable):
    """What ``cluster["name"]`` returns for a persisted collection or futures of the notebook that are not placed.

    They are on the cluster, so that they have keys, futures, parts and a value; but no placement.
    """

    @property
    def keys(self) -> list[Any]:
        """The Dask keys, in the order of the parts or elements."""
        return [future.key for future in self.futures]

    @property
    def futures(self) -> Any:
        """The futures, in the order of the parts or elements."""
        if (futures := self._placer.futures_not_placed(self.name)) is None:
            raise NotPlaceableError(
                f"{self.name} no longer refers to anything on the cluster.",
                f'Ask again: cluster["{self.name}"].',
            )
        return futures

    @property
    def placement(self) -> PlacementState:
        """Nothing: it raises `NotPlaceableError`, which says how to place it."""
        raise NotPlaceableError(
            f"{self.name} is on the cluster, but not placed: Dask may move or drop it.",
            f"Place it first: %scatter {self.name}, %broadcast {self.name} or %pin {self.name}.",
        )

    def __repr__(self) -> str:
        return f"<Variable {self.parts}; not placed>"

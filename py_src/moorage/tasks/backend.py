"""What submitting needs of a cluster: a narrow interface, so that the engine knows nothing else of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from distributed import Client, Future

    from moorage.kernel.values.value_registry import ValueRegistry
    from moorage.model import Placement, WorkerInfo
    from moorage.wire.code import CodeVersion


class Backend(Protocol):
    """A cluster that keeps placed values. `ClusterController` is one."""

    @property
    def client(self) -> Client:
        """Dask's client; synchronous."""
        ...

    @property
    def origins(self) -> ValueRegistry:
        """What the notebook has placed and still has."""
        ...

    @property
    def namespace(self) -> dict[str, Any] | None:
        """The notebook's variables, if there is a notebook."""
        ...

    @property
    def lives(self) -> int:
        """How many schedulers there have been: one that has died is followed by another, which knows nothing."""
        ...

    @property
    def is_back(self) -> bool:
        """Whether there is a connection to the scheduler, and it knows all that is placed."""
        ...

    def wait_back(self) -> int:
        """Wait until `is_back`, and the scheduler has answered; return `lives`. Raises UnreachableError."""
        ...

    def code_again(self, code: CodeVersion) -> CodeVersion:
        """Return a version of the code that was sent before, as the scheduler knows it that there is now."""
        ...

    def place_capture(self, value: Any, name: str | None, *, everywhere: bool) -> None:
        """Place a value that a task captures, and wait, within bounds, until it is held.

        `name`: the notebook's name for it. If a variable of that name is placed with another value, this one takes its
        place, with the same placement. None: it has none, and is kept as long as the notebook has the value.
        `everywhere`: many tasks will need it.
        """
        ...

    def keeping(self) -> AbstractContextManager[None]:
        """Let go of no captured value meanwhile, however many there are: what is being sent needs them."""
        ...

    def refresh(self, key: Any) -> Any:
        """Place the changed value of `key` again, under a new key and the same names, and return that key."""
        ...

    def future(self, key: Any) -> Future[Any]:
        """Return a future of a placed key."""
        ...

    def by_name(self, name: str) -> Any:
        """Return the futures of the variable `name` in the shape in which it was placed; ``KeyError`` if none.

        If the name is a built-in function's, only a variable of this notebook will do.
        """
        ...

    def rebound(self, name: str, value: Any) -> bool:
        """Whether this notebook has placed a variable `name` and `value` is not what it has placed."""
        ...

    def elements(self, value: Any) -> list[Any] | None:
        """Return the keys of `value`, in order, if it is a collection that was placed element by element."""
        ...

    def holders(self, keys: Iterable[Any]) -> dict[Any, set[str]]:
        """Return the names of the workers that hold each key. Of keys that are not placed: as Dask knows."""
        ...

    def placement(self, key: Any) -> Placement | None:
        """Return where the variable of `key` should be; None if it is not placed."""
        ...

    def nbytes(self, key: Any) -> int:
        """Return the size of the value of `key`, bytes; 0 if unknown."""
        ...

    def workers(self, *, fresh: bool = False) -> list[WorkerInfo]:
        """Return the workers, as far as is known here; `fresh`: ask the scheduler."""
        ...

    def on_workers(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` whenever workers come or go, until the returned function is called."""
        ...

    def spread(self, keys: Iterable[Any]) -> Callable[[], None]:
        """Keep a copy of `keys` on every worker until the returned function is called; placements stay as they are."""
        ...

    def wait_held(self, keys: Iterable[Any], timeout: float) -> None:
        """Wait until each key is held somewhere. Raises LostError or WaitTimeoutError."""
        ...

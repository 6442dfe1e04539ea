"""What the notebook and the workers say to each other about tasks: options in graphs, reports as events, outcomes.

The worker's side is ``worker/tasks/``, the notebook's ``tasks/``. Only shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from moorage.wire.code import CodeVersion

OUTPUT_TOPIC = "moorage-output-"
"""Begin of the topics on which tasks report to the notebook, followed by the id of its client."""


class CallOptions(TypedDict):
    """Of one task; see `Runtime.call`."""

    run: str  # that reports are about
    topic: str  # of reports
    key: Any
    limits: dict[str, int]  # leases that it needs, by name
    once: bool  # refuse to run a second time
    code: CodeVersion  # the user's modules as the notebook had them


class MapOptions(TypedDict):
    """Those that all batches of a map have in common."""

    run: str
    hash: str  # of the program
    topic: str
    shared: int  # how many of the task's values belong to the program
    retries: int  # of each item
    limits: dict[str, int]
    spread: bool  # an item is a tuple of arguments
    once: bool
    code: CodeVersion


class BatchOptions(MapOptions):
    """Of one batch of a map; see `Runtime.batch`."""

    batch: str  # name of the batch in reports
    key: Any
    n: int
    indices: Sequence[int]  # of its items
    budget: float | None  # seconds after which it stops, and returns what it has
    packed: bool  # items are pickled one by one


class OutputReport(TypedDict):
    """What a task has printed: stream, index of the item, text."""

    kind: Literal["output"]
    run: str
    on: str  # name of the worker
    parts: list[tuple[str, int | str | None, str]]


class DisplayReport(TypedDict):
    """What a task has displayed, as a mimebundle."""

    kind: Literal["display"]
    run: str
    on: str
    item: int | None
    data: dict[str, Any]
    metadata: dict[str, Any]


class ProgressReport(TypedDict):
    """How far a batch is."""

    kind: Literal["progress"]
    run: str
    batch: str
    on: str
    done: int
    failed: int


class DoneReport(TypedDict):
    """A batch has ended."""

    kind: Literal["done"]
    run: str
    batch: str
    on: str
    done: int
    failed: int
    seconds: float
    nbytes: int | None  # of the values; None if nobody has said
    outcome: bytes | None  # an `Outcome`, pickled, if that is short


Report: TypeAlias = OutputReport | DisplayReport | ProgressReport | DoneReport
"""What a worker tells the notebook while a task runs."""


class Described(TypedDict):
    """What an item has raised, or why its value is not to be had."""

    worker: str
    exception: NotRequired[bytes]  # pickled
    traceback: NotRequired[Any]  # as tblib makes it
    text: NotRequired[str]
    attempts: NotRequired[int]
    untakeable: NotRequired[tuple[str, str]]  # type of the value, and why it cannot be sent
    unloadable: NotRequired[str]  # why the notebook cannot load it


class OutcomeInBrief(TypedDict):
    """What has become of the items of a batch, without their values."""

    done: int
    errors: dict[int, Described]  # by position
    seconds: float
    worker: str


class Outcome(OutcomeInBrief):
    """What has become of the items of a batch: the result of its task."""

    values: list[Any]  # as they were taken down, see ``worker/tasks/outcome.py``

"""Questions to workers that keep to the stream of messages to them, and the answers.

Relied on, as read in distributed 2026.8.0: ``worker_send`` puts messages into the stream of a worker, whose connections
stand in ``stream_comms``; a worker answers each ``steal-request`` by ``steal-response``, with the state of the key, and
gives up only what it has not begun to compute; ``stream_handlers`` is looked up for each answer. Dask asks its workers
nothing else by the stream. Without these parts the scheduler plugin does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from moorage._dask.parts import parts_of
from moorage.plan import Address, Key

if TYPE_CHECKING:
    from distributed import Scheduler

SUBJECT = "care for keys that come back"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.scheduler:Scheduler",
        calls={"worker_send": ("worker", "msg")},
        live=("stream_comms", "stream_handlers"),
    ),
    *parts_of(
        SUBJECT, "distributed.worker_state_machine:StealRequestEvent", calls={"__init__": ("stimulus_id", "key")}
    ),
)

_ANSWER = "steal-response"


def ask_states(scheduler: Scheduler, worker: Address, keys: Collection[Key], name: str) -> bool:
    """Ask a worker for the states of keys that it is not to compute; return whether it can be asked.

    `keys`: there is an answer for each. `name`: of the question, which the answers have too.
    """
    if worker not in scheduler.stream_comms:
        return False
    for key in keys:
        scheduler.worker_send(worker, {"op": "steal-request", "key": key, "stimulus_id": name})
    return True


def take_answers(scheduler: Scheduler, told: Callable[[Key, str | None, str], bool]) -> Callable[[], None]:
    """Call ``told(key, state, name)`` with each answer, which returns whether it is its; return what ends that."""
    original = scheduler.stream_handlers.get(_ANSWER)

    def take(*, key: Key, state: str | None, stimulus_id: str, **more: Any) -> Any:
        if not told(key, state, stimulus_id) and original is not None:
            return original(key=key, state=state, stimulus_id=stimulus_id, **more)
        return None

    scheduler.stream_handlers[_ANSWER] = take

    def end() -> None:
        if original is None:
            scheduler.stream_handlers.pop(_ANSWER, None)
        else:
            scheduler.stream_handlers[_ANSWER] = original

    return end

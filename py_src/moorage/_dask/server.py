"""What a Dask server answers, what it does from time to time, and how it asks another one.

Relied on, as read in distributed 2026.8.0: scheduler, workers and nannies look up each message in their dict
``handlers``, run what is in ``periodic_callbacks`` until they close, and ``rpc(address)`` asks another server. Without
these parts neither a scheduler nor a worker takes moorage's code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tornado.ioloop import PeriodicCallback

from moorage._dask.parts import Part, parts_of

Undo = Callable[[], Any]


def parts(subject: str, owner: str) -> tuple[Part, ...]:
    """Return the parts of a kind of server."""
    return parts_of(subject, owner, live=("handlers", "loop", "periodic_callbacks", "rpc"))


def answers(server: Any, name: str) -> bool:
    """Whether a server has a handler of that name."""
    return name in server.handlers


def handler_of(server: Any, name: str) -> Callable[..., Any]:
    """Return what answers a message now."""
    handler: Callable[..., Any] = server.handlers[name]
    return handler


def answer(server: Any, **handlers: Callable[..., Any]) -> Undo:
    """Have a server answer messages of moorage's own; return what undoes it."""
    server.handlers.update(handlers)
    return lambda: [server.handlers.pop(name) for name, ours in handlers.items() if server.handlers.get(name) == ours]


def answer_instead(server: Any, **handlers: Callable[..., Any]) -> Undo:
    """Have a server answer messages by `handlers`, in the place of its own; return what undoes it."""
    before = {name: server.handlers[name] for name in handlers}
    server.handlers.update(handlers)
    ours = handlers.items()
    return lambda: server.handlers.update({n: before[n] for n, handler in ours if server.handlers.get(n) == handler})


def every(server: Any, seconds: float, name: str, callback: Callable[[], Any]) -> Undo:
    """Call back again and again, until the server closes; return what ends it."""
    periodic = server.periodic_callbacks[name] = PeriodicCallback(callback, seconds * 1000)
    periodic.start()

    def end() -> None:
        periodic.stop()
        if server.periodic_callbacks.get(name) is periodic:
            del server.periodic_callbacks[name]

    return end


def loop_of(server: Any) -> asyncio.AbstractEventLoop:
    """Return the event loop of a server."""
    loop: asyncio.AbstractEventLoop = server.loop.asyncio_loop
    return loop


def ask(server: Any, address: str) -> Any:
    """Return what asks another server: its methods are the other's handlers."""
    return server.rpc(address)

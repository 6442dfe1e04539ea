"""The kernel's end of the comms with the panels of browser tabs.

``moorage.push`` and ``moorage.rpc`` are opened by a panel, one of each for its tab and this kernel. To pages that are
there already the kernel says ``moorage.hello``: a message on a comm of that id which is never opened, so that it is
nothing to a frontend without the panel. The kernel pushes on the first, answers within the message handler
on the second, and never the other way round: ipykernel delivers what a panel sends on a comm to the shell that has
published on it last, so that with one comm for both a request would wait behind a running cell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any

import comm

from moorage.errors import MoorageError
from moorage.jupyter.ipython import keep_shell
from moorage.jupyter.panel.publisher import Panel
from moorage.jupyter.panel.requests import Requests
from moorage.jupyter.panel.shapes import check
from moorage.jupyter.panel.state import as_read_only
from moorage.wire.panel import PanelClosed, PanelHello, PanelOpen, PanelSnapshot, PanelUpdate
from moorage.wire.scheduler import PROTOCOL_VERSION

if TYPE_CHECKING:
    from comm.base_comm import BaseComm
    from IPython.core.interactiveshell import InteractiveShell

    from moorage.jupyter.plain import PlainNotebook

logger = logging.getLogger(__name__)

PUSH = "moorage.push"
RPC = "moorage.rpc"
HELLO = "moorage.hello"


_UNLOADED: PanelClosed = {"reason": "unloaded", "message": ""}
_REPLACED: PanelClosed = {"reason": "replaced", "message": ""}
_LATEST = timedelta(minutes=1)  # no message is later than that; a clock may have been set back


@dataclass(eq=False, slots=True)
class _Pusher:
    """The panel of one tab, as a listener."""

    channel: BaseComm
    read_only: bool

    def send(self, message: PanelSnapshot | PanelUpdate) -> None:
        """See `Listener`."""
        self.channel.send(as_read_only(message) if self.read_only else message)  # type: ignore[arg-type]


class PanelChannel:
    """All comms of this kernel's panels."""

    def __init__(self, shell: InteractiveShell | PlainNotebook) -> None:
        self.panel = Panel(shell)
        self.requests = Requests(self.panel)
        self._lock = RLock()
        self._pushers: dict[str, _Pusher] = {}  # by tab
        self._answerers: dict[str, BaseComm] = {}  # by tab
        self._begun: dict[tuple[str, str], datetime] = {}  # when the latest comm was sent, by target and tab
        self._closed = False
        manager = comm.get_comm_manager()
        manager.register_target(PUSH, self._on_push)
        manager.register_target(RPC, self._on_rpc)
        if hasattr(shell, "kernel"):
            _say_hello()

    def close(self) -> None:
        """Take leave of all panels."""
        manager = comm.get_comm_manager()
        manager.unregister_target(PUSH, self._on_push)
        manager.unregister_target(RPC, self._on_rpc)
        with self._lock:
            self._closed = True
            self.panel.close()
            self.requests.close()
            for channel in [*self._answerers.values(), *(pusher.channel for pusher in self._pushers.values())]:
                _close(channel, _UNLOADED)
            self._pushers.clear()
            self._answerers.clear()

    def _on_push(self, channel: BaseComm, message: dict[str, Any]) -> None:
        with self._opened(channel, message) as opened:
            if opened is None:
                return
            tab = opened["tab"]
            if (older := self._pushers.pop(tab, None)) is not None:
                self.panel.leave(older)
                _close(older.channel, _REPLACED)
            pusher = self._pushers[tab] = _Pusher(channel, opened["read_only"])
            channel.on_close(partial(self._push_closed, tab, pusher))
            self.panel.join(pusher)

    def _on_rpc(self, channel: BaseComm, message: dict[str, Any]) -> None:
        with self._opened(channel, message) as opened:
            if opened is None:
                return
            tab = opened["tab"]
            if (older := self._answerers.pop(tab, None)) is not None:
                self.panel.watch(tab, None)
                _close(older, _REPLACED)
            self._answerers[tab] = channel
            channel.on_close(partial(self._rpc_closed, tab, channel))
            channel.on_msg(partial(self._on_request, channel, tab, opened["read_only"]))

    @contextmanager
    def _opened(self, channel: BaseComm, message: dict[str, Any]) -> Iterator[PanelOpen | None]:
        """Give how a panel introduces itself, under the lock; None if nothing is opened."""
        opened = _welcome(channel, message)
        with self._lock:
            if opened is not None:  # by a thread: each page has one, so that what it sent first may come last
                of, sent = (channel.target_name, opened["tab"]), message["header"]["date"]
                late = timedelta(0) < self._begun.get(of, sent) - sent < _LATEST
                if self._closed or late:
                    _close(channel, _UNLOADED if self._closed else _REPLACED)
                    opened = None
                else:
                    self._begun[of] = sent
            yield opened

    def _on_request(self, channel: BaseComm, tab: str, read_only: bool, message: dict[str, Any]) -> None:
        self.requests.answer(message["content"]["data"], tab, read_only, channel.send)  # type: ignore[arg-type]

    def _push_closed(self, tab: str, pusher: _Pusher, _: object) -> None:
        with self._lock:
            self.panel.leave(pusher)
            if self._pushers.get(tab) is pusher:
                del self._pushers[tab]

    def _rpc_closed(self, tab: str, channel: BaseComm, _: object) -> None:
        with self._lock:
            if self._answerers.get(tab) is channel:
                del self._answerers[tab]
                self.panel.watch(tab, None)
                self.panel.proposals.withdraw(tab)


def _say_hello() -> None:
    global _greeter
    if _greeter is None:
        _greeter = comm.create_comm(target_name=HELLO, comm_id=HELLO, primary=False)
    hello: PanelHello = {"protocol": PROTOCOL_VERSION}
    _greeter.send(hello)  # type: ignore[arg-type]


_greeter: BaseComm | None = None
"""Never let go: then it would be closed, which a frontend does not understand of a comm that was never opened."""


def _welcome(channel: BaseComm, message: dict[str, Any]) -> PanelOpen | None:
    """Return how a panel introduces itself; None if it cannot be understood, and has been told so."""
    keep_shell(channel)
    opened: Any = message["content"]["data"]
    theirs = opened.get("protocol") if isinstance(opened, dict) else None
    if theirs != PROTOCOL_VERSION:
        older = "the panel" if isinstance(theirs, int) and theirs < PROTOCOL_VERSION else "moorage in the kernel"
        text = (
            f"The panel speaks version {theirs} of the protocol, moorage in the kernel version {PROTOCOL_VERSION}: "
            f"update {older}, then reload the page and restart the kernel."
        )
        _close(channel, {"reason": "protocol", "message": text})
        return None
    try:
        check(opened, PanelOpen, "What the panel is opened with")
    except MoorageError as error:
        _close(channel, {"reason": "protocol", "message": error.message})
        return None
    welcome: PanelOpen = opened
    return welcome


def _close(channel: BaseComm, why: PanelClosed) -> None:
    channel.close(data=why)  # type: ignore[arg-type]


_channel: PanelChannel | None = None


def open_channel(shell: InteractiveShell | PlainNotebook) -> PanelChannel:
    """Return the channel of this kernel; make it if there is none."""
    global _channel
    if _channel is None:
        _channel = PanelChannel(shell)
    return _channel


def close_channel() -> None:
    """End the channel of this kernel, if there is one."""
    global _channel
    if _channel is not None:
        _channel.close()
        _channel = None

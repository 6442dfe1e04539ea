"""How the Jupyter server's process asks a notebook's kernel: as the panel does, on a comm, on a subshell of its own.

So a question is answered while a cell runs, and nothing is executed in the notebook. The comm may look and propose.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from queue import Empty
from typing import Any
from uuid import uuid4

from moorage.errors import MoorageError, UnreachableError
from moorage.wire.panel import PanelOpen
from moorage.wire.scheduler import PROTOCOL_VERSION

_SECONDS = 10.0
_RPC = "moorage.rpc"


@dataclass(frozen=True)
class Notebook:
    """A notebook that is open on this server. `kernel`: its manager."""

    path: str
    kernel: Any


class NotLoadedError(UnreachableError):
    """The kernel does not know moorage."""


async def notebooks() -> list[Notebook]:
    """Return the notebooks that have a kernel for Python, by their paths."""
    from jupyter_server.serverapp import ServerApp  # not where moorage runs without a server

    server = ServerApp.instance()
    sessions = await server.session_manager.list_sessions()
    found = {}
    for session in sessions:
        with suppress(KeyError):  # the kernel has just ended
            kernel = server.kernel_manager.get_kernel(session["kernel"]["id"])
            if kernel.kernel_spec is not None and kernel.kernel_spec.language == "python":
                found[session["path"]] = Notebook(session["path"], kernel)
    return [found[path] for path in sorted(found)]


async def ask(notebook: Notebook, op: str, args: dict[str, Any], seconds: float = _SECONDS) -> dict[str, Any]:
    """Return the kernel's answer to a request of a panel that may only look and propose.

    Raises MoorageError with the words of the kernel if it refuses, `NotLoadedError` if it does not know moorage, and
    UnreachableError if it does not answer.
    """
    try:
        async with asyncio.timeout(seconds), _conversation(notebook.kernel) as conversation:
            reply = await conversation.ask(op, args)
    except TimeoutError:
        raise UnreachableError(
            f"The kernel of {notebook.path} has not answered within {seconds:g} s.", "It may be starting, or stuck."
        ) from None
    if reply is None:
        raise NotLoadedError(f"moorage is not loaded in {notebook.path}.", "In a cell: %load_ext moorage")
    if not reply["ok"]:
        raise MoorageError(reply["error"]["message"], reply["error"]["remedy"])
    answer: dict[str, Any] = reply["result"]
    return answer


class _Conversation:
    """A comm with a kernel. `client`: of the kernel. `subshell`: its id; None for the main shell."""

    def __init__(self, client: Any, subshell: str | None) -> None:
        self._client = client
        self._subshell = subshell
        self._comm = uuid4().hex

    async def ask(self, op: str, args: dict[str, Any]) -> dict[str, Any] | None:
        """Return the reply; None if the kernel closes the comm, since it does not know it."""
        opened: PanelOpen = {"protocol": PROTOCOL_VERSION, "tab": f"mcp-{self._comm}", "read_only": True}
        self._send("comm_open", target_name=_RPC, data=opened)
        self._send("comm_msg", data={"id": 1, "op": op, "args": args})
        try:
            while True:
                message = await self._client.get_iopub_msg(timeout=None)  # whoever asks has a limit
                content = message["content"]
                if content.get("comm_id") != self._comm:
                    continue
                if message["msg_type"] == "comm_msg":
                    reply: dict[str, Any] = content["data"]
                    return reply
                if message["msg_type"] == "comm_close":
                    if content["data"].get("message"):  # another version of the protocol
                        raise UnreachableError(content["data"]["message"])
                    return None
        finally:
            self._send("comm_close", data={})

    def _send(self, kind: str, **content: Any) -> None:
        message = self._client.session.msg(kind, {"comm_id": self._comm, **content})
        if self._subshell is not None:
            message["header"]["subshell_id"] = self._subshell
        self._client.shell_channel.send(message)


@asynccontextmanager
async def _conversation(kernel: Any) -> AsyncIterator[_Conversation]:
    client = kernel.client()
    client.start_channels(stdin=False, hb=False)
    try:
        with suppress(Empty):
            await client.get_iopub_msg(timeout=1)  # the welcome: from now on nothing that it says is missed
        subshell = await _request(client, "create_subshell_request", {})
        try:
            yield _Conversation(client, subshell.get("subshell_id"))
        finally:
            if "subshell_id" in subshell:
                await _request(client, "delete_subshell_request", {"subshell_id": subshell["subshell_id"]})
    finally:
        client.stop_channels()


async def _request(client: Any, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a kernel's reply on its control channel; empty if it does not know the request."""
    message = client.session.msg(kind, content)
    client.control_channel.send(message)
    with suppress(Empty):
        while True:
            reply = await client.get_control_msg(timeout=2)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                answer: dict[str, Any] = reply["content"]
                return answer
    return {}

"""A client of an MCP server, as the protocol says: JSON-RPC over HTTP."""

import json
import urllib.request


class Client:
    """A session with the server at `url`."""

    def __init__(self, url):
        self._url = url
        self._session = ""
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
        self._ask("initialize", about, 0)
        self._ask("notifications/initialized", {})

    def tools(self):
        return [tool["name"] for tool in self._ask("tools/list", {}, 1)["tools"]]

    def call(self, tool, **arguments):
        """Return the text that a tool answers."""
        result = self._ask("tools/call", {"name": tool, "arguments": arguments}, 2)
        assert not result.get("isError"), result
        return result["content"][0]["text"]

    def _ask(self, method, params, number=None):
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self._session:
            headers["Mcp-Session-Id"] = self._session
        request = urllib.request.Request(self._url, json.dumps(message).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            self._session = answer.headers.get("Mcp-Session-Id", self._session)
            lines = answer.read().decode().splitlines()
        told = [json.loads(line.removeprefix("data:")) for line in lines if line.startswith(("data:", "{"))]
        return next((one["result"] for one in told if one.get("id") == number), None)

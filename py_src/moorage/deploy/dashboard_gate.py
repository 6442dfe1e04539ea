"""Who may see the pages that Dask serves: those who have the cluster's token, from where the user's browser asks.

Dask's dashboard shows exceptions, task keys, logs and call stacks to whoever reaches its port, and its websockets to
the page of any origin. Here a `Gate` stands before all routes of an HTTP server, in the scheduler and in each worker,
with one rule for every request, plain or websocket. It knows nothing of the pages themselves.

- ``/health`` is open.
- ``Host`` must be loopback, or named by the setting ``moorage.cluster.dashboard-hosts``: a page whose own name was made
  to point here (DNS rebinding) is refused.
- A page of another origin is refused, by ``Origin``, and where there is none by what browsers say of each request
  (``Sec-Fetch-Site``). It may link here.
- The token comes in the link, as Jupyter's does, and becomes a cookie; programs may send ``Authorization: Bearer``.
  Cookies do not know ports, so the one of a cluster serves all its pages, and each cluster has one of its own name.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import dask.config
from distributed import Scheduler, Worker
from distributed.deploy.spec import SpecCluster
from distributed.utils import get_ip
from tornado import httputil
from tornado.routing import Router
from tornado.web import Application, RequestHandler

from moorage import config
from moorage._dask.pages import DashboardLater, Gated

COOKIE_SECONDS = 7 * 24 * 3600
"""A browser that is never closed would otherwise keep the cookies of all clusters there ever were."""


@dataclass(frozen=True)
class Access:
    """Who is let in."""

    token: str = field(repr=False)  # the secret. Whoever has it may see all pages of the cluster.
    hosts: tuple[str, ...] = ()  # what the pages may be called in the address bar, besides loopback

    @classmethod
    def new(cls) -> Access:
        """Return a new token, and the hosts that the configuration names."""
        named = [*config.get("cluster.dashboard-hosts"), *map(_host, (_link_template(), _hub()))]
        return cls(secrets.token_urlsafe(32), tuple(name.lower() for name in named if name))

    @property
    def cookie(self) -> str:
        """Name of the cookie."""
        return f"moorage-{hashlib.sha256(self.token.encode()).hexdigest()[:12]}"

    def link(self, url: str) -> str:
        """Return `url` with the token."""
        return f"{url}{'&' if '?' in url else '?'}{urlencode({'token': self.token})}"

    def is_token(self, given: str) -> bool:
        """Whether `given` is the token; takes the same time whatever it is."""
        return hmac.compare_digest(given.encode(), self.token.encode())

    def refusal(self, request: httputil.HTTPServerRequest) -> str:
        """Return why a request is refused; empty if it is not."""
        # Tornado takes a request of HTTP 1.0 that has no Host for one to loopback
        host = request.host_name.strip("[]") if request.headers.get("Host") else ""
        if not (_is_loopback(host) or host in self.hosts):
            return "This name is not allowed here. The setting moorage.cluster.dashboard-hosts names those that are."
        headers = request.headers
        if "Origin" in headers:
            netloc = headers["Origin"].lower().rpartition("://")[2]
            foreign = netloc != request.host.lower() and _host(headers["Origin"]) not in self.hosts
        else:
            foreign = headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
            foreign = foreign and headers.get("Sec-Fetch-Mode") != "navigate"
        if foreign:
            return "A page of another origin may not use this one."
        if not any(map(self.is_token, _tokens(request, self.cookie))):
            return "This page is private. Open it from moorage's panel, or by cluster.dashboard_link in the notebook."
        return ""


class Gate(Router):
    """Lets requests through to `application`, or refuses them. `make`: makes the pages, with the first request."""

    def __init__(
        self, application: Application, access: Access, make: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        self._application = application
        self._access = access
        self._make = make
        self._made: asyncio.Future[object] | None = None

    def find_handler(self, request: httputil.HTTPServerRequest, **kwargs: Any) -> httputil.HTTPMessageDelegate | None:
        """Return what answers a request; called by tornado once its headers are there."""
        if request.path != "/health":
            if reason := self._access.refusal(request):
                return self._application.get_handler_delegate(request, _Refusal, {"reason": reason})
            if "token" in request.query_arguments and request.connection is not None:
                request.connection = _WithCookie(request.connection, _cookie(request, self._access))
            if self._make is not None and request.path != "/metrics":  # which is asked for again and again, by programs
                self._made = self._made or asyncio.ensure_future(self._make())
                if not self._made.done():
                    return _Later(self._made, lambda: self._application.find_handler(request, **kwargs))
        return self._application.find_handler(request, **kwargs)


class _Later(httputil.HTTPMessageDelegate):
    """Answers a request when the pages are `made`. `find`: returns what does."""

    def __init__(self, made: Awaitable[object], find: Callable[[], httputil.HTTPMessageDelegate | None]) -> None:
        self._made = made
        self._find = find
        self._found: httputil.HTTPMessageDelegate | None = None

    async def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> None:
        await asyncio.wait([asyncio.ensure_future(self._made)])  # if that has failed, there are the other pages
        self._found = self._find()
        if self._found is not None and (received := self._found.headers_received(start_line, headers)) is not None:
            await received

    def data_received(self, chunk: bytes) -> Any:
        return self._found.data_received(chunk) if self._found is not None else None

    def finish(self) -> None:
        if self._found is not None:
            self._found.finish()

    def on_connection_close(self) -> None:
        if self._found is not None:
            self._found.on_connection_close()


class _Refusal(RequestHandler):
    def initialize(self, reason: str) -> None:
        self._why = reason

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(self._why + "\n")


class _WithCookie(httputil.HTTPConnection):
    """Adds a cookie to the answer."""

    def __init__(self, connection: httputil.HTTPConnection, cookie: str) -> None:
        self._connection = connection
        self._cookie = cookie

    def write_headers(self, start_line: Any, headers: httputil.HTTPHeaders, chunk: bytes | None = None) -> Any:
        headers.add("Set-Cookie", self._cookie)
        headers["Referrer-Policy"] = "no-referrer"  # the address has the token
        return self._connection.write_headers(start_line, headers, chunk)

    def write(self, chunk: bytes) -> Any:
        return self._connection.write(chunk)

    def finish(self) -> None:
        self._connection.finish()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Guarded(Gated):
    """A server of Dask's whose pages have a gate before them."""

    def __init__(self, *args: Any, access: Access, **kwargs: Any) -> None:
        self._access = access
        super().__init__(*args, **kwargs)

    def moorage_gate(self, pages: Application, address: str) -> Gate:
        """Return the gate before `pages`."""
        return Gate(pages, self._access_at(address))

    def _access_at(self, address: str) -> Access:
        if _is_loopback(address):
            return self._access
        return replace(self._access, hosts=(*self._access.hosts, *_names_of_this_machine(address)))


class GuardedWorker(_Guarded, Worker):
    """`distributed.Worker` that shows its pages only to those who have `access`."""


class _GuardedScheduler(_Guarded, DashboardLater):
    """The same of a scheduler. `before_dashboard`: see `guard_scheduler`."""

    def __init__(self, *args: Any, before_dashboard: Callable[[], object], **kwargs: Any) -> None:
        self._before_dashboard = before_dashboard
        super().__init__(*args, **kwargs)

    def moorage_gate(self, pages: Application, address: str) -> Gate:
        """Return the gate before `pages`."""
        make = partial(self.moorage_make_dashboard, self._before_dashboard) if self.moorage_dashboard else None
        return Gate(pages, self._access_at(address), make)


def guard_scheduler(cluster: SpecCluster, access: Access, before_dashboard: Callable[[], object]) -> None:
    """Let the scheduler that `cluster` is going to start in this process show its pages only to `access`.

    Its dashboard is made when somebody looks. `before_dashboard`: called in a thread before that.
    """
    spec: dict[str, Any] = cluster.scheduler_spec or {}
    cls = spec.get("cls")
    if isinstance(cls, type) and issubclass(cls, Scheduler):
        guarded = type(cls.__name__, (_GuardedScheduler, cls), {})
        options = {**spec.get("options", {}), "access": access, "before_dashboard": before_dashboard}
        cluster.scheduler_spec = {"cls": guarded, "options": options}


def _tokens(request: httputil.HTTPServerRequest, cookie: str) -> list[str]:
    """Return what a request gives for the token."""
    given = [value.decode(errors="replace") for value in request.query_arguments.get("token", [])]
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token"):
        given.append(value.strip())
    if cookie in request.cookies:
        given.append(request.cookies[cookie].value)
    return given


def _cookie(request: httputil.HTTPServerRequest, access: Access) -> str:
    """Return the cookie that saves the browser from giving the token again."""
    headers = request.headers
    # A proxy such as Jupyter's serves the pages of others under the same name, who should not get it.
    context = headers.get("X-Forwarded-Context", headers.get("X-Forwarded-Prefix", ""))
    path = context if context.startswith("/") and not set(context) & set(";,\r\n") else "/"
    parts = [f"{access.cookie}={access.token}", f"Path={path}", f"Max-Age={COOKIE_SECONDS}", "HttpOnly"]
    if (headers.get("Sec-Fetch-Dest"), headers.get("Sec-Fetch-Site")) == ("iframe", "cross-site"):
        # JupyterLab at localhost shows a page of 127.0.0.1. The cookie counts below that outer page only.
        return "; ".join([*parts, "SameSite=None", "Secure", "Partitioned"])
    parts.append("SameSite=Lax")
    if "https" in (request.protocol, headers.get("X-Forwarded-Proto", "").split(",")[0].strip()):
        parts.append("Secure")
    return "; ".join(parts)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _names_of_this_machine(address: str) -> tuple[str, ...]:
    return tuple(name.lower() for name in {address, get_ip(), socket.gethostname(), socket.getfqdn()})


def _host(url: str) -> str:
    """Return the host of a URL; empty if it has none, or one that is not known yet."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return "" if "{" in host else host


def _link_template() -> str:
    """Return where users of this machine are told that dashboards are."""
    return str(dask.config.get("distributed.dashboard.link"))


def _hub() -> str:
    """Return the public address of this Jupyter server behind a JupyterHub, if there is one."""
    return os.environ.get("JUPYTERHUB_PUBLIC_URL", "")

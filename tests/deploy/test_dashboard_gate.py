"""Dask's pages are for those who have the link of the cluster, and not for the pages of others in the same browser."""

from __future__ import annotations

import http.client
import os
import sys
from urllib.parse import parse_qs, quote, urlsplit

import dask.config
import psutil
import pytest
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest, RequestStartLine

import moorage
from moorage.deploy.dashboard_gate import Access, _cookie
from tests.helpers import worker_infos

PAGES = (
    "/",
    "/status",
    "/individual-exceptions",
    "/individual-plots.json",
    "/status/autoload.js?bokeh-autoload-element=1",
    "/info/main/workers.html",
    "/info/main/exceptions.html",
    "/info/logs.html",
    "/json/identity.json",
    "/metrics",
    "/sitemap.json",
    "/statics/css/base.css",
    "/proxy/1/127.0.0.1/status",
    "/no/such/page",
)
WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "bokeh, x",
}


class Page:
    """A page of the cluster, as a program asks for it; `headers` are those of every request."""

    def __init__(self, port, **headers):
        self.port = port
        self.headers = {"Host": f"127.0.0.1:{port}", **headers}

    def get(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host=True)
        for name, value in {**self.headers, **headers}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        text = b"" if answer.status == 101 else answer.read()
        connection.close()
        return answer.status, text, answer.headers

    def status(self, path, **headers):
        return self.get(path, **headers)[0]


@pytest.fixture(scope="module")
def cluster():
    with moorage.start(n_workers=1, threads_per_worker=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def link(cluster):
    return urlsplit(cluster.dashboard_link)


@pytest.fixture(scope="module")
def token(link):
    (token,) = parse_qs(link.query)["token"]
    return token


@pytest.fixture(scope="module")
def ports(cluster, link):
    """The ports of the pages: of the scheduler, and of the worker."""
    (worker,) = worker_infos(cluster.client).values()
    return [link.port, worker["services"]["dashboard"]]


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_without_the_token_nothing_but_health_is_shown_or_made(cluster, ports):
    for port in ports:
        page = Page(port)
        for path in PAGES:
            for method in ("GET", "HEAD", "POST", "OPTIONS"):
                status, text, headers = page.get(path, method)
                assert (path, method, status) == (path, method, 403)
                assert b"Open it from" in text or method == "HEAD"
                assert "Set-Cookie" not in headers
        assert page.status("/status/ws", **WEBSOCKET) == 403
        assert page.get("/health")[:2] == (200, b"ok")
    assert not cluster.client.run_on_scheduler(lambda: "bokeh" in sys.modules)


@pytest.mark.parametrize("wrong", ["", "x", "\u00e9", "a" * 10_000])
def test_a_wrong_token_opens_nothing(ports, wrong):
    name = Access(wrong).cookie
    for port in ports:
        page = Page(port)
        assert page.status(f"/metrics?token={quote(wrong)}") == 403
        assert page.status("/metrics", Authorization=f"Bearer {wrong}".encode()) == 403
        assert page.status("/metrics", Cookie=f"{name}={wrong}".encode()) == 403


def test_the_link_opens_the_dashboard_and_leaves_a_cookie_for_every_page_of_the_cluster(link, ports, token):
    status, _, headers = Page(link.port).get(f"{link.path}?{link.query}")
    assert status == 200
    assert headers["Referrer-Policy"] == "no-referrer"
    cookie, *attributes = headers["Set-Cookie"].split("; ")
    assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= set(attributes)
    for port in ports:
        assert Page(port, Cookie=cookie).status("/metrics") == 200
        assert Page(port, **bearer(token)).status("/metrics") == 200
    assert Page(link.port, Cookie=cookie).status("/info/main/workers.html") == 200


def test_a_page_of_another_origin_gets_nothing_though_the_browser_sends_the_cookie(link, ports, token):
    for port in ports:
        page = Page(port, Cookie=f"{Access(token).cookie}={token}")
        here = f"http://127.0.0.1:{port}"
        assert page.status("/metrics", Origin=here) == 200
        for origin in ("http://127.0.0.1:1", "http://localhost", "https://evil.example", "null", "", "http://[", "x"):
            for path in PAGES:
                assert (origin, page.status(path, Origin=origin)) == (origin, 403)
        # what a script, a style sheet or a picture on such a page asks for
        for site in ("cross-site", "same-site"):
            assert page.status("/metrics", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors") == 403
            assert page.status("/metrics", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate") == 200  # a link to here
        assert page.status("/metrics", Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors") == 200


def test_a_websocket_opens_for_the_dashboards_own_page_only(link, token):
    page = Page(link.port, Cookie=f"{Access(token).cookie}={token}", **WEBSOCKET)
    here = f"http://127.0.0.1:{link.port}"
    assert page.status("/status/ws", Origin=here) == 101
    for origin in ("https://evil.example", "http://127.0.0.1:1", "null"):
        assert page.status("/status/ws", Origin=origin) == 403
        assert page.status(f"/status/ws?token={token}", Origin=origin) == 403
    assert page.status("/status/ws", Origin=here, Cookie="") == 403
    assert page.status("/status/ws", Origin="http://evil.example", Host="evil.example") == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8787", "", "localhost.", "[::]:1"]
)
def test_a_name_that_was_made_to_point_here_gets_nothing(ports, token, host):
    for port in ports:
        assert Page(port, **bearer(token)).status("/metrics", Host=host) in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:1", "127.1.2.3", "[::1]:8888"])
def test_any_name_of_loopback_will_do_as_a_proxy_on_this_machine_has_one_of_its_own(ports, token, host):
    for port in ports:
        assert Page(port, **bearer(token)).status("/metrics", Host=host) == 200
        assert Page(port, **bearer(token)).status("/metrics", Host=host, Origin=f"https://{host.lower()}") == 200


def test_names_of_a_proxy_are_allowed_where_the_configuration_says_so(token, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_URL", "https://hub.example.org/user/ada/")
    with dask.config.set(
        {
            "moorage.cluster.dashboard-hosts": ["Lab.example.org"],
            "distributed.dashboard.link": "https://desk.example.org/proxy/{port}/status",
        }
    ):
        assert set(Access.new().hosts) == {"lab.example.org", "desk.example.org", "hub.example.org"}
    monkeypatch.delenv("JUPYTERHUB_PUBLIC_URL")
    assert Access.new().hosts == ()

    def refused(**headers):
        return bool(Access(token, ("lab.example.org",)).refusal(request(Authorization=f"token {token}", **headers)))

    assert not refused(Host="lab.example.org", Origin="https://lab.example.org")
    assert not refused(Host="127.0.0.1:8787", Origin="https://lab.example.org")  # a proxy that calls us by our own name
    assert refused(Host="lab.example.org", Origin="https://evil.example")
    assert refused(Host="evil.example", Origin="https://lab.example.org")


def request(uri="/status", **headers):
    named = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    return HTTPServerRequest(
        start_line=RequestStartLine("GET", uri, "HTTP/1.1"), headers=named, connection=HTTPConnection()
    )


def test_behind_a_proxy_the_cookie_is_for_the_proxied_path_only(token):
    """Jupyter's proxy serves those of other users, too, where one hub has one name for all."""
    access = Access(token)
    proxied = request(Host="hub", X_Forwarded_Context="/user/ada/proxy/8787", X_Forwarded_Proto="https,http")
    attributes = _cookie(proxied, access).split("; ")
    assert {"Path=/user/ada/proxy/8787", "Secure", "SameSite=Lax"} <= set(attributes)
    assert "Path=/" in _cookie(request(Host="hub", X_Forwarded_Context="/; Domain=example.org"), access).split("; ")


def test_within_a_page_of_another_name_for_this_machine_the_cookie_is_bound_to_that_page(token):
    framed = request(Host="127.0.0.1", Sec_Fetch_Dest="iframe", Sec_Fetch_Site="cross-site")
    assert {"SameSite=None", "Secure", "Partitioned"} <= set(_cookie(framed, Access(token)).split("; "))


def test_the_token_is_in_no_argument_and_no_environment(cluster, token):
    host = psutil.Process(cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"])
    for process in [host, *host.children(recursive=True)]:
        assert token not in " ".join([*process.cmdline(), *process.environ().values()])
    assert token not in " ".join(os.environ.values())
    assert token not in repr(Access(token))


def test_clusters_do_not_open_each_other(cluster, ports, token):
    with moorage.start(n_workers=0) as other:
        port = urlsplit(other.dashboard_link).port
        assert Page(port, **bearer(token)).status("/metrics") == 403
        assert Page(port).status("/metrics", Cookie=f"{Access(token).cookie}={token}") == 403
        (theirs,) = parse_qs(urlsplit(other.dashboard_link).query)["token"]
        assert Access(theirs).cookie != Access(token).cookie

"""Dask's dashboard in a browser: it opens by the panel's link, and other pages in that browser get nothing of it."""

import http.server
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

FOREIGN = b"<!DOCTYPE html><title>another page</title>"

ASK = """async dashboard => {
  const base = dashboard.split('/status')[0];
  const got = [];
  for (const [mode, credentials] of [['cors', 'include'], ['cors', 'omit']]) {
    for (const url of [dashboard, base + '/metrics', base + '/status/autoload.js?bokeh-autoload-element=1']) {
      try {
        const answer = await fetch(url, { mode, credentials });
        got.push(['fetch', url, await answer.text()]);
      } catch {}
    }
  }
  const opened = (tag, attribute, url) => new Promise(resolve => {
    const element = document.createElement(tag);
    element.onload = () => resolve(true);
    element.onerror = () => resolve(false);
    element[attribute] = url;
    document.head.append(element);
  });
  if (await opened('script', 'src', base + '/status/autoload.js?bokeh-autoload-element=1')) got.push(['script']);
  if (await opened('script', 'src', base + '/statics/js/sortable.min.js')) got.push(['statics']);
  const socket = new WebSocket(base.replace('http', 'ws') + '/status/ws' + new URL(dashboard).search, ['bokeh', 'x']);
  await new Promise(resolve => {
    socket.onopen = () => { got.push(['websocket']); resolve(); };
    socket.onerror = resolve;
  });
  return got;
}"""


@contextmanager
def pages(text):
    """Serve a page at every path of a port of 127.0.0.1."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def link(desk):
    return desk.board.get_by_role("link", name="Dask dashboard").get_attribute("href")


def shows_live(page, dashboard):
    """Wait until the page, or frame, at `dashboard` has been drawn from what its websocket says."""
    expect(page.locator(".bk-Figure").first).to_be_visible()
    assert urlsplit(page.url).path == urlsplit(dashboard).path


def test_the_panels_link_opens_the_dashboard_live_and_its_other_pages(link, new_context):
    page = new_context().new_page()
    page.goto(link.partition("?")[0])
    expect(page.locator("body")).to_contain_text("This page is private")
    page.goto(link)
    shows_live(page, link)
    page.locator("a", has_text="Workers").first.click()  # without the token: there is the cookie
    shows_live(page, link.partition("?")[0].replace("status", "workers"))
    page.goto(link.partition("?")[0].replace("status", "info/main/workers.html"))
    expect(page.locator("body")).to_contain_text("alice")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_another_page_in_the_same_browser_gets_nothing(link, new_context, name):
    context = new_context()
    page = context.new_page()
    page.goto(link)
    shows_live(page, link)
    with pages(FOREIGN) as port:
        foreign = context.new_page()
        foreign.goto(f"http://{name}:{port}/")
        assert foreign.evaluate(ASK, link.partition("?")[0]) == []
        assert foreign.evaluate(ASK, link) == []  # not even if it knew the token


def test_a_page_of_another_name_for_this_machine_may_frame_it(link, new_context):
    """As dask-labextension does in a JupyterLab at localhost."""
    frame = f'<!DOCTYPE html><iframe width=800 height=600 src="{link}"></iframe>'
    with pages(frame.encode()) as port:
        page = new_context().new_page()
        page.goto(f"http://localhost:{port}/")
        page.wait_for_load_state()
        shows_live(page.frames[1], link)

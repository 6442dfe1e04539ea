"""Does the panel stay quick on a large cluster? 10,000 workers, 1,000 variables on all of them, in a real browser.

The view that the panel and the board share is shown in a plain page over a simulated kernel: no JupyterLab, no Dask.

* Snapshot: the bytes of the message that tells all.
* First paint: from the text of the snapshot to the next frame that shows workers.
* Update: from an update's arrival to the end of layout, for a copy that goes and comes, for the memory of a twentieth
  of the workers, and for a worker that joins and gets all variables.
* Frames: scrolling both lists by wheel, and carrying a variable over the workers and along the edge where the list
  scrolls by itself. Given are the longest interval between two frames, and the most CPU time that a task of the page's
  main thread has taken; on a machine that is busy with other things only the latter says something of the panel.

Each in a narrow side panel and in a wide tab. Usage: ``python benchmarks/panel/panel_large.py [--workers 10000]
[--variables 1000] [--rounds 3]``. Takes about two minutes; needs node and Chromium.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.panel.chromium import launch_options

ROOT = Path(__file__).parents[2]
SIZES = {"side panel": {"width": 320, "height": 1000}, "tab": {"width": 1300, "height": 1000}}

PAINT = """([workers, variables]) => new Promise(resolve => {
  const text = window.aLargeSnapshot(workers, variables);
  const begin = performance.now();
  window.show(text);
  requestAnimationFrame(() => setTimeout(() => {
    if (document.querySelector('[data-moorage-worker]') === null) throw new Error('no worker is shown');
    resolve([performance.now() - begin, new TextEncoder().encode(text).length]);
  }));
})"""

UPDATE = """change => new Promise(resolve => requestAnimationFrame(async () => {
  const begin = performance.now();
  window.push(change);
  await null;
  document.body.getBoundingClientRect();
  resolve(performance.now() - begin);
}))"""

WATCH = """() => {
  const seen = (window.seen = { longest: 0, ends: false });
  let last = performance.now();
  const frame = now => {
    seen.longest = Math.max(seen.longest, now - last);
    last = now;
    if (!seen.ends) requestAnimationFrame(frame);
  };
  requestAnimationFrame(now => { last = now; requestAnimationFrame(frame); });
}"""
TASKS = "disabled-by-default-devtools.timeline"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: str) -> Iterator[str]:
    """Serve a folder on this machine; yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


@contextmanager
def watched(page: Page, found: list[tuple[float, float]]) -> Iterator[None]:
    """Add the longest interval between frames, and the longest task in CPU time, of what is done to `found`, in ms."""
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=[TASKS, "__metadata"])
    page.evaluate(WATCH)
    yield
    page.evaluate("() => { window.seen.ends = true }")
    longest = page.evaluate("window.seen.longest")
    events = json.loads(browser.stop_tracing())["traceEvents"]
    threads = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    work = [
        e.get("tdur", e["dur"]) / 1e3
        for e in events
        if e["name"] == "RunTask" and e["ph"] == "X" and threads.get((e["pid"], e["tid"])) == "CrRendererMain"
    ]
    found.append((longest, max(work)))


def scroll(page: Page, selector: str) -> None:
    """Scroll a list down and up by wheel: slowly, then as fast as it goes."""
    page.locator(selector).hover()
    for step in (120, 120, 700, -700, 4000, 4000, -4000):
        for _ in range(8):
            page.mouse.wheel(0, step)
            page.wait_for_timeout(16)


def carry(page: Page) -> None:
    """Carry a variable over the workers, let the list scroll under it, go on, and put it back."""
    page.evaluate("() => document.querySelectorAll('.jp-Moorage-list').forEach(list => list.scrollTo(0, 0))")
    page.wait_for_timeout(200)
    grip = page.locator(".jp-Moorage-variable-grip").first.bounding_box()
    area = page.locator(".jp-Moorage-workers .jp-Moorage-list").bounding_box()
    assert grip is not None
    assert area is not None
    page.mouse.move(grip["x"] + 30, grip["y"] + 10)
    page.mouse.down()
    left, right = area["x"] + 20, area["x"] + area["width"] - 30
    top, bottom = area["y"] + 10, area["y"] + area["height"] - 4
    over = 0
    for y in (top, bottom - 150, top + 60, bottom - 250):
        page.mouse.move(right if y == top else left, y, steps=25)
        over += page.locator(".jp-mod-over").count()
    for _ in range(20):  # at the edge
        page.mouse.move(left, bottom - 8)
        page.wait_for_timeout(30)
        page.mouse.move(left + 4, bottom - 6)
        page.wait_for_timeout(30)
    page.mouse.move(right, top + 40, steps=25)
    if over == 0:  # between two cards it may be over none
        raise AssertionError("what is carried is over no target")
    page.keyboard.press("Escape")
    page.mouse.up()


def changes(workers: int, variables: int) -> dict[str, Callable[[int], dict[str, Any]]]:
    """Return what an update says, by what it is about."""

    def copies(worker: str, held: int) -> dict[str, Any]:
        return {"held": {"others": {worker: held}}, "pending": {"others": {worker: 1 - held}}}

    def joins(i: int) -> dict[str, Any]:
        worker = {
            "name": f"new{i}", "host": f"host{i}", "nthreads": 2, "status": "running", "memory_limit": 2**31,
            "managed": 0, "process": 2**27, "spilled": 0, "collections": 0, "results": 0,
            "host_shared": 0, "host_free": -1, "shares": False,
        }  # fmt: skip
        lacking = {"state": "moving", "pending": {"others": {f"new{i}": 1}}}
        return {"workers": {f"new{i}": worker}, "variables": {f"v{j}": lacking for j in range(variables)}}

    return {
        "a copy goes": lambda i: {"variables": {"v7": copies(f"w{i}", 0)}},
        "a copy arrives": lambda i: {"variables": {"v7": copies(f"w{i}", 1)}},
        "the memory of a twentieth": lambda i: {
            "workers": {f"w{j}": {"process": (500 + i) * 2**20} for j in range(i % 20, workers, 20)}
        },
        "a worker lacks all variables": lambda i: {
            "variables": {f"v{j}": copies(f"w{i}", 0) for j in range(variables)}
        },
        "a worker joins": joins,
        "all has come to a worker": lambda i: {
            "variables": {f"v{j}": {"state": "held", **copies(f"new{i}", 1)} for j in range(variables)}
        },
    }


def measure(page: Page, address: str, size: tuple[int, int], rounds: int) -> None:
    """Print the table of one size."""
    paints: list[float] = []
    nbytes = 0
    for i in range(rounds):
        page.goto(f"{address}/index.html?{i}#none,light")
        page.wait_for_function("() => 'show' in window")
        paint, nbytes = page.evaluate(PAINT, size)
        paints.append(paint)
    print(f"  snapshot                          {nbytes:10,} bytes")
    print(f"  first paint                       {statistics.median(paints):6.0f} ms median {max(paints):6.0f} ms worst")
    for name, change in changes(*size).items():
        times = [page.evaluate(UPDATE, change(i)) for i in range(40)][4:]
        print(f"  {name:33} {statistics.median(times):6.1f} ms median {max(times):6.1f} ms worst")
    gestures: dict[str, Callable[[], None]] = {
        "scrolling the variables": lambda: scroll(page, ".jp-Moorage-variables .jp-Moorage-list"),
        "scrolling the workers": lambda: scroll(page, ".jp-Moorage-workers .jp-Moorage-list"),
        "dragging": lambda: carry(page),
    }
    for name, gesture in gestures.items():
        found: list[tuple[float, float]] = []
        for _ in range(rounds):
            with watched(page, found):
                gesture()
        longest, work = max(one for one, _ in found), max(other for _, other in found)
        print(f"  {name:33} {longest:6.0f} ms longest interval {work:6.0f} ms of CPU longest task")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=10_000)
    parser.add_argument("--variables", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        build = ["node", "tests/labextension/harness/build.mjs", folder]
        subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=60)
        browser = playwright.chromium.launch(**launch_options())
        try:
            with served(folder) as address:
                for name, size in SIZES.items():
                    print(f"{name}, {size['width']} x {size['height']} pixels")
                    page = browser.new_page(viewport=size)  # type: ignore[arg-type]
                    page.set_default_timeout(20_000)
                    measure(page, address, (args.workers, args.variables), args.rounds)
                    page.close()
        finally:
            browser.close()


if __name__ == "__main__":
    main()

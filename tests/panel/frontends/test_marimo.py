"""The board in marimo, as its own package serves it: a notebook without IPython, whose widgets are in shadow trees."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import pytest
from playwright.sync_api import expect

from tests.extras import installed
from tests.panel.conftest import SCREENSHOTS
from tests.panel.desk import Desk
from tests.panel.hands import Keys, Mouse

NOTEBOOK = """
import marimo
app = marimo.App(width="medium")

@app.cell
def _():
    import moorage
    import numpy as np
    cluster = moorage.start(2, threads_per_worker=1, memory_limit="400MB", names=["alice", "bob"])
    return cluster, moorage, np

@app.cell
def _(np):
    grid = np.ones((1000, 500))
    return (grid,)

@app.cell
def _(cluster, grid):
    total = cluster.submit(lambda: float(grid.sum())).result()
    return (total,)

@app.cell
def _(total):
    f"sum: {total}"
    return

@app.cell
def _(cluster, moorage):
    moorage.board()
    return
"""
PATIENCE = 60


@pytest.fixture
def desk(tmp_path, new_context):
    """A page with a marimo notebook that shows a board with two workers."""
    packages = installed(tmp_path / "packages", "marimo==0.25.2")
    (tmp_path / "notebook.py").write_text(NOTEBOOK)
    environment = os.environ | {f"XDG_{kind}_HOME": str(tmp_path) for kind in ("CACHE", "CONFIG", "DATA", "STATE")}
    command = [sys.executable, "-m", "marimo", "run", "notebook.py", "--headless", "--no-token"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            command, env=environment | {"PYTHONPATH": str(packages)}, cwd=tmp_path, stdout=log, stderr=log
        )
    try:
        desk = Desk(new_context().new_page(), None)
        desk.page.goto(address(server, tmp_path / "log"))
        yield desk
        assert desk.errors == []
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(PATIENCE)


def address(server, log):
    """Wait until the server has said where it is, and is there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError):
            if found := re.search(r"URL: (\S+)", log.read_text()):
                urllib.request.urlopen(found[1], timeout=PATIENCE).close()
                return found[1]
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def test_variables_of_a_marimo_notebook_are_placed_by_hand(desk):
    desk.is_("connected")
    expect(desk.page.get_by_text("sum: 500000.0")).to_be_visible()
    expect(desk.variable("grid")).to_be_visible()
    mouse, keys = Mouse(desk), Keys(desk)
    mouse.carry(desk.grip("grid"), desk.worker("bob"))
    desk.holds("grid", "bob")
    mouse.carry(desk.chip("grid", "bob"), desk.worker("alice"))
    desk.holds("grid", "alice")
    keys.carry(desk.grip("grid"), desk.target("all-workers"))
    desk.holds("grid", "alice", "bob")
    keys.menu(desk.grip("grid"))
    expect(desk.page.get_by_role("menu")).to_have_css("border-radius", "6px")  # its styles are where it is
    desk.page.screenshot(path=SCREENSHOTS / "marimo.png")
    mouse.choose("release")
    desk.holds("grid")

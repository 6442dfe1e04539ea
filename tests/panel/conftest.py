"""One JupyterLab for all tests here, with one kernel that has a cluster of four workers; pages come and go."""

import os
from pathlib import Path

import matplotlib
import pytest
from playwright.sync_api import expect

from tests.panel.desk import Desk
from tests.panel.lab import Lab

CHROMIUM = "/usr/bin/chromium"
# The fonts that come with matplotlib, and no others, drawn alike on every machine: for the pictures in baseline/.
FONTS = f"""<fontconfig>
<dir>{matplotlib.get_data_path()}/fonts/ttf</dir>
<match target="pattern">
<edit name="antialias" mode="assign"><bool>true</bool></edit>
<edit name="hinting" mode="assign"><bool>false</bool></edit>
<edit name="rgba" mode="assign"><const>none</const></edit>
</match>
<match target="pattern"><test name="family"><string>monospace</string></test>
<edit name="family" mode="assign" binding="strong"><string>DejaVu Sans Mono</string></edit></match>
<cachedir>%s</cachedir>
</fontconfig>"""
WORKERS = ("alice", "bob", "carol", "dave")
FAILED = pytest.StashKey[bool]()
SCREENSHOTS = Path(__file__).parent / "screenshots"

START = f"""
import numpy as np
%load_ext moorage
%cluster start --names {",".join(WORKERS)} --threads 1 --memory 1GB
"""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fonts")
    (folder / "fonts.conf").write_text(FONTS % folder)
    if os.path.exists(CHROMIUM):
        browser_type_launch_args = {**browser_type_launch_args, "executable_path": CHROMIUM}
    environment = os.environ | {"FONTCONFIG_FILE": str(folder / "fonts.conf")}
    return {**browser_type_launch_args, "args": ["--no-sandbox"], "env": environment}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args):
    return {
        **browser_context_args,
        "viewport": {"width": 1400, "height": 900},
        "reduced_motion": "reduce",
        "permissions": ["clipboard-read", "clipboard-write"],
    }


@pytest.fixture(scope="session")
def lab(tmp_path_factory, short_folder):
    expect.set_options(timeout=20_000)
    SCREENSHOTS.mkdir(exist_ok=True)
    lab = Lab(tmp_path_factory.mktemp("lab"), short_folder())
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def shared_kernel(lab):
    kernel = lab.notebook("shared.ipynb", "1 + 1")
    kernel.run(START)
    yield kernel
    kernel.run("%cluster stop")
    kernel.close()


@pytest.fixture
def kernel(shared_kernel):
    """The kernel of shared.ipynb, with four workers on which nothing is placed, and no variables."""
    shared_kernel.run(
        "cluster.release(*cluster)\nfor notice in list(cluster.notices): cluster.dismiss(notice)\n"
        "for _name in [n for n in globals() if n not in _initial]: del globals()[_name]"
        if "ready" in vars(shared_kernel)
        else "_initial = {*globals(), '_initial', 'In', 'Out', 'get_ipython', 'exit', 'quit', 'open'}"
    )
    shared_kernel.ready = True
    return shared_kernel


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


def take_failed(desk, request, number=0):
    """Take a picture of what a test has failed with, which CI keeps."""
    desk.page.screenshot(path=SCREENSHOTS / f"failed-{request.node.name}-{number}.png")


@pytest.fixture
def open_desk(lab, new_context, request):
    """Open pages; each must end without an error of its scripts."""
    desks = []

    def open_desk(notebook="shared.ipynb", status="connected"):
        desk = Desk(new_context().new_page(), lab)
        desks.append(desk)
        return desk.open(notebook, status)

    yield open_desk
    for number, desk in enumerate(desks):
        if request.node.stash.get(FAILED, False):
            take_failed(desk, request, number)
        assert desk.errors == []


@pytest.fixture(scope="session")
def shared_page(browser, browser_context_args):
    """The page that tests share, as a list of at most one desk: it opens within seconds, not within none."""
    with browser.new_context(**browser_context_args) as context:
        yield SharedPage(context)


class SharedPage:
    """A page for many tests, opened again after one that has failed."""

    def __init__(self, context):
        self._context = context
        self._desk = None

    def desk(self, lab):
        if self._desk is None:
            self._desk = Desk(self._context.new_page(), lab).open("shared.ipynb")
        return self._desk

    def close(self):
        self._desk.page.close()
        self._desk = None


@pytest.fixture
def desk(kernel, lab, shared_page, request):
    """A page with shared.ipynb and the panel."""
    desk = shared_page.desk(lab)
    desk.shows_nothing()  # what the test before has left goes away a moment after the kernel has let go of it
    yield desk
    errors = desk.errors
    if request.node.stash.get(FAILED, False) or errors:
        take_failed(desk, request)
        shared_page.close()
        kernel.interrupt()  # a cell that it may have left
    assert errors == []

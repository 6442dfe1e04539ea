"""One JupyterLab for all tests here, with one kernel that has a cluster of four workers, and few pages.

To load JupyterLab takes as much of a processor as a dozen drags: most tests share one page (`desk`), where they open
other notebooks as its user would. Those that are about pages (`open_desk`) get some that others had before.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Error, expect

from tests.panel.chromium import launch_options
from tests.panel.desk import Desk
from tests.panel.lab import Lab

(MATPLOTLIB,) = find_spec("matplotlib").submodule_search_locations
# The fonts that come with matplotlib, and no others, drawn alike on every machine: for the pictures in baseline/.
FONTS = f"""<fontconfig>
<dir>{MATPLOTLIB}/mpl-data/fonts/ttf</dir>
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
    environment = os.environ | {"FONTCONFIG_FILE": str(folder / "fonts.conf")}
    return {**browser_type_launch_args, **launch_options(), "env": environment}


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
    expect.set_options(timeout=60_000)
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
        "for _name in [n for n in globals() if n not in _initial]: del globals()[_name]\n"
        "get_ipython().displayhook.flush()  # what was shown; and collects garbage, which holds results"
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


@pytest.fixture(scope="session")
def spare_desks(browser, browser_context_args):
    """Pages that no test uses now: JupyterLab loads faster where it was loaded before."""
    with browser.new_context(**browser_context_args) as context:
        yield SpareDesks(context)


class SpareDesks:
    """A browser's pages: taken to be used, and given back."""

    def __init__(self, context):
        self._context = context
        self._spare = []

    def take(self, lab):
        return self._spare.pop() if self._spare else Desk(self._context.new_page(), lab)

    def give_back(self, desks):
        for desk in desks:
            desk.leave()
        for page in self._context.pages:
            if page not in [desk.page for desk in desks]:
                page.close()
        self._spare = desks

    def close(self):
        for page in self._context.pages:
            page.close()


@pytest.fixture
def open_desk(lab, spare_desks, request):
    """Open pages; each must end without an error of its scripts."""
    desks = []

    def open_desk(notebook="shared.ipynb", status="connected"):
        desks.append(spare_desks.take(lab))
        return desks[-1].open(notebook, status)

    yield open_desk
    errors = [error for desk in desks for error in desk.errors]
    if request.node.stash.get(FAILED, False) or errors:
        for number, desk in enumerate(desks):
            take_failed(desk, request, number)
        spare_desks.close()
    else:
        spare_desks.give_back(desks)
    assert errors == []


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
        else:
            self._desk.tidy("shared.ipynb")
        return self._desk

    def close_others(self):
        for page in self._context.pages:
            if page is not self._desk.page:
                page.close()

    def close(self, request):
        if self._desk is not None:
            take_failed(self._desk, request)
            self._desk.page.close()
        self._desk = None


@pytest.fixture
def desk(kernel, lab, shared_page, request):
    """A page with shared.ipynb and the panel; what else a test opens there is closed again."""
    try:
        desk = shared_page.desk(lab)
        desk.shows_nothing()  # what the test before has left goes away a moment after the kernel has let go of it
    except (AssertionError, Error):
        shared_page.close(request)  # else no test after this one would get further
        raise
    yield desk
    shared_page.close_others()
    errors = desk.errors
    if request.node.stash.get(FAILED, False) or errors:
        shared_page.close(request)
        kernel.interrupt()  # a cell that it may have left
    assert errors == []

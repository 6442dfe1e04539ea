"""The panel while a cell runs: it places, it shows what is placed, and a reload fills it again."""

from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.panel.conftest import WORKERS

SLEEPS = "import os, time\nwhile not os.path.exists({go!r}): time.sleep(0.2)\nopen({ended!r}, 'w').close()"
COMPUTES = "import os\ni = 0\nwhile i % 1_000_000 or not os.path.exists({go!r}): i += 1\nopen({ended!r}, 'w').close()"
PUSHES = "%pin spare --workers alice\n" + SLEEPS  # a push from the shell that then is busy


@pytest.fixture
def running(kernel, desk, tmp_path):
    """Run a cell of the notebook while a context is open, and see that it comes to its own end."""

    @contextmanager
    def running(source):
        go, ended = tmp_path / "go on", tmp_path / "ended"
        try:
            desk.run_cell("print('beg' + 'un')\n" + source.format(go=str(go), ended=str(ended)))
            cell = desk.page.locator(".jp-Cell", has_text=str(ended))
            expect(cell.locator(".jp-OutputArea-output").first).to_contain_text("begun")
            yield
            assert not ended.exists()
        finally:
            go.touch()
        kernel.run("")  # comes after it
        assert ended.exists()

    return running


@pytest.mark.parametrize("cell", [SLEEPS, COMPUTES, PUSHES], ids=["sleeps", "computes", "has pushed"])
def test_a_drop_while_a_cell_runs_is_placed_and_shown(kernel, desk, running, cell):
    kernel.run("grid = np.zeros((1000, 500))\nspare = np.zeros(500_000)")
    expect(desk.variable("grid")).to_be_visible()
    with running(cell):
        desk.drag(desk.grip("grid"), desk.worker("bob"))
        desk.holds("grid", "bob")
        desk.drag(desk.grip("grid"), desk.target("all-workers"))
        desk.holds("grid", *WORKERS)
        desk.drag(desk.grip("grid"), desk.target("release"))
        desk.holds("grid")


def test_a_reload_while_a_cell_runs_fills_the_panel_again(kernel, desk, running):
    kernel.run("grid = np.zeros((1000, 500))\n%broadcast grid")
    desk.holds("grid", *WORKERS)
    with running(SLEEPS):
        desk.page.evaluate("void window.jupyterapp.commands.execute('docmanager:save')")
        desk.reload()
        desk.holds("grid", *WORKERS)
        desk.drag(desk.grip("grid"), desk.worker("bob"))
        desk.holds("grid", "bob")


def test_variables_of_the_notebook_are_listed_while_a_cell_runs(kernel, desk, running):
    kernel.run("grid = np.zeros((1000, 500))")
    with running(SLEEPS):
        desk.reload()
        expect(desk.variable("grid")).to_contain_text("(1000, 500) float64")

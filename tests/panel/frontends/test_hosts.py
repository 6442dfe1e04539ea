"""The panel elsewhere: in Notebook 7, in a tab of the main area, and as a board in the output of a cell."""

import pytest
from playwright.sync_api import expect

from tests.panel.conftest import WORKERS
from tests.panel.desk import Desk
from tests.panel.lab import TOKEN


def test_it_works_in_notebook_7(kernel, lab, new_context):
    kernel.run("grid = np.zeros((1000, 500))")
    desk = Desk(new_context().new_page(), lab)
    desk.page.goto(f"{lab.url}notebooks/shared.ipynb?token={TOKEN}")
    desk.wait_for_notebook()
    desk.open_panel()
    desk.drag(desk.grip("grid"), desk.worker("bob"))
    desk.holds("grid", "bob")
    expect(desk.magic).to_have_text("%pin grid --workers bob")
    assert desk.errors == []


def test_it_opens_in_a_tab_with_more_room(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))")
    desk.command("application:toggle-right-area")
    expect(desk.board).to_have_count(0)
    desk.command("moorage:open-tab")
    expect(desk.variable("grid")).to_be_visible()
    desk.drag(desk.grip("grid"), desk.target("all-workers"))
    desk.holds("grid", *WORKERS)


@pytest.fixture
def bare(kernel, lab, desk):
    """A page with another notebook of the kernel, and no panel beside it."""
    lab.notebook_of(kernel, "bare.ipynb")
    desk.show("bare.ipynb")
    desk.command("application:toggle-right-area")
    expect(desk.board).to_have_count(0)
    return desk


@pytest.fixture
def board(bare):
    """A page whose notebook shows a board, and no panel beside it."""
    bare.run_cell("import moorage\nmoorage.board()")
    bare.is_("connected")
    bare.board.evaluate("board => board.scrollIntoView()")  # its targets unfold
    return bare


def test_a_board_does_what_the_panel_does(kernel, board):
    kernel.run("grid = np.zeros((1000, 500))")
    board.drag(board.grip("grid"), board.worker("bob"))
    board.holds("grid", "bob")
    kernel.run("%broadcast grid")
    board.holds("grid", *WORKERS)


def test_a_board_that_may_only_look_says_so_and_does_nothing(kernel, bare):
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers alice")
    desk = bare
    desk.run_cell("import moorage\nlooking = moorage.board(read_only=True)\nlooking")
    desk.is_("connected")
    desk.holds("grid", "alice")
    expect(desk.board).to_contain_text("read-only")
    expect(desk.grip("grid")).to_have_attribute("aria-disabled", "true")
    desk.run_cell("looking.read_only = False")
    expect(desk.grip("grid")).to_have_attribute("aria-disabled", "false")
    desk.drag(desk.grip("grid"), desk.worker("bob"))
    desk.holds("grid", "alice", "bob")


def test_a_board_works_while_a_cell_runs(kernel, board, tmp_path):
    kernel.run("grid = np.zeros((1000, 500))")
    expect(board.variable("grid")).to_be_visible()
    go = tmp_path / "go on"
    with kernel.running(
        f"%pin grid --workers alice\nimport os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(1)"
    ):
        board.holds("grid", "alice")  # pushed by the shell that is busy now
        board.drag(board.grip("grid"), board.worker("carol"))
        board.holds("grid", "alice", "carol")


def test_a_board_goes_on_after_the_extension_was_loaded_anew(kernel, board):
    kernel.run("%reload_ext moorage")
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers alice")
    board.board.get_by_role("button", name="Cluster menu").click()
    board.page.get_by_role("menuitemcheckbox", name="Adapt to load").click()  # the next act finds the kernel again
    board.holds("grid", "alice")
    kernel.run("cluster.adapt()\ncluster.scale(4)")


def test_the_panel_goes_on_when_the_notebook_is_closed_that_opened_the_kernel_first(kernel, lab, open_desk):
    """JupyterLab lets only that one have comms, as long as the page is there."""
    desk = open_desk()
    lab.notebook_of(kernel, "bare.ipynb")
    desk.show("bare.ipynb")
    desk.close_others("bare.ipynb")
    desk.is_("connected")
    kernel.run("grid = np.zeros((1000, 500))")
    desk.drag(desk.grip("grid"), desk.worker("bob"))
    desk.holds("grid", "bob")

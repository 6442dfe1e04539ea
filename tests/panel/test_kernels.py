"""Kernels that come, restart, die and change; pages that are reloaded and stand side by side."""

import os
import signal
import sys
import time

import pytest
from playwright.sync_api import expect

from moorage.wire.scheduler import PROTOCOL_VERSION
from tests.panel.conftest import WORKERS

OPEN = """
import comm, threading
comms = list(comm.get_comm_manager().comms.values())
print(sum(one.target_name.startswith("moorage.") for one in comms), threading.active_count())
"""
PATIENCE = 60


def wait_until_open(kernel, comms, threads=10**6):
    """Wait until a kernel has so many comms of ours, two for each page, and at most so many threads; return these."""
    deadline = time.monotonic() + PATIENCE
    while True:
        open_comms, open_threads = map(int, kernel.run(OPEN).split())
        if open_comms == comms and open_threads <= threads:
            return open_threads
        assert time.monotonic() < deadline, f"{open_comms} comms and {open_threads} threads"
        time.sleep(0.2)  # the kernel has to come to it


@pytest.fixture
def plain(lab):
    """A notebook whose kernel has no moorage yet."""
    kernel = lab.notebook("plain.ipynb", "1 + 1")
    yield kernel
    kernel.close()


@pytest.fixture
def loaded(plain, desk):
    """The shared page with that notebook in front, whose kernel has loaded moorage."""
    plain.run("%load_ext moorage")
    desk.show("plain.ipynb")
    expect(desk.board.get_by_role("button", name="Start 2 workers")).to_be_visible()
    return desk


def test_from_an_empty_notebook_to_a_variable_on_a_worker(plain, open_desk):
    """What a new user does: five presses, with nothing typed but code of one's own."""
    desk = open_desk("plain.ipynb", "absent")
    desk.command("application:toggle-right-area")
    expect(desk.board).to_have_count(0)
    desk.page.evaluate("window.presses = 0; addEventListener('pointerdown', () => { presses++; }, true)")
    desk.page.get_by_role("tab", name="Moorage").click()
    desk.board.get_by_role("button", name="Insert %load_ext moorage").click()
    desk.command("moorage:load")  # it is there already
    assert desk.cells().count("%load_ext moorage") == 1
    desk.page.get_by_role("button", name="Run this cell and advance").click()
    desk.is_("connected")
    desk.board.get_by_role("button", name="Start 2 workers").click()
    expect(desk.board.locator("[data-moorage-cluster=starting]")).to_be_visible()
    expect(desk.worker("0")).to_be_visible()
    desk.run_cell("notes = bytes(3_000_000)")
    desk.drag(desk.grip("notes"), desk.worker("0"))
    desk.holds("notes", "0")
    assert plain.run("print(cluster.placement()['notes'].holders)") == "['0']\n"
    near = "print(cluster.submit(lambda: (len(notes), distributed.get_worker().name)).result())"
    assert plain.run(f"import distributed\n{near}") == "(3000000, '0')\n"
    assert desk.page.evaluate("presses") == 5
    desk.board.get_by_role("button", name="One worker more").click()
    expect(desk.worker("2")).to_be_visible()
    desk.board.get_by_role("button", name="Cluster menu").click()
    desk.page.get_by_role("menuitem", name="Stop the cluster").click()
    question = desk.board.get_by_role("alertdialog")
    expect(question).to_contain_text("Its workers hold notes.")
    question.get_by_role("button", name="Stop").click()
    expect(desk.board.get_by_role("button", name="Start 2 workers")).to_be_visible()


def test_a_kernel_of_another_environment_says_what_to_install_and_where(lab, open_desk):
    lab.add_kernel("elsewhere", "import sys; sys.path[:] = [one for one in sys.path if not one.endswith('py_src')]")
    kernel = lab.notebook("elsewhere.ipynb", "1 + 1", kernel="elsewhere")
    try:
        desk = open_desk("elsewhere.ipynb", "missing")
        expect(desk.board).to_contain_text(sys.prefix)
        desk.board.get_by_role("button", name="Insert %pip install moorage").click()
        assert "%pip install moorage\n%load_ext moorage" in desk.cells()
        assert kernel.run("print(len(In), _oh)") == "2 {}\n"  # what was asked has left no trace
    finally:
        kernel.close()


def test_a_restarted_kernel_has_no_moorage_until_it_is_loaded_again(loaded):
    loaded.restart_kernel()
    loaded.is_("absent")
    loaded.run_cell("%load_ext moorage")
    loaded.is_("connected")
    expect(loaded.board.get_by_role("button", name="Start 2 workers")).to_be_visible()


def test_a_restart_by_another_page_is_noticed(loaded, open_desk):
    other = open_desk("plain.ipynb")
    other.restart_kernel()
    other.is_("absent")
    loaded.is_("absent")
    other.run_cell("%load_ext moorage")
    other.is_("connected")
    loaded.is_("connected")


def test_a_kernel_that_dies_is_found_again(plain, loaded):
    os.kill(int(plain.run("import os\nprint(os.getpid())")), signal.SIGKILL)
    loaded.is_("absent")  # the server has started it anew
    loaded.page.locator(".jp-Dialog").get_by_role("button", name="Ok").click()  # JupyterLab says so
    loaded.run_cell("%load_ext moorage")
    loaded.is_("connected")


def test_an_unloaded_extension_is_told_and_a_loaded_one_is_found(plain, loaded):
    plain.run("%unload_ext moorage")
    loaded.is_("absent")
    plain.run("%load_ext moorage")
    loaded.is_("connected")


def test_another_protocol_says_so(plain, desk):
    later = PROTOCOL_VERSION + 1
    plain.run(f"import moorage.wire.scheduler\nmoorage.wire.scheduler.PROTOCOL_VERSION = {later}\n%load_ext moorage")
    desk.show("plain.ipynb")
    desk.is_("incompatible")
    expect(desk.board).to_contain_text(f"version {PROTOCOL_VERSION}")
    expect(desk.board).to_contain_text(f"version {later}")


def test_the_panel_follows_the_notebook_that_is_active(kernel, plain, desk):
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers alice")
    plain.run("%load_ext moorage\nother = bytes(3_000_000)")
    desk.holds("grid", "alice")
    desk.show("plain.ipynb")
    expect(desk.board.get_by_role("button", name="Start 2 workers")).to_be_visible()
    desk.show("shared.ipynb")
    desk.holds("grid", "alice")
    desk.drag(desk.grip("grid"), desk.worker("bob"))
    desk.holds("grid", "alice", "bob")


def test_two_tabs_on_one_kernel_show_the_same(kernel, desk, open_desk):
    other = open_desk()
    kernel.run("grid = np.zeros((1000, 500))")
    other.drag(other.grip("grid"), other.worker("dave"))
    desk.holds("grid", "dave")
    desk.drag(desk.grip("grid"), desk.target("all-workers"))
    other.holds("grid", *WORKERS)


def test_a_duplicated_tab_does_not_fight_for_the_channel(kernel, desk, open_desk):
    """The browser copies a tab with its storage, and with that its name."""
    other = open_desk(status=None)
    name = desk.page.evaluate("sessionStorage.getItem('moorage:tab')")
    other.page.evaluate("name => sessionStorage.setItem('moorage:tab', name)", name)
    other.reload()
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers alice")
    desk.is_("connected")
    other.is_("connected")
    desk.holds("grid", "alice")
    other.holds("grid", "alice")


def test_a_tab_that_crashed_leaves_nothing_behind_once_another_opens(plain, loaded):
    doomed = loaded.in_another_tab("plain.ipynb")
    threads, subshells = wait_until_open(plain, 4), loaded.subshells()
    doomed.crash()
    loaded.in_another_tab("plain.ipynb")
    wait_until_open(plain, 4, threads)
    assert loaded.subshells() == subshells


def test_reloads_leave_nothing_behind(plain, open_desk):
    """On a kernel without widgets: for these JupyterLab itself leaves a subshell behind with each reload."""
    plain.run("%load_ext moorage")
    desk = open_desk("plain.ipynb")
    desk.reload()
    threads, subshells = wait_until_open(plain, 2), desk.subshells()
    reloads = 20 if os.environ.get("MOORAGE_LONG_TESTS") else 4
    for _ in range(reloads):
        desk.reload()
    wait_until_open(plain, 2, threads + reloads - 1)  # some threads start once, when there is something to do
    assert desk.subshells() == subshells

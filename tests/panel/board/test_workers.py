"""What can be done with a worker by its menu, and by commands."""

from playwright.sync_api import expect

from tests.panel.conftest import SCREENSHOTS

RESTARTED = """
import time
from moorage.errors import UnknownWorkerError
deadline, pid = time.monotonic() + 60, {before}
while pid == {before}:
    assert time.monotonic() < deadline
    time.sleep(0.1)
    try:
        pid = cluster.submit(os.getpid, workers='bob', pure=False).result()
    except UnknownWorkerError:
        pass  # it has gone, and not come back yet
"""


def menu_of(desk, worker):
    desk.worker(worker).get_by_role("button", name=f"Actions for {worker}").click()
    return lambda item: desk.page.locator(f"[data-moorage-menu={item}]").click()


def test_a_worker_is_restarted_and_what_was_placed_comes_back(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers bob")
    desk.holds("grid", "bob")
    before = kernel.run("import os\nprint(cluster.submit(os.getpid, workers='bob', pure=False).result())")
    menu_of(desk, "bob")("restart")
    question = desk.board.get_by_role("alertdialog")
    expect(question).to_contain_text("Restart bob?")
    desk.page.screenshot(path=SCREENSHOTS / "restart.png")
    question.get_by_role("button", name="Restart").click()
    kernel.run(RESTARTED.format(before=before.strip()))
    desk.holds("grid", "bob")


def test_its_log_is_shown(kernel, desk):
    say = "lambda: __import__('logging').getLogger('distributed.worker').warning('ship <b>ahoy</b>')"
    kernel.run(f"cluster.submit({say}, workers='carol', pure=False).result()")
    menu_of(desk, "carol")("log")
    log = desk.board.locator("[data-moorage-why=carol]")
    expect(log).to_contain_text("Log of carol")
    expect(log).to_contain_text("ship <b>ahoy</b>")
    desk.page.screenshot(path=SCREENSHOTS / "log.png")


def test_the_log_is_shown_by_a_command_too(kernel, desk):
    desk.command("moorage:show-log", worker="dave")
    expect(desk.board.locator("[data-moorage-why=dave]")).to_contain_text("Log of dave")

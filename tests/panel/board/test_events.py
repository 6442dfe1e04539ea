"""What has happened shows in the panel's footer, and its list."""

import re

from playwright.sync_api import expect

from tests.panel.conftest import SCREENSHOTS


def test_a_killed_worker_is_told_of_with_what_became_of_its_data(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers bob")
    desk.holds("grid", "bob")
    kernel.run(
        "import os, signal\nos.kill(cluster.submit(os.getpid, workers='bob', pure=False).result(), signal.SIGKILL)"
    )
    desk.board.locator("[data-moorage-event]").click()
    events = desk.board.get_by_role("list", name="Latest events")
    told = re.compile(r"bob was killed \(signal 9\): grid restored on \w+ after")
    expect(events.get_by_role("listitem").filter(has_text=told)).to_be_visible()
    expect(desk.news).to_contain_text("grid restored on")
    desk.page.screenshot(path=SCREENSHOTS / "events.png")
    desk.board.get_by_role("searchbox", name="Filter events").fill("nobody")
    expect(events).not_to_contain_text("bob")
    desk.page.keyboard.press("Escape")
    expect(events).to_have_count(0)
    desk.holds("grid", "bob")

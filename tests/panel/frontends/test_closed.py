"""What works while the panel is closed: the commands, and the item of the status bar."""

import json

from playwright.sync_api import expect

from tests.panel.conftest import SCREENSHOTS

PLACED = """
import time
deadline = time.monotonic() + 60
while 'grid' not in cluster or cluster.placement()['grid'].holders != ['bob']:
    assert time.monotonic() < deadline, list(cluster)
    time.sleep(0.05)
"""


def is_saved_closed(response):
    """Whether the answer is that to a layout whose right side is closed."""
    saved = response.request.method == "PUT" and "/api/workspaces" in response.url
    return saved and json.loads(response.request.post_data)["data"]["layout-restorer:data"]["right"]["collapsed"]


def test_commands_and_the_status_bar_work_after_a_reload(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))")
    with desk.page.expect_response(is_saved_closed):  # Lab saves its layout only after a while
        desk.command("application:toggle-right-area")
    expect(desk.board).to_have_count(0)
    desk.page.reload()
    desk.wait_for_notebook()
    item = desk.page.locator("[data-moorage-status] button")
    expect(item).to_contain_text("4 workers")
    expect(desk.board).to_have_count(0)
    desk.command("moorage:place", names=["grid"], worker="bob")
    kernel.run(PLACED)
    desk.page.screenshot(path=SCREENSHOTS / "status.png")
    item.click()
    desk.holds("grid", "bob")

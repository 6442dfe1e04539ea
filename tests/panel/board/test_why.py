"""Why something is as it is: by a click, a key and the menu, with the line that helps."""

import pytest
from playwright.sync_api import expect

from tests.panel.conftest import SCREENSHOTS

WAITS = """
import contextlib
grid = np.zeros((1000, 500))
with contextlib.suppress(TimeoutError): cluster.scatter(grid, 'grid', broadcast=9, timeout=0)
"""


@pytest.fixture
def waiting(kernel, desk):
    """The panel with a variable of which more copies are asked for than there are workers."""
    kernel.run(WAITS)
    expect(desk.variable("grid")).to_have_attribute("data-moorage-state", "waiting")
    return desk


def test_a_click_on_what_waits_says_why_and_has_the_line_that_helps(waiting):
    waiting.grip("grid").click()
    why = waiting.board.locator("[data-moorage-why=grid]")
    expect(why).to_contain_text("grid is waiting")
    expect(why).to_contain_text("9 copies")
    why.get_by_role("button", name="Copy").click()
    assert waiting.page.evaluate("navigator.clipboard.readText()") == "%cluster scale 9"
    waiting.page.screenshot(path=SCREENSHOTS / "why.png")
    waiting.drag(waiting.grip("grid"), waiting.worker("bob"), modifier="Shift")
    waiting.holds("grid", "bob")
    expect(why).to_have_count(0)  # it is so no longer


def test_the_question_mark_asks_of_a_variable_and_of_a_worker(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers bob")
    desk.holds("grid", "bob")
    desk.grip("grid").focus()
    desk.page.keyboard.press("?")
    expect(desk.board.locator("[data-moorage-why=grid]")).to_contain_text("on bob, as asked")
    expect(desk.announcement).to_contain_text("as asked")
    desk.worker("carol").get_by_role("button", name="Actions for carol").press("?")
    expect(desk.board.locator("[data-moorage-why=carol]")).to_contain_text("carol is running")


def test_the_menu_of_a_collection_asks_of_it(kernel, desk):
    kernel.run("import dask.array\nddf = dask.array.random.random((8, 10**6), chunks=(1, -1)).persist()")
    row = desk.board.locator('[data-moorage-named="ddf"]')
    expect(row).to_be_visible()  # the ledger is asked rarely where that is work
    row.click(button="right")
    desk.page.locator("[data-moorage-menu=why]").click()
    expect(desk.board.locator("[data-moorage-why=ddf]")).to_contain_text("ddf is in memory")
    desk.page.keyboard.press("Escape")

"""What was done last is taken back, by a button and by keys, and what would be lost is said."""

from playwright.sync_api import expect

from tests.panel.conftest import SCREENSHOTS


def test_a_drag_is_taken_back_by_the_button_and_by_keys(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers bob")
    desk.holds("grid", "bob")
    desk.drag(desk.grip("grid"), desk.worker("carol"))
    desk.holds("grid", "bob", "carol")
    undo = desk.board.get_by_role("button", name="Undo")
    expect(undo).to_have_attribute("title", "Undo: grid placed on bob, carol (Ctrl+Z)")
    desk.page.screenshot(path=SCREENSHOTS / "undo.png")
    undo.click()
    desk.holds("grid", "bob")
    expect(desk.magic).to_have_text("%undo")
    kernel.run("%broadcast grid")
    desk.holds("grid", "alice", "bob", "carol", "dave")
    desk.grip("grid").focus()
    desk.page.keyboard.press("Control+z")
    desk.holds("grid", "bob")


def test_what_would_be_lost_is_not_taken_back(kernel, desk):
    kernel.run("%%broadcast only\nnp.zeros((1000, 500))")
    desk.holds("only", "alice", "bob", "carol", "dave")
    desk.board.get_by_role("button", name="Undo").click()
    failure = desk.board.get_by_text("Undoing this would lose only")
    expect(failure).to_be_visible()
    expect(desk.board).to_contain_text("%gather only")
    desk.holds("only", "alice", "bob", "carol", "dave")
    desk.notices.get_by_role("button", name="Dismiss").first.click()

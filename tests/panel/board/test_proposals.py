"""What an assistant asks for is put to the user, wherever the user looks."""

from playwright.sync_api import expect

from tests.jupyter.panel.test_proposals import EVERYWHERE, Assistant
from tests.panel.conftest import SCREENSHOTS


def test_the_user_agrees_in_the_panel(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))")
    assistant = Assistant(kernel)
    assistant.propose("place", names=["grid"], placement=EVERYWHERE, force=False)
    asked = desk.board.locator("[data-moorage-proposal='%broadcast grid']")
    expect(asked).to_contain_text("3.81 MiB a copy")
    desk.page.screenshot(path=SCREENSHOTS / "proposal.png")
    asked.get_by_role("button", name="Do it").click()
    desk.holds("grid", "alice", "bob", "carol", "dave")
    expect(asked).to_have_count(0)
    assert assistant.told.startswith("Done: %broadcast grid")


def test_who_does_not_see_the_panel_is_asked_beside_it(kernel, desk):
    desk.command("application:toggle-right-area")
    expect(desk.board).to_have_count(0)
    assistant = Assistant(kernel)
    assistant.propose("scale", n=3)
    notification = desk.page.get_by_role("alert").filter(has_text="An assistant asks for %cluster scale 3")
    notification.get_by_role("button", name="Refuse").click()
    assert assistant.told == "The user refuses %cluster scale 3."
    expect(notification).to_have_count(0)
    desk.open_panel()

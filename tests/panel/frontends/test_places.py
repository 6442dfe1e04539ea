"""Where the panel is and what it follows: settings, the layout of the window, the launcher, consoles."""

import pytest
from playwright.sync_api import expect


@pytest.fixture
def settings(lab):
    """Write settings of the panel for one test."""
    yield lambda **values: lab.set("moorage", "plugin", **values)
    lab.set("moorage", "plugin")


def test_settings_choose_the_side_and_what_is_listed(kernel, open_desk, settings):
    settings(side="left", threshold=5)
    kernel.run("small = np.zeros(500_000)\nlarge = np.zeros(1_000_000)")
    desk = open_desk()
    expect(desk.page.locator("#jp-left-stack [data-moorage-board]:visible")).to_be_visible()
    expect(desk.variable("large")).to_be_visible()
    expect(desk.variable("small")).to_have_count(0)


def test_a_large_copy_is_asked_about_first(kernel, open_desk, settings):
    settings(confirmAbove=0.001)
    kernel.run("grid = np.zeros((1000, 500))")
    desk = open_desk()
    desk.drag(desk.grip("grid"), desk.worker("bob"))
    question = desk.board.get_by_role("alertdialog")
    expect(question).to_contain_text("grid to bob: copies 3.81 MiB")
    question.get_by_role("button", name="Cancel").click()
    desk.command("moorage:place", names=["grid"], worker="bob")
    dialog = desk.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("3.81 MiB")
    dialog.get_by_role("button", name="Cancel").click()
    expect(desk.variable("grid")).to_have_attribute("data-moorage-state", "unplaced")
    desk.drag(desk.grip("grid"), desk.worker("bob"))
    question.get_by_role("button", name="Copy").click()
    desk.holds("grid", "bob")


def has_saved_the_tab(answer):
    """Whether an answer is that to saving a layout with the panel's tab in front."""
    if answer.request.method != "PUT" or "/api/workspaces/" not in answer.url:
        return False
    layout = answer.request.post_data_json["data"].get("layout-restorer:data", {})
    return layout.get("main", {}).get("current") == "moorage-tab:moorage-tab"


def test_a_tab_from_the_launcher_is_there_again_after_a_reload(kernel, open_desk):
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers alice")
    desk = open_desk()
    desk.command("application:toggle-right-area")
    desk.command("launcher:create")
    with desk.page.expect_response(has_saved_the_tab):
        desk.page.locator(".jp-LauncherCard", has_text="Moorage").click()
    desk.holds("grid", "alice")
    desk.page.reload()
    desk.is_("connected")
    expect(desk.page.locator(".lm-DockPanel-tabBar", has_text="Moorage")).to_be_visible()
    desk.holds("grid", "alice")


def test_the_panel_follows_a_console(lab, desk):
    kernel = lab.notebook("beside.ipynb")
    desk.show("beside.ipynb")
    desk.is_("absent")
    desk.command("console:create", kernelPreference={"name": "python3"}, isLauncher=True)
    expect(desk.page.locator(".jp-CodeConsole")).to_be_visible()
    desk.board.get_by_role("button", name="Insert %load_ext moorage").click()
    expect(desk.page.locator(".jp-CodeConsole-promptCell")).to_contain_text("%load_ext moorage")
    desk.command("console:run-forced")
    desk.is_("connected")
    desk.page.get_by_role("tab", name="beside.ipynb").click()
    desk.is_("absent")
    kernel.close()

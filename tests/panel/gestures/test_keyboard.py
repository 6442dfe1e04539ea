"""The panel without a mouse: keys, menus, commands, what a screen reader is told, and what axe finds."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.panel.conftest import WORKERS

AXE = Path(__file__).parents[3] / "node_modules/axe-core/axe.min.js"
THEMES = ["JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast"]


def test_a_variable_is_placed_by_keys_alone(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))")
    expect(desk.variable("grid")).to_be_visible()
    with desk.keyboard_on(desk.grip("grid")) as keyboard:
        keyboard.press("ArrowDown")
        expect(desk.target("all-workers")).to_contain_class("jp-mod-over")
        expect(desk.announcement).to_contain_text("All workers: copies 3.81 MiB, which workers of a host share")
        keyboard.press("End")
        expect(desk.worker("dave")).to_contain_class("jp-mod-over")
        keyboard.press("ArrowUp")
        expect(desk.announcement).to_contain_text("carol")
        keyboard.press("Enter")
        expect(desk.announcement).to_contain_text("Dropped grid on carol")
    desk.holds("grid", "carol")
    expect(desk.magic).to_have_text("%pin grid --workers carol")


def test_arrow_keys_go_along_the_list_and_tab_leaves_it(kernel, desk):
    kernel.run("one = np.zeros(200_000)\ntwo = np.zeros(300_000)")
    desk.grip("one").focus()
    desk.page.keyboard.press("ArrowDown")
    expect(desk.grip("two")).to_be_focused()
    desk.page.keyboard.press("Tab")
    expect(desk.board.get_by_role("separator")).to_be_focused()
    desk.page.keyboard.press("Tab")
    expect(desk.board.get_by_role("region", name="Workers").locator(":focus")).to_have_count(1)


def test_several_are_selected_and_carried_by_keys(kernel, desk):
    kernel.run("one = np.zeros(400_000)\ntwo = np.zeros(300_000)\nthree = np.zeros(200_000)")
    expect(desk.variable("three")).to_be_visible()
    first, *_ = names = desk.board.locator("[data-moorage-variable]").evaluate_all(
        "rows => rows.map(row => row.dataset.moorageVariable)"
    )
    with desk.keyboard_on(desk.grip(first)) as keyboard:
        keyboard.press("Escape")
    keyboard.press("Shift+ArrowDown")
    with desk.keyboard_on(desk.grip(names[1])) as keyboard:
        expect(desk.announcement).to_contain_text(f"Picked up {names[0]}, {names[1]}")
        keyboard.press("End")
        keyboard.press("Enter")
    desk.holds(names[0], "dave")
    desk.holds(names[1], "dave")
    desk.page.keyboard.press("Control+a")
    with desk.keyboard_on(desk.grip(names[1])) as keyboard:
        expect(desk.announcement).to_contain_text("Picked up 3 variables")
        keyboard.press("ArrowDown")
        keyboard.press("Enter")
    for name in names:
        desk.holds(name, *WORKERS)
    desk.page.keyboard.press("Escape")
    expect(desk.board.locator(".jp-mod-selected")).to_have_count(0)


def test_a_command_does_the_same(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))")
    expect(desk.variable("grid")).to_be_visible()
    desk.command("moorage:place", names=["grid"])
    dialog = desk.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("Where should grid stay?")
    choice = dialog.locator("option", has_text="bob").text_content()
    dialog.locator("select").select_option(label=choice)
    dialog.get_by_role("button", name="Ok").click()
    desk.holds("grid", "bob")
    desk.command("moorage:release", names=["grid"])
    desk.holds("grid")
    desk.command("moorage:undo")
    desk.holds("grid", "bob")
    desk.command("moorage:why", name="grid")
    expect(desk.board.locator("[data-moorage-why]")).to_contain_text("on bob, as asked")


def test_a_command_takes_several_variables_at_once(kernel, desk):
    kernel.run("one = np.zeros(400_000)\ntwo = np.zeros(300_000)\nthree = np.zeros(200_000)")
    expect(desk.variable("three")).to_be_visible()
    for command, then in [("moorage:place", "bob"), ("moorage:release", None)]:
        desk.command(command)
        listed = desk.page.locator(".jp-Dialog select[multiple]")
        first, second = listed.locator("option").all_text_contents()[:2]
        listed.focus()
        for key in ("Home", "Shift+ArrowDown", "Enter"):
            desk.page.keyboard.press(key)
        if then is not None:
            choice = desk.page.locator(".jp-Dialog select:not([multiple])")
            choice.select_option(label=choice.locator("option", has_text=then).text_content())
            desk.page.locator(".jp-Dialog").get_by_role("button", name="Ok").click()
        for name in (first, second):
            desk.holds(name, *([] if then is None else [then]))


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(kernel, desk, theme):
    kernel.run(
        "grid = np.zeros((1000, 500))\nwide = np.zeros(400_000)\n%broadcast grid\n%pin wide --workers alice\n"
        "wide = np.zeros(500_000)\nfree = np.zeros(500_000)"
    )
    expect(desk.variable("free")).to_be_visible()
    desk.command("apputils:change-theme", theme=theme)
    expect(desk.page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
    try:
        assert serious(desk) == []
        with desk.keyboard_on(desk.grip("free")) as keyboard:
            keyboard.press("ArrowDown")
            assert serious(desk) == []
            keyboard.press("Escape")
        desk.grip("grid").click(button="right")
        expect(desk.page.get_by_role("menu")).to_be_visible()
        assert serious(desk, ".jp-Moorage-menu") == []
        desk.page.keyboard.press("Escape")
    finally:
        desk.command("apputils:change-theme", theme=THEMES[0])


def serious(desk, within=".jp-MooragePanel"):
    """Return what axe finds, each with the elements it is about."""
    desk.page.evaluate(AXE.read_text())
    found = desk.page.evaluate("within => axe.run(within)", within)
    return [
        (violation["id"], [node["html"][:200] for node in violation["nodes"]])
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]

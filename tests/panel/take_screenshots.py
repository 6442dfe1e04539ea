"""Pictures of the panel for people to look at, in ``tests/panel/screenshots``; not a test: ``npm run screenshots``."""

import pytest
from playwright.sync_api import expect

from tests.panel.conftest import WORKERS
from tests.panel.pictures import STORY, WORK, take, widen_panel


@pytest.fixture
def at_work(kernel, desk):
    """The panel with several variables in several places, and some that could be placed."""
    kernel.run(WORK)
    desk.holds("flights", *WORKERS)
    expect(desk.variable("sample")).to_be_visible()
    return desk


def test_no_moorage_and_no_cluster(lab, open_desk):
    kernel = lab.notebook("new.ipynb", "import pandas as pd")
    desk = open_desk("new.ipynb", "absent")
    take(desk.page, "absent")
    kernel.run("%load_ext moorage")
    desk.is_("connected")
    take(desk.page, "empty")
    kernel.close()


def test_four_workers_light_and_dark(at_work):
    take(at_work.page, "workers")
    for theme in ("JupyterLab Dark", "JupyterLab Dark High Contrast"):
        at_work.command("apputils:change-theme", theme=theme)
        expect(at_work.page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
        take(at_work.page, theme.removeprefix("JupyterLab ").lower().replace(" ", "-"))
    at_work.command("apputils:change-theme", theme="JupyterLab Light")
    expect(at_work.page.locator("body")).to_have_attribute("data-jp-theme-name", "JupyterLab Light")


def test_a_drag(at_work):
    at_work.carry(at_work.grip("sample"), at_work.worker("carol"))
    take(at_work.page, "dragging")
    at_work.page.keyboard.press("Escape")
    at_work.drop()
    at_work.carry(at_work.grip("sample"), at_work.target("all-workers"))
    take(at_work.page, "dragging-to-all")
    at_work.page.keyboard.press("Escape")
    at_work.drop()


def test_a_failure_and_a_menu(kernel, at_work):
    at_work.grip("grid").click(button="right")
    expect(at_work.page.get_by_role("menu")).to_be_visible()
    take(at_work.page, "menu")
    at_work.page.keyboard.press("Escape")
    kernel.run(
        "cluster.link.notice('error', 'The last copy of model is gone with its worker.', 'Place it again: %pin model.')"
    )
    expect(at_work.notices).to_be_visible()
    take(at_work.page, "failure")


def test_a_tab_and_a_board(kernel, at_work, open_desk):
    desk = open_desk()
    desk.command("application:toggle-right-area")
    desk.run_cell("import moorage\nmoorage.board()")
    desk.is_("connected")
    take(desk.page, "board")
    desk.command("moorage:open-tab")
    expect(desk.board).to_have_count(1)
    take(desk.page, "tab")


@pytest.mark.browser_context_args(viewport={"width": 1180, "height": 740})
def test_the_picture_of_the_readme(lab, open_desk):
    """A notebook at work, and a variable on its way by hand; the README shows it."""
    kernel = lab.notebook("flights.ipynb", *STORY)
    desk = open_desk("flights.ipynb", "absent")
    page = desk.page
    desk.command("application:toggle-left-area")
    desk.command("notebook:run-all-cells")
    expect(desk.variable("days")).to_have_attribute("data-moorage-state", "held")
    widen_panel(page)
    page.locator(".jp-Notebook").evaluate("element => element.scrollTo(0, 0)")
    desk.carry(desk.grip("flights"), desk.target("all-workers"))
    take(page, "readme")
    page.keyboard.press("Escape")
    desk.drop()
    kernel.run("cluster.stop()")
    kernel.close()

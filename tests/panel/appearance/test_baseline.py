"""The panel looks as it did: at rest, dark, while something is carried, with events, and while code runs.

Empty, and with the form that starts a cluster: test_start.
"""

import pytest
from playwright.sync_api import expect

from tests.panel.appearance import baseline
from tests.panel.conftest import WORKERS

DATA = """
import pandas as pd
flights = pd.DataFrame(np.zeros((336_776, 19)))
grid = np.zeros((2048, 2048))
batches = [np.zeros(40_000) for _ in range(64)]
sample = flights.head(120_000).copy()
%broadcast flights
%pin grid --workers alice bob
%scatter batches
"""
SLOW = "%%submit -o slow for n in range(4000)\nimport time\ntime.sleep(0.05)"


@pytest.fixture
def at_rest(kernel, desk):
    kernel.run(DATA)
    desk.holds("flights", *WORKERS)
    desk.holds("batches", *WORKERS)
    desk.holds("grid", "alice", "bob")
    expect(desk.variable("sample")).to_be_visible()
    desk.shows_no_results()
    return desk


def test_it_looks_as_it_did(kernel, at_rest):
    desk, body = at_rest, at_rest.page.locator("body")
    baseline.check(desk, "rest")
    desk.command("apputils:change-theme", theme="JupyterLab Dark")
    expect(body).to_have_attribute("data-jp-theme-name", "JupyterLab Dark")
    baseline.check(desk, "dark")
    desk.command("apputils:change-theme", theme="JupyterLab Light")
    expect(body).to_have_attribute("data-jp-theme-name", "JupyterLab Light")
    baseline.check(desk, "rest")  # rows move while a theme is loaded
    desk.carry(desk.grip("sample"), desk.worker("carol"))
    baseline.check(desk, "carrying")
    desk.page.keyboard.press("Escape")
    desk.drop()
    kernel.run("calm = grid\n%pin calm --workers bob")
    desk.holds("calm", "bob")
    kernel.run("%release calm")
    desk.board.locator("[data-moorage-event]").click()
    desk.board.get_by_role("searchbox", name="Filter events").fill("calm")
    expect(desk.board.get_by_role("listitem").filter(has_text="calm released")).to_be_visible()
    baseline.check(desk, "events", ".jp-Moorage-events:visible")
    desk.page.keyboard.press("Escape")
    desk.run_cell(SLOW)
    row = desk.board.locator("[data-moorage-computation]")
    expect(row).to_contain_text("/s")
    expect(row).to_contain_text("left")
    baseline.check(desk, "running", ".jp-Moorage-computation:visible")
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_have_count(0)


def test_an_element_that_has_moved_is_noticed(at_rest):
    before = baseline.take(at_rest)
    assert baseline.differing(before, baseline.take(at_rest)) == 0
    for element in (at_rest.grip("sample"), at_rest.board.get_by_role("button", name="Cluster menu")):
        element.evaluate("element => { element.style.transform = 'translateX(6px)'; }")
        assert baseline.differing(before, baseline.take(at_rest)) > baseline.MANY
        element.evaluate("element => { element.style.transform = ''; }")

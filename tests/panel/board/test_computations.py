"""What runs is a row, which leads to its cell and ends it."""

from playwright.sync_api import expect

from tests.panel.conftest import SCREENSHOTS

LOOP = "%%submit -o waited for n in range(2000)\nimport time\ntime.sleep(0.05)\n1 / (n % 50)"


def test_a_loop_shows_how_far_it_is_leads_to_its_cell_and_is_cancelled(kernel, desk):
    desk.run_cell(LOOP)
    waited = desk.board.locator("[data-moorage-named=waited]")
    row = waited.locator('[data-moorage-computation="for n in range(2000)"]')
    expect(row).to_contain_text("/s")
    expect(row).to_contain_text("failed")
    expect(row.get_by_role("progressbar")).not_to_have_attribute("aria-valuenow", "0")
    expect(desk.worker("alice").locator("[data-moorage-tasks]")).to_contain_text("for n in range(2000)")
    desk.page.screenshot(path=SCREENSHOTS / "computations.png")
    notebook = "window.jupyterapp.shell.currentWidget.content"
    desk.page.evaluate(f"{notebook}.activeCellIndex = 0")
    row.get_by_role("button", name="Go to the cell").click()
    active = desk.page.evaluate(f"{notebook}.activeCell.model.sharedModel.getSource()")
    assert active == LOOP
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_have_count(0)
    expect(waited).to_contain_text("cancelled")
    expect(desk.board.locator("[data-moorage-tasks]")).to_have_count(0)
    assert "cancelled" in kernel.run("print(waited)")
    desk.page.evaluate(f"{notebook}.activeCellIndex = 0")
    last = desk.board.locator("[data-moorage-event]")
    expect(last).to_contain_text("of 2,000 failed (ZeroDivisionError)")
    last.click()
    newest = desk.board.get_by_role("list", name="Latest events").get_by_role("listitem").first
    newest.get_by_role("button", name="Go to the cell").click()
    assert desk.page.evaluate(f"{notebook}.activeCell.model.sharedModel.getSource()") == LOOP
    last.click()


def test_what_dask_itself_computes_is_a_row_that_leads_to_its_cell_and_is_cancelled(kernel, desk):
    cell = (
        "import time\ndef invert(n):\n    time.sleep(0.05)\n    return 1 / (n % 50)\n"
        "futures = cluster.client.map(invert, range(2000))"
    )
    desk.run_cell(cell)
    row = desk.board.locator('[data-moorage-computation="invert"]')
    expect(row).to_contain_text("of 2,000")
    expect(row).to_contain_text("/s")
    expect(row).to_contain_text("failed")
    expect(row.get_by_role("progressbar")).not_to_have_attribute("aria-valuenow", "0")
    desk.page.screenshot(path=SCREENSHOTS / "plain.png")
    notebook = "window.jupyterapp.shell.currentWidget.content"
    desk.page.evaluate(f"{notebook}.activeCellIndex = 0")
    row.get_by_role("button", name="Go to the cell").click()
    assert desk.page.evaluate(f"{notebook}.activeCell.model.sharedModel.getSource()") == cell
    desk.command("moorage:cancel", label="invert")
    expect(row).to_have_count(0)
    expect(desk.board.locator("[data-moorage-tasks]")).to_have_count(0)
    assert int(kernel.run("print(sum(f.cancelled() for f in futures))")) > 1000

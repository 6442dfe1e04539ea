"""What fills the workers' memory without being placed: a row for each name, and a part of each bar."""

import re

from playwright.sync_api import expect

from tests.panel.conftest import SCREENSHOTS


def test_a_collection_is_a_row_and_a_part_of_the_bars_until_it_is_deleted(kernel, desk):
    kernel.run(
        "grid = np.zeros((1000, 5000))\n%broadcast grid\n"
        "import dask.array\nddf = dask.array.random.random((8, 10**6), chunks=(1, -1)).persist()"
    )
    row = desk.board.locator('[data-moorage-named="ddf"]')
    expect(row).to_contain_text("collection, 8 parts")
    expect(row).to_contain_text("61 MiB")
    legend = desk.board.get_by_role("list", name="Legend of the memory bars")
    expect(legend).to_contain_text("collections")
    expect(desk.worker("alice").get_by_role("img")).to_have_attribute("aria-label", re.compile("collections [1-9]"))
    desk.page.screenshot(path=SCREENSHOTS / "ledger.png")
    kernel.run("del ddf")
    expect(row).to_have_count(0)
    expect(legend).not_to_contain_text("collections")


def test_results_open_into_their_items_each_of_which_says_why(kernel, desk):
    kernel.run("odd = cluster.map(lambda n: 1 / (n % 3), range(7), batch_size=1)\nodd.wait()")
    row = desk.board.locator('[data-moorage-named="odd"]')
    expect(row).to_contain_text("7 of 7 items, 3 failed")
    row.get_by_role("button", name="Show the items of odd").click()
    items = desk.board.locator("[data-moorage-parts=odd]").get_by_role("option")
    expect(items).to_have_count(7)
    expect(items.nth(3)).to_contain_text("ZeroDivisionError: division by zero")
    expect(items.nth(4)).to_contain_text("done on ")
    items.nth(3).click()
    expect(desk.board.locator('[data-moorage-why="odd[3]"]')).to_contain_text("odd.retry()")
    kernel.run("del odd")
    expect(row).to_have_count(0)


def test_a_dict_of_futures_opens_into_its_elements(kernel, desk):
    kernel.run("named = {'one': cluster.client.submit(abs, -1), 'bad': cluster.client.submit(divmod, 1, 0), 'n': 5}")
    row = desk.board.locator('[data-moorage-named="named"]')
    row.get_by_role("button", name="Show the items of named").click()
    elements = desk.board.locator("[data-moorage-parts=named]").get_by_role("option")
    expect(elements).to_have_count(3)
    expect(elements.nth(0)).to_contain_text("'one'done on ")
    expect(elements.nth(2)).to_contain_text("in the notebook")
    elements.nth(1).click()
    expect(desk.board.locator("[data-moorage-why=\"named['bad']\"]")).to_contain_text("ZeroDivisionError")
    kernel.run("del named")
    expect(row).to_have_count(0)

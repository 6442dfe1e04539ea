"""Collections: a row each, that opens into its parts, and is placed by hand though it was not placed before."""

from playwright.sync_api import expect

from tests.panel.conftest import SCREENSHOTS, WORKERS

PATIENCE = 60_000  # the ledger is asked rarely where that is work for the scheduler


def make(kernel, desk, name):
    """Persist an array; return its row in the panel, and what it is taken by."""
    kernel.run(f"import dask.array as da\n{name} = da.random.random((4, 6 * 10**5), chunks=(1, 10**5)).persist()")
    row = desk.board.locator(f'[data-moorage-named="{name}"]')
    expect(row).to_be_visible(timeout=PATIENCE)
    return row, row.get_by_role("button").first


def test_an_array_opens_into_its_blocks_as_plot_draws_them(kernel, desk):
    row, _ = make(kernel, desk, "blocks")
    row.get_by_role("button", name="Show the parts of blocks").click()
    opened = desk.board.locator("[data-moorage-parts=blocks]")
    words = kernel.run("print(cluster.parts('blocks'))")
    for worker in WORKERS:
        share = opened.locator(f"[data-moorage-share={worker}]")
        count = words.partition(f"{worker}: ")[2].split(" part")[0]
        if count.isdigit():
            expect(share).to_contain_text(f"{count} part")
    picture = opened.get_by_role("img")
    expect(picture).to_have_attribute("viewBox", "0 0 6 4")
    expect(opened.get_by_role("listitem").filter(has_text="0, 0")).to_be_visible()
    colours = kernel.run("print(sorted(cluster.parts('blocks').plot().colours.values()))")
    drawn = picture.evaluate("svg => [...svg.querySelectorAll('path')].map(path => path.getAttribute('fill'))")
    assert str(sorted(drawn)) == colours.strip()
    desk.page.screenshot(path=SCREENSHOTS / "parts.png")


def test_a_collection_is_dropped_on_a_worker_and_spread_again(kernel, desk):
    _, grip = make(kernel, desk, "tiles")
    desk.drag(grip, desk.worker("bob"))
    desk.holds("tiles", "bob")
    expect(desk.magic).to_have_text("%pin tiles --workers bob")
    desk.variable("tiles").get_by_role("button", name="Show the parts of tiles").click()
    opened = desk.board.locator("[data-moorage-parts=tiles]")
    expect(opened.locator("[data-moorage-share=bob]")).to_contain_text("24 parts")
    desk.carry(desk.grip("tiles"), desk.worker("alice"))  # only in the hand there is "Spread"
    desk.page.keyboard.press("Escape")
    desk.drop()
    with desk.keyboard_on(desk.grip("tiles")) as keyboard:
        for _ in range(2):
            keyboard.press("ArrowDown")
        expect(desk.target("spread")).to_contain_class("jp-mod-over")
        keyboard.press("Enter")
    desk.holds("tiles", *WORKERS)
    expect(desk.magic).to_have_text("%scatter tiles")
    expect(opened.locator("[data-moorage-share=alice]")).to_contain_text("6 parts")


def test_the_menu_spreads_a_collection(kernel, desk):
    _, grip = make(kernel, desk, "cubes")
    grip.click(button="right")
    desk.page.locator('[data-moorage-menu="spread"]').click()
    desk.holds("cubes", *WORKERS)
    kernel.run("print(float(cubes.sum()))")

"""Collections: a row each, that opens into its parts, and is placed by hand though it was not placed before."""

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.helpers import eventually
from tests.panel.conftest import SCREENSHOTS, WORKERS

NOTEBOOK = Path(__file__).parents[3] / "notebooks" / "collections.ipynb"

_OUTPUTS = (
    "JSON.stringify([...window.jupyterapp.shell.currentWidget.content.model.cells]"
    ".map(cell => cell.sharedModel.toJSON().outputs))"
)


def make(kernel, desk, name):
    """Persist an array; return its row in the panel, and what it is taken by."""
    kernel.run(f"import dask.array as da\n{name} = da.random.random((4, 6 * 10**5), chunks=(1, 10**5)).persist()")
    row = desk.board.locator(f'[data-moorage-named="{name}"]')
    expect(row).to_be_visible()
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
    expect(opened.get_by_role("option").filter(has_text="0, 0")).to_be_visible()
    shown = picture.locator("path[fill]")

    def is_drawn():  # also blocks that were computed, or dealt out, after the row was opened
        colours = kernel.run("print(*sorted({*cluster.parts('blocks').plot().colours.values()}))").split()
        return sorted(shown.evaluate_all("paths => paths.map(path => path.getAttribute('fill'))")) == colours

    eventually(is_drawn)
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


def test_some_blocks_are_dragged_from_the_picture_and_the_list(kernel, desk):
    row, _ = make(kernel, desk, "quilt")
    row.get_by_role("button", name="Show the parts of quilt").click()
    opened = desk.board.locator("[data-moorage-parts=quilt]")
    picture = opened.get_by_role("img")
    box = picture.bounding_box()
    side = box["width"] / 6
    picture.click(position={"x": 1.5 * side, "y": 0.5 * side})
    picture.click(position={"x": 3.5 * side, "y": 2.5 * side}, modifiers=["Shift"])
    expect(opened.get_by_role("option", name="0, 1").first).to_have_attribute("aria-selected", "true")
    desk.drag(picture, desk.worker("bob"))  # by its middle, which is selected
    desk.holds("quilt[0:3,1:4]", "bob")
    expect(desk.magic).to_have_text("%pin quilt[0:3,1:4] --workers bob")
    on_bob = "{part.block for part in cluster.parts('quilt') if 'bob' in part.workers}"
    assert kernel.run(f"print({{(i, j) for i in range(3) for j in range(1, 4)}} <= {on_bob})").strip() == "True"
    desk.page.screenshot(path=SCREENSHOTS / "some-parts.png")
    opened.get_by_role("listbox").focus()
    desk.page.keyboard.press("Escape")
    with desk.keyboard_on(opened.get_by_role("listbox")) as keyboard:
        keyboard.press("End")
        expect(desk.worker("dave")).to_contain_class("jp-mod-over")
        keyboard.press("Enter")
    expect(desk.magic).to_contain_text("--workers dave")
    expect(desk.worker("dave").locator("[data-moorage-held^='quilt[']")).not_to_have_count(0)
    kernel.run("%undo")
    kernel.run("%undo")
    desk.shows_nothing()


def test_the_menu_spreads_a_collection(kernel, desk):
    _, grip = make(kernel, desk, "cubes")
    grip.click(button="right")
    desk.page.locator('[data-moorage-menu="spread"]').click()
    desk.holds("cubes", *WORKERS)
    kernel.run("print(float(cubes.sum()))")


def test_the_notebook_about_collections_runs_beside_the_panel_and_its_parts_are_dragged(lab, kernel, desk):
    """With the kernel and the cluster that are here: without the cells that start one, kill a worker, and stop it."""
    notebook = json.loads(NOTEBOOK.read_text())
    own = ("%cluster", "os.kill")
    notebook["cells"] = [
        {**cell, "outputs": [], "execution_count": None} if cell["cell_type"] == "code" else cell
        for cell in notebook["cells"]
        if not any(word in "".join(cell["source"]) for word in own)
    ]
    lab.notebook_of(kernel, "collections.ipynb")
    (lab.folder / "collections.ipynb").write_text(json.dumps(notebook))
    desk.show("collections.ipynb")
    desk.command("notebook:run-all-cells")
    desk.page.wait_for_function(f"{_OUTPUTS}.includes('336776 flights')")
    assert "with the flights of that month: True" in desk.page.evaluate(_OUTPUTS)
    desk.holds("flights", "alice", "bob")
    desk.holds("weather", "alice", "bob")
    desk.holds("x", "carol", "dave")
    desk.variable("flights").get_by_role("button", name="Show the parts of flights").click()
    opened = desk.board.locator("[data-moorage-parts=flights]")
    expect(opened.get_by_role("option")).to_have_count(12)
    desk.drag(opened.locator('[data-moorage-part="flights[2]"]'), desk.worker("dave"))
    expect(desk.chip("flights[2]", "dave")).to_be_visible()  # besides where flights is
    expect(desk.magic).to_have_text("%pin flights[2] --workers dave")
    desk.page.screenshot(path=SCREENSHOTS / "collections.png")
    kernel.run("%undo")
    expect(desk.variable("flights[2]")).to_have_count(0)

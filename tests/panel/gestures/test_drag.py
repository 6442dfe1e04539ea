"""Drag and drop with the mouse: what is dropped where it is dropped is placed there, and shown once it is."""

from playwright.sync_api import expect

from tests.panel.conftest import WORKERS


def test_a_variable_dropped_on_a_worker_is_pinned_there(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))")
    desk.drag(desk.grip("grid"), desk.worker("bob"))
    desk.holds("grid", "bob")
    expect(desk.variable("grid")).to_contain_text("pinned to bob")
    expect(desk.magic).to_have_text("%pin grid --workers bob")
    assert kernel.run("print(cluster.placement()['grid'].holders, cluster.gather('grid').shape)") == (
        "['bob'] (1000, 500)\n"
    )


def test_a_second_worker_is_added_and_with_shift_it_is_the_only_one(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers alice")
    desk.drag(desk.grip("grid"), desk.worker("carol"))
    desk.holds("grid", "alice", "carol")
    expect(desk.magic).to_have_text("%pin grid --workers alice carol")
    desk.drag(desk.grip("grid"), desk.worker("dave"), modifier="Shift")
    desk.holds("grid", "dave")


def test_targets_unfold_for_what_is_picked_up(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))")
    expect(desk.variable("grid")).to_be_visible()
    expect(desk.target("release")).to_have_count(0)
    desk.drag(desk.grip("grid"), desk.target("all-workers"))
    desk.holds("grid", *WORKERS)
    expect(desk.variable("grid")).to_contain_text("everywhere 4/4")
    expect(desk.magic).to_have_text("%broadcast grid")
    desk.drag(desk.grip("grid"), desk.target("release"))
    expect(desk.target("release")).to_have_count(0)
    desk.holds("grid")
    expect(desk.variable("grid")).to_have_attribute("data-moorage-state", "unplaced")
    assert kernel.run("print(len(cluster.placement()))") == "0\n"


def test_a_target_says_what_would_come_and_refuses_what_cannot(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))\nhuge = np.zeros(500_000_000)")
    over = desk.carry(desk.grip("grid"), desk.worker("bob"))
    expect(over.locator(".jp-Moorage-ghost")).to_have_text("grid")
    expect(desk.magic).to_have_text("%pin grid --workers bob")
    desk.page.keyboard.press("Escape")
    desk.drop()
    over = desk.carry(desk.grip("huge"), desk.worker("bob"))
    expect(over).to_contain_class("jp-mod-refused")
    expect(over).to_contain_text("does not fit")
    label = desk.page.locator(".jp-Moorage-inhand")
    expect(label).to_contain_text("does not fit: 3.73 GiB to bob")
    box, card = label.bounding_box(), over.bounding_box()
    assert box["x"] + box["width"] <= card["x"]  # beside what it speaks of
    desk.drop()
    expect(desk.variable("huge")).to_have_attribute("data-moorage-state", "unplaced")
    assert kernel.run("print(len(cluster.placement()))") == "0\n"
    kernel.run("del huge")


def test_a_drop_beside_every_target_changes_nothing(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers alice")
    desk.holds("grid", "alice")
    desk.carry(desk.grip("grid"), desk.worker("bob"))
    desk.page.mouse.move(100, 500, steps=5)
    desk.drop()
    expect(desk.board).not_to_contain_class("jp-mod-carrying")
    desk.holds("grid", "alice")


def test_a_drop_on_the_notebook_inserts_a_cell_that_gathers(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers alice")
    desk.holds("grid", "alice")
    before = desk.cells()
    cell = desk.page.locator(".jp-Notebook .jp-Cell").first
    cell.scroll_into_view_if_needed()
    box = cell.bounding_box()
    grip = desk.grip("grid").bounding_box()
    desk.page.mouse.move(grip["x"] + 20, grip["y"] + 10)
    desk.page.mouse.down()
    label = desk.page.locator(".jp-Moorage-inhand")
    desk.follow(lambda: (box["x"] + 200, box["y"] + 20), lambda: expect(label).to_contain_text("gathers", timeout=2000))
    desk.drop()
    expect(desk.page.locator(".jp-Notebook .jp-Cell")).to_have_count(len(before) + 1)
    assert desk.cells() == [before[0], "%gather grid", *before[1:]]


def test_the_magic_of_a_gesture_can_be_copied_and_inserted(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))")
    before = desk.cells()
    desk.drag(desk.grip("grid"), desk.worker("carol"))
    desk.holds("grid", "carol")
    copy = desk.board.get_by_role("button", name="Copy", exact=True)
    copy.click()
    expect(copy).to_have_attribute("title", "Copied")
    assert desk.page.evaluate("navigator.clipboard.readText()") == "%pin grid --workers carol"
    desk.board.get_by_role("button", name="Insert as a cell").click()
    expect(desk.page.locator(".jp-Notebook .jp-Cell")).to_have_count(len(before) + 1)
    assert "%pin grid --workers carol" in desk.cells()

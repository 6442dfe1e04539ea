"""How the panel divides its room: a splitter that stays where it was put, and lists that always have some."""

import pytest
from playwright.sync_api import expect

from tests.panel.pictures import take


def bottom(element):
    box = element.bounding_box()
    return box["y"] + box["height"]


def overlap(one, other):
    return (
        one["x"] < other["x"] + other["width"]
        and other["x"] < one["x"] + one["width"]
        and one["y"] < other["y"] + other["height"]
        and other["y"] < one["y"] + one["height"]
    )


def test_the_splitter_is_dragged_and_stays_after_a_reload(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))")
    expect(desk.variable("grid")).to_be_visible()
    desk.shows_no_results()
    variables = desk.board.get_by_role("region", name="Variables")
    bar = desk.board.get_by_role("separator")
    box, before = bar.bounding_box(), bottom(variables)
    desk.page.mouse.move(box["x"] + 40, box["y"] + 3)
    desk.page.mouse.down()
    desk.page.mouse.move(box["x"] + 40, box["y"] + 153, steps=5)
    desk.page.mouse.up()
    assert bottom(variables) == pytest.approx(before + 150, abs=5)
    after = bottom(variables)
    desk.reload()
    expect(desk.variable("grid")).to_be_visible()
    assert bottom(variables) == pytest.approx(after, abs=2)
    bar.dblclick()
    expect(bar).to_have_attribute("aria-valuetext", "as much as they need")


def test_nothing_covers_the_size_of_a_variable(kernel, desk):
    kernel.run("grid = np.zeros((1000, 500))\n%broadcast grid\nfree = np.zeros(500_000)")
    for name in ("grid", "free"):
        row = desk.variable(name)
        row.hover()
        size = row.locator(".jp-Moorage-size")
        expect(size).to_have_text("3.81 MiB")
        menu = row.get_by_role("button", name=f"Actions for {name}")
        assert not overlap(size.bounding_box(), menu.bounding_box())


def test_the_lists_have_room_whatever_else_is_open(kernel, desk):
    kernel.run(
        "grid = np.zeros((1000, 500))\n%broadcast grid\n"
        "for n in range(6): cluster.link.notice('error', f'{n} is lost. ' * 9, 'Do something about it. ' * 9)\n"
        "import logging\n"
        "cluster.submit(lambda: [logging.getLogger('distributed.worker').warning('x' * 99) for _ in range(40)], "
        "workers='alice', pure=False).result()"
    )
    expect(desk.notices).to_have_count(6)
    desk.command("moorage:show-log", worker="alice")
    expect(desk.board.locator("[data-moorage-why=alice] pre")).to_be_visible()
    if desk.board.locator("[data-moorage-event]").count():  # what tests before this one have left
        desk.board.locator("[data-moorage-event]").click()
    height = desk.board.bounding_box()["height"]
    top = desk.board.get_by_role("region", name="Variables").bounding_box()["y"]
    assert bottom(desk.board.get_by_role("region", name="Workers")) - top > 0.3 * height
    expect(desk.board.locator("footer")).to_be_in_viewport(ratio=1)
    take(desk.page, "everything-open")
    desk.page.keyboard.press("Escape")

"""A board that changes all the time: whoever presses on something takes that, with motion on."""

import pytest
from playwright.sync_api import expect

# Places and releases variables, which come and go above those that are not placed.
CHANGE = """
import itertools, threading
changes, enough = 0, threading.Event()
def change():
    global changes
    for number in itertools.count():
        if enough.is_set(): break
        name = f"passing_{number % 4}"
        cluster.broadcast(np.full(30_000, number), name=name) if number % 8 < 4 else cluster.release(name)
        changes += 1
thread = threading.Thread(target=change)
thread.start()
"""

_NOTE_PRESSES = """() => document.addEventListener('pointerdown', ({ target }) => {
  window.pressed = target.closest('[data-roving]')?.closest('[data-moorage-variable]')?.dataset.moorageVariable ?? null;
}, true)"""


@pytest.fixture
def moving(desk):
    """The page, with things that move as they do for most people, and so high that nothing has to be scrolled to."""
    page, before = desk.page, desk.page.viewport_size
    page.emulate_media(reduced_motion="no-preference")
    page.set_viewport_size({"width": 1400, "height": 1400})
    page.evaluate(_NOTE_PRESSES)
    yield desk
    page.keyboard.press("Escape")
    page.set_viewport_size(before)
    page.emulate_media(reduced_motion="reduce")


@pytest.fixture
def changing(kernel):
    """Return a function that waits until something has changed a few times."""
    kernel.run(CHANGE + "one = np.zeros(200_000)\ntwo = np.zeros(300_000)\nthree = np.zeros(400_000)")

    def wait():
        kernel.run("import time\nseen = changes\nwhile changes < seen + 5: time.sleep(0.01)")

    yield wait
    kernel.run("enough.set()\nthread.join()")


def test_what_is_pressed_is_what_is_carried(kernel, moving, changing):
    expect(moving.variable("three")).to_be_visible()
    mouse = moving.page.mouse
    for _ in range(4):
        pressed = None
        while pressed is None:  # between two rows by then
            mouse.up()
            box = moving.grip("two").bounding_box()
            mouse.move(box["x"] + 60, box["y"] + 8)
            mouse.down()
            pressed = moving.page.evaluate("window.pressed")
        rows = moving.board.locator("[data-moorage-variable]")
        before = rows.evaluate_all("rows => rows.map(row => row.dataset.moorageVariable)")
        changing()
        assert rows.evaluate_all("rows => rows.map(row => row.dataset.moorageVariable)") == before
        mouse.move(box["x"] + 80, box["y"] + 20, steps=3)
        expect(moving.page.locator(".jp-Moorage-inhand")).to_contain_text(pressed)
        changing()
        moving.page.keyboard.press("Escape")
        moving.drop()


def test_a_drop_hits_the_card_that_was_aimed_at(kernel, moving):
    kernel.run("grid = np.zeros(200_000)")
    for worker in ("carol", "dave"):
        card = moving.carry(moving.grip("grid"), moving.worker(worker), modifier="Shift")
        before = boxes(moving)
        kernel.run(
            "for n in range(9): cluster.broadcast(np.full(30_000, n), name=f'passing_{n}')\n"
            "cluster.link.notice('error', 'Something else happens.')"
        )
        expect(moving.notices).to_have_count(1)
        expect(moving.board.locator("[data-moorage-held=passing_8]")).to_have_count(4)
        assert boxes(moving) == before
        expect(card.locator(".jp-Moorage-ghost")).to_be_in_viewport()
        moving.drop("Shift")
        moving.holds("grid", worker)
        kernel.run(
            "cluster.release(*(set(cluster) - {'grid'}))\nfor one in list(cluster.notices): cluster.dismiss(one)"
        )
        expect(moving.notices).to_have_count(0)
        expect(moving.board.locator("[data-moorage-held]")).to_have_count(1)


def boxes(desk):
    """Where cards are, and targets."""
    return desk.board.locator("[data-moorage-worker], [data-moorage-target]").evaluate_all(
        "all => all.map(one => JSON.stringify(one.getBoundingClientRect()))"
    )


def test_several_are_selected_by_clicks_and_by_keys(kernel, moving, changing):
    expect(moving.variable("three")).to_be_visible()
    moving.grip("one").focus()
    moving.page.keyboard.press("Shift+ArrowDown")
    changing()
    with moving.keyboard_on(moving.grip("two")) as keyboard:
        changing()
        expect(moving.announcement).to_contain_text("Picked up one, two")
        keyboard.press("End")
        keyboard.press("Enter")
    for name in ("one", "two"):
        expect(moving.chip(name, "dave")).to_be_visible()
    moving.grip("three").click()
    moving.grip("one").click(modifiers=["Control"])
    expect(moving.board.locator(".jp-mod-selected")).to_have_count(2)

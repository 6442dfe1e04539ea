"""The panel by touch alone: a long press picks up, a tap drops; or the finger carries it there."""

import pytest
from playwright.sync_api import expect

from tests.panel.conftest import WORKERS
from tests.panel.desk import Desk


class Finger:
    """One finger on a page, as the browser's own input events."""

    def __init__(self, page):
        self._page = page
        self._session = page.context.new_cdp_session(page)

    def down(self, element):
        box = element.bounding_box()
        self._x, self._y = box["x"] + 30, box["y"] + box["height"] / 2
        self._send("touchStart", [{"x": self._x, "y": self._y}])

    def move(self, element, steps=6):
        box = element.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for step in range(1, steps + 1):
            part = step / steps
            point = {"x": self._x + (x - self._x) * part, "y": self._y + (y - self._y) * part}
            self._send("touchMove", [point])
        self._x, self._y = x, y

    def up(self):
        self._send("touchEnd", [])

    def _send(self, kind, points):
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.fixture(scope="module")
def touched(lab, shared_kernel, browser, browser_context_args):
    """A page of a screen to be touched."""
    with browser.new_context(**{**browser_context_args, "has_touch": True}) as context:
        desk = Desk(context.new_page(), lab).open("shared.ipynb")
        yield desk
        assert desk.errors == []


@pytest.fixture
def finger(kernel, touched):
    touched.shows_nothing()  # of the test before
    return Finger(touched.page)


def pick_up(desk, finger, element):
    """Press something until it is in the hand."""
    finger.down(element)
    expect(desk.board).to_contain_class("jp-mod-carrying")


def hold(desk, finger, element):
    """Press something until it is in the hand, and let go of the screen."""
    pick_up(desk, finger, element)
    finger.up()
    desk.wait_for_clicks()
    expect(desk.board.locator("[data-moorage-in-hand]")).to_be_visible()


def test_a_long_press_picks_up_and_a_tap_drops(kernel, touched, finger):
    kernel.run("grid = np.zeros((1000, 500))")
    expect(touched.variable("grid")).to_be_visible()
    hold(touched, finger, touched.grip("grid"))
    expect(touched.board.locator("[data-moorage-in-hand]")).to_contain_text("grid")
    touched.worker("bob").tap()
    touched.holds("grid", "bob")
    expect(touched.board).not_to_contain_class("jp-mod-carrying")
    hold(touched, finger, touched.chip("grid", "bob"))
    touched.target("release").tap()
    touched.holds("grid")


def test_a_tap_beside_every_target_puts_it_back(kernel, touched, finger):
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers alice")
    touched.holds("grid", "alice")
    hold(touched, finger, touched.grip("grid"))
    touched.board.get_by_role("heading", name="Variables").tap()
    expect(touched.board).not_to_contain_class("jp-mod-carrying")
    hold(touched, finger, touched.grip("grid"))
    touched.board.get_by_role("button", name="Put back").tap()
    expect(touched.board).not_to_contain_class("jp-mod-carrying")
    touched.holds("grid", "alice")


def test_what_is_picked_up_is_carried_by_the_finger(kernel, touched, finger):
    kernel.run("grid = np.zeros((1000, 500))")
    expect(touched.variable("grid")).to_be_visible()
    pick_up(touched, finger, touched.grip("grid"))
    finger.move(touched.target("all-workers"))
    expect(touched.target("all-workers")).to_contain_class("jp-mod-over")
    finger.up()
    touched.holds("grid", *WORKERS)


def test_a_long_press_opens_no_menu_and_the_button_does(kernel, touched, finger):
    kernel.run("grid = np.zeros((1000, 500))")
    expect(touched.variable("grid")).to_be_visible()
    pick_up(touched, finger, touched.grip("grid"))
    touched.page.wait_for_timeout(900)  # beyond what opens a context menu elsewhere
    expect(touched.page.get_by_role("menu")).to_have_count(0)
    finger.up()
    touched.wait_for_clicks()
    touched.board.get_by_role("button", name="Put back").tap()
    touched.variable("grid").get_by_role("button", name="Actions for grid").tap()
    touched.page.locator('[data-moorage-menu="all-workers"]').tap()
    touched.holds("grid", *WORKERS)


def test_taps_select_and_what_is_selected_goes_together(kernel, touched, finger):
    kernel.run("one = np.zeros(200_000)\ntwo = np.zeros(300_000)")
    expect(touched.variable("two")).to_be_visible()
    touched.grip("one").tap()
    expect(touched.variable("one")).to_contain_class("jp-mod-selected")
    touched.grip("two").tap()
    expect(touched.variable("two")).to_contain_class("jp-mod-selected")
    hold(touched, finger, touched.grip("two"))
    touched.target("all-workers").tap()
    touched.holds("one", *WORKERS)
    touched.holds("two", *WORKERS)

"""Each gesture by mouse alone, by keys alone, and by touch alone: a table, of which each cell is a test.

What only one of them has is in test_drag, test_keyboard and at the end here. The drop on the notebook is by mouse
alone; what it does is in the menu for all three.
"""

import pytest
from playwright.sync_api import expect

from tests.panel.conftest import FAILED, WORKERS, take_failed
from tests.panel.desk import Desk
from tests.panel.hands import HANDS, Finger

GRID = "grid = np.zeros((1000, 500))"
ON_ALICE = f"{GRID}\n%pin grid --workers alice"
PARTS = "{0} = [np.zeros(40_000) for _ in range(8)]\n%scatter {0}"


@pytest.fixture(scope="module")
def touched(lab, shared_kernel, browser, browser_context_args):
    """A page of a screen that can be touched, with a mouse and a keyboard besides."""
    with browser.new_context(**{**browser_context_args, "has_touch": True}) as context:
        yield Desk(context.new_page(), lab).open("shared.ipynb")


@pytest.fixture
def desk(kernel, touched, request):
    touched.shows_nothing()  # of the test before
    yield touched
    touched.page.keyboard.press("Escape")
    if request.node.stash.get(FAILED, False) or touched.errors:
        take_failed(touched, request)
    assert touched.errors == []


@pytest.fixture(params=HANDS)
def hand(desk, request):
    return HANDS[request.param](desk)


@pytest.fixture
def finger(desk):
    return Finger(desk)


def test_a_variable_goes_to_a_worker_and_is_let_go_of(kernel, desk, hand):
    kernel.run(GRID)
    hand.carry(desk.grip("grid"), desk.worker("carol"))
    desk.holds("grid", "carol")
    expect(desk.magic).to_have_text("%pin grid --workers carol")
    hand.carry(desk.grip("grid"), desk.target("all-workers"))
    desk.holds("grid", *WORKERS)
    hand.carry(desk.grip("grid"), desk.target("release"))
    desk.holds("grid")


def test_a_variable_goes_to_one_worker_alone(kernel, desk, hand):
    kernel.run(ON_ALICE)
    desk.holds("grid", "alice")
    hand.carry_only("grid", "dave")
    desk.holds("grid", "dave")


def test_a_chip_goes_from_worker_to_worker_and_is_let_go_of(kernel, desk, hand):
    kernel.run(f"{GRID}\n%pin grid --workers alice bob")
    desk.holds("grid", "alice", "bob")
    hand.carry(desk.chip("grid", "alice"), desk.worker("dave"))
    desk.holds("grid", "bob", "dave")
    hand.carry(desk.chip("grid", "bob"), desk.target("release"))
    desk.holds("grid", "dave")


def test_what_is_in_the_hand_is_put_back(kernel, desk, hand):
    kernel.run(ON_ALICE)
    desk.holds("grid", "alice")
    hand.take_and_put_back(desk.grip("grid"), desk.worker("bob"))
    expect(desk.board).not_to_contain_class("jp-mod-carrying")
    desk.holds("grid", "alice")


def test_several_are_selected_and_go_together(kernel, desk, hand):
    kernel.run("one = np.zeros(200_000)\ntwo = np.zeros(300_000)\nthree = np.zeros(400_000)")
    expect(desk.variable("three")).to_be_visible()
    hand.select("one", "two")
    expect(desk.board.locator(".jp-mod-selected")).to_have_count(2)
    hand.carry(desk.grip("two"), desk.worker("bob"))
    desk.holds("one", "bob")
    desk.holds("two", "bob")
    expect(desk.variable("three")).to_have_attribute("data-moorage-state", "unplaced")


def test_some_parts_are_selected_and_go_to_a_worker(kernel, desk, hand):
    name = f"parts_{type(hand).__name__}"  # another one than before, whose row is open
    kernel.run(PARTS.format(name))
    expect(desk.variable(name)).to_contain_text("spread")
    hand.open(name)
    opened = desk.board.locator(f"[data-moorage-parts={name}]")
    expect(opened.get_by_role("option")).to_have_count(8)
    grip = hand.select_parts(opened, 2, 4)
    expect(opened.locator("[aria-selected=true]")).to_have_count(3)
    hand.carry(grip, desk.worker("bob"))
    desk.holds(f"{name}[2:5]", "bob")
    expect(desk.magic).to_have_text(f"%pin {name}[2:5] --workers bob")


def test_the_menu_places_gathers_and_lets_go(kernel, desk, hand):
    kernel.run(GRID)
    expect(desk.variable("grid")).to_be_visible()
    hand.menu(desk.grip("grid"))
    hand.choose("Pin to", "worker:carol")
    desk.holds("grid", "carol")
    hand.menu(desk.grip("grid"))
    hand.choose("gather")
    assert "%gather grid" in desk.cells()
    hand.menu(desk.grip("grid"))
    hand.choose("release")
    desk.holds("grid")


def test_the_menu_of_a_worker_pins_what_is_selected_and_lets_go_of_it(kernel, desk, hand):
    kernel.run(GRID)
    hand.select("grid")
    name = desk.worker("dave").get_by_role("button", name="Actions for dave")
    hand.menu(name)
    hand.choose("pin-here")
    desk.holds("grid", "dave")
    hand.menu(name)
    hand.choose("let-go")
    desk.holds("grid")


def test_the_menu_of_a_worker_restarts_it_after_a_question_and_shows_its_log(kernel, desk, hand):
    name = desk.worker("carol").get_by_role("button", name="Actions for carol")
    hand.menu(name)
    hand.choose("log")
    expect(desk.board.locator("[data-moorage-why=carol]")).to_contain_text("Log of carol")
    hand.menu(name)
    hand.choose("restart")
    question = desk.board.get_by_role("alertdialog")
    expect(question).to_contain_text("Restart carol?")
    hand.press(question.get_by_role("button", name="Cancel"))
    expect(question).to_have_count(0)


def test_why_something_waits_is_asked(kernel, desk, hand):
    kernel.run(
        f"import contextlib\n{GRID}\n"
        "with contextlib.suppress(TimeoutError): cluster.scatter(grid, 'grid', broadcast=9, timeout=0)"
    )
    expect(desk.variable("grid")).to_have_attribute("data-moorage-state", "waiting")
    hand.ask_why(desk.grip("grid"))
    why = desk.board.locator("[data-moorage-why=grid]")
    expect(why).to_contain_text("9 copies")
    hand.press(why.get_by_role("button", name="Dismiss"))
    expect(why).to_have_count(0)


def test_what_was_done_is_undone_and_its_magic_inserted(kernel, desk, hand):
    kernel.run(ON_ALICE)
    desk.holds("grid", "alice")
    hand.carry(desk.grip("grid"), desk.worker("bob"))
    desk.holds("grid", "alice", "bob")
    hand.press(desk.board.get_by_role("button", name="Insert as a cell"))
    assert "%pin grid --workers alice bob" in desk.cells()
    desk.grip("grid").focus()
    hand.undo()
    desk.holds("grid", "alice")


def test_the_room_is_divided(kernel, desk, hand):
    bar = desk.board.get_by_role("separator")
    before = bar.bounding_box()["y"]
    hand.divide(bar, 60)
    below = bar.bounding_box()["y"]
    assert below > before + 20
    hand.divide(bar, -60)
    assert bar.bounding_box()["y"] < below - 20


def test_a_loop_is_found_and_cancelled_and_an_event_read(kernel, desk, hand):
    desk.run_cell("%%submit -o waited for n in range(2000)\nimport time\ntime.sleep(0.05)")
    row = desk.board.locator("[data-moorage-computation]")
    expect(row).to_contain_text("/s")
    notebook = "window.jupyterapp.shell.currentWidget.content"
    desk.page.evaluate(f"{notebook}.activeCellIndex = 0")
    hand.press(row.get_by_role("button", name="Go to the cell"))
    assert "%%submit" in desk.page.evaluate(f"{notebook}.activeCell.model.sharedModel.getSource()")
    hand.press(row.get_by_role("button", name="Cancel"))
    expect(row).to_have_count(0)
    last = desk.board.locator("[data-moorage-event]")
    hand.press(last)
    expect(desk.board.get_by_role("list", name="Latest events")).to_contain_text("of 2,000 cancelled")
    hand.press(last)
    expect(desk.board.get_by_role("list", name="Latest events")).to_have_count(0)


def test_what_failed_is_put_away(kernel, desk, hand):
    kernel.run("cluster.link.notice('error', 'It failed.', 'Mend it.')")
    expect(desk.notices).to_have_count(1)
    hand.press(desk.notices.get_by_role("button", name="Dismiss"))
    expect(desk.notices).to_have_count(0)


def test_the_number_of_workers_and_the_menu_of_the_cluster_are_pressed(desk, hand):
    hand.press(desk.board.get_by_role("button", name="One worker fewer"))
    hand.press(desk.board.get_by_role("button", name="One worker more"))  # before it is asked for
    expect(desk.board.get_by_role("textbox", name="Workers")).to_have_value("4")
    hand.press(desk.board.get_by_role("button", name="Cluster menu"))
    expect(desk.page.get_by_role("menuitem", name="Stop the cluster")).to_be_visible()


# Of touch alone


def test_a_tap_beside_every_target_puts_it_back(kernel, desk, finger):
    kernel.run(ON_ALICE)
    desk.holds("grid", "alice")
    finger.hold(desk.grip("grid"))
    desk.board.get_by_role("heading", name="Variables").tap()
    expect(desk.board).not_to_contain_class("jp-mod-carrying")
    desk.holds("grid", "alice")


@pytest.mark.parametrize("target", ["all-workers", "bob"])
def test_what_is_picked_up_is_carried_by_the_finger(kernel, desk, finger, target):
    kernel.run(ON_ALICE)
    desk.holds("grid", "alice")
    finger.pick_up(desk.chip("grid", "alice") if target == "bob" else desk.grip("grid"))
    place = desk.worker("bob") if target == "bob" else desk.target(target)
    finger.move(place)
    expect(place).to_contain_class("jp-mod-over")
    finger.up()
    desk.holds("grid", *(["bob"] if target == "bob" else WORKERS))


def test_a_long_press_opens_no_menu(kernel, desk, finger):
    kernel.run(GRID)
    expect(desk.variable("grid")).to_be_visible()
    finger.pick_up(desk.grip("grid"))
    desk.page.wait_for_timeout(900)  # beyond what opens a context menu elsewhere
    expect(desk.page.get_by_role("menu")).to_have_count(0)
    finger.up()
    desk.wait_for_clicks()
    finger.press(desk.board.get_by_role("button", name="Put back"))


def test_blocks_are_taken_from_the_picture_by_a_finger(kernel, desk, finger):
    kernel.run(PARTS.format("batches"))
    expect(desk.variable("batches")).to_contain_text("spread")
    finger.open("batches")
    picture = desk.board.locator("[data-moorage-parts=batches]").get_by_role("img")
    picture.tap(position={"x": 5, "y": 5})
    finger.carry(picture, desk.worker("bob"))
    expect(desk.board.locator("[data-moorage-held^='batches[']")).not_to_have_count(0)

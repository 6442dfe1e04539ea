"""Three ways to use the panel: each gesture as somebody makes it who has only a mouse, only keys, or only a finger."""

from playwright.sync_api import expect

_MOST_STEPS = 20  # of an arrow key


class Mouse:
    """Drags, clicks, and clicks with the right button."""

    def __init__(self, desk):
        self.desk, self.page = desk, desk.page

    def carry(self, source, destination):
        """Take something up, and drop it there."""
        self.desk.drag(source, destination)

    def carry_only(self, name, worker):
        """Have a variable on one worker, and no other."""
        self.desk.drag(self.desk.grip(name), self.desk.worker(worker), modifier="Shift")

    def take_and_put_back(self, source, destination):
        self.desk.carry(source, destination)
        self.page.keyboard.press("Escape")  # the other hand is at the keyboard
        self.desk.drop()

    def select(self, *names):
        for name in names:
            self.desk.grip(name).click(modifiers=["Control"])

    def select_parts(self, opened, first, last):
        """Select the parts from one to another in an open row; return what they are taken up by."""
        opened.get_by_role("option").nth(first).click()
        opened.get_by_role("option").nth(last).click(modifiers=["Shift"])
        return opened.get_by_role("option").nth(last)

    def open(self, name):
        """Open a row into its parts."""
        self.press(self.desk.board.get_by_role("button", name=f"Show the parts of {name}"))

    def press(self, button):
        button.click()

    def menu(self, element):
        """Open the menu of what is shown there."""
        element.click(button="right")

    def choose(self, *items):
        """Choose an entry of a menu, the last of these; the others open those that contain it."""
        for item in items:
            entry = _entry(self.page, item)
            expect(entry).to_be_visible()
            self.go_to(entry)
            self.press(entry)

    def go_to(self, entry):
        """Move there as a hand does: from a jump a menu cannot tell that it goes to the one which it has opened."""
        box = entry.bounding_box()
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)

    def ask_why(self, grip):
        """Of what is not as it was asked for."""
        grip.click()

    def divide(self, bar, pixels):
        box = bar.bounding_box()
        x, y = box["x"] + 40, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x, y + pixels, steps=4)
        self.page.mouse.up()

    def undo(self):
        self.press(self.desk.board.get_by_role("button", name="Undo"))


class Keys(Mouse):
    """Presses keys on what has the focus."""

    def __init__(self, desk):
        super().__init__(desk)
        self.page.mouse.move(1, 1)  # over an entry of a menu it would be told of it, though it rests

    def carry(self, source, destination):
        self._hold_over(source, destination).press("Enter")

    def carry_only(self, name, worker):
        self._hold_over(self.desk.grip(name), self.desk.worker(worker)).press("Shift+Enter")

    def take_and_put_back(self, source, destination):
        self._hold_over(source, destination).press("Escape")
        expect(self.desk.announcement).to_contain_text("Cancelled")

    def _hold_over(self, source, destination):
        source.press("Enter")
        expect(self.desk.announcement).to_contain_text("Picked up")
        for _ in range(_MOST_STEPS):
            self.page.keyboard.press("ArrowDown")
            if "jp-mod-over" in (destination.get_attribute("class") or ""):
                break
        expect(destination).to_contain_class("jp-mod-over")
        return self.page.keyboard

    def select(self, *names):
        for name in names:
            self.desk.grip(name).press("Control+Enter")

    def select_parts(self, opened, first, last):
        parts = opened.get_by_role("listbox")
        for key in ("Home", *["ArrowDown"] * first, *["Shift+ArrowDown"] * (last - first)):
            parts.press(key)
        return parts

    def open(self, name):
        self.desk.grip(name).press("ArrowRight")

    def go_to(self, entry):
        pass

    def press(self, button):
        """Press what Tab and the arrow keys lead to."""
        assert button.evaluate("one => one.tabIndex >= 0 || 'roving' in one.dataset || one.role === 'menuitem'")
        button.press("Enter")

    def menu(self, element):
        element.press("Shift+F10")
        expect(self.page.locator("[role=menu]:focus-within")).to_be_visible()

    def ask_why(self, grip):
        grip.press("?")

    def divide(self, bar, pixels):
        bar.press("ArrowDown" if pixels > 0 else "ArrowUp")

    def undo(self):
        self.page.keyboard.press("Control+z")  # wherever the focus is on the board


class Finger(Mouse):
    """Taps, presses for long, and moves over the screen: as the browser's own input events."""

    def __init__(self, desk):
        super().__init__(desk)
        self._session = self.page.context.new_cdp_session(self.page)

    def carry(self, source, destination):
        self.hold(source)
        destination.tap()
        expect(self.desk.board).not_to_contain_class("jp-mod-carrying")

    def carry_only(self, name, worker):
        self.menu(self.desk.grip(name))
        self.choose("Move to", f"worker:{worker}")

    def take_and_put_back(self, source, destination):
        self.hold(source)
        self.press(self.desk.board.get_by_role("button", name="Put back"))
        expect(self.desk.board).not_to_contain_class("jp-mod-carrying")

    def select(self, *names):
        for name in names:
            self.desk.grip(name).tap()

    def select_parts(self, opened, first, last):
        for index in range(first, last + 1):
            opened.get_by_role("option").nth(index).tap()
        return opened.get_by_role("option").nth(last)

    def go_to(self, entry):
        pass

    def press(self, button):
        button.tap()

    def menu(self, element):
        """By the button that a row has for it, and a worker in its name."""
        self.press(element.locator("xpath=..").get_by_role("button", name="Actions for"))

    def ask_why(self, grip):
        grip.tap()

    def divide(self, bar, pixels):
        self.down(bar)
        self.move_to(self._x, self._y + pixels)
        self.up()

    def hold(self, element):
        """Press something until it is in the hand, and let go of the screen."""
        self.pick_up(element)
        self.up()
        self.desk.wait_for_clicks()
        expect(self.desk.board.locator("[data-moorage-in-hand]")).to_be_visible()

    def pick_up(self, element):
        """Press something until it is in the hand."""
        self.down(element)
        expect(self.desk.board).to_contain_class("jp-mod-carrying")

    def down(self, element):
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        self._x, self._y = box["x"] + min(30, box["width"] / 2), box["y"] + box["height"] / 2
        self._send("touchStart", [{"x": self._x, "y": self._y}])

    def move(self, element):
        box = element.bounding_box()
        self.move_to(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def move_to(self, x, y, steps=6):
        for step in range(1, steps + 1):
            part = step / steps
            point = {"x": self._x + (x - self._x) * part, "y": self._y + (y - self._y) * part}
            self._send("touchMove", [point])
        self._x, self._y = x, y

    def up(self):
        self._send("touchEnd", [])

    def _send(self, kind, points):
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


HANDS = {"mouse": Mouse, "keys": Keys, "touch": Finger}


def _entry(page, item):
    return page.locator(f'[data-moorage-menu="{item}"]').or_(page.get_by_role("menuitem", name=item, exact=True))

"""A page with JupyterLab and the panel, used as its user uses it: with mouse and keys, on what can be seen."""

import json
from contextlib import contextmanager, suppress
from itertools import count

from playwright.sync_api import Error, expect

from tests.panel.lab import TOKEN

_workspaces = count()


class Desk:
    """The panel of one page.

    Parameters
    ----------
    page : playwright.sync_api.Page
    lab : Lab
    """

    def __init__(self, page, lab):
        self.page = page
        self.lab = lab
        self.errors = []
        page.set_default_timeout(60_000)
        page.on("pageerror", self._on_error)
        page.on("dialog", self._on_dialog)

    def _on_error(self, error):
        if "labextensions/moorage" in (error.stack or ""):  # JupyterLab and Notebook have errors of their own
            self.errors.append(error.stack)

    def _on_dialog(self, dialog):
        if dialog.type != "beforeunload":  # a notebook that is not saved
            self.errors.append(f"dialog: {dialog.message}")
        dialog.accept()

    # Pages

    def open(self, notebook, status="connected"):
        """Open a notebook in a workspace of its own, and the panel beside it."""
        self.page.goto(f"{self.lab.url}lab/workspaces/w{next(_workspaces)}/tree/{notebook}?token={TOKEN}")
        self.wait_for_notebook()
        self.open_panel(status)
        return self

    def reload(self, status="connected"):
        self.page.reload()
        self.wait_for_notebook()
        self.open_panel(status)

    def in_another_tab(self, notebook):
        """Open a notebook in another tab of this browser; return its desk."""
        return Desk(self.page.context.new_page(), self.lab).open(notebook)

    def leave(self):
        """Go to where JupyterLab is not, and forget what a tab remembers."""
        self.page.goto(f"{self.lab.url}api")
        self.page.evaluate("sessionStorage.clear(); localStorage.clear()")

    def show(self, notebook):
        """Open a notebook in this page, or bring it to the front."""
        self.command("docmanager:open", path=notebook)
        self.page.wait_for_function(_IS_IN_FRONT, arg=notebook)

    def close_others(self, notebook):
        """Close all but one notebook."""
        self.page.evaluate(_CLOSE_OTHERS, notebook)

    def tidy(self, notebook):
        """Close all but one notebook, and have that in front with the panel beside it, which explains nothing."""
        self.close_others(notebook)
        self.show(notebook)
        self.open_panel()
        explained = self.board.locator("[data-moorage-why]").get_by_role("button", name="Dismiss")
        explained.evaluate_all("buttons => buttons.forEach(button => button.click())")  # it may be going by itself

    def crash(self):
        """End the page as a browser's process ends that has crashed: without a word."""
        with self.page.expect_event("crash"), suppress(Error):
            self.page.goto("chrome://crash")

    def restart_kernel(self):
        self.page.evaluate("void window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")

    def wait_for_notebook(self):
        session = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session"
        self.page.wait_for_function(session)  # all of JupyterLab is loaded

    def open_panel(self, status="connected"):
        self.command("moorage:open-panel")
        if status is not None:
            self.is_(status)

    def command(self, command, **args):
        """Have JupyterLab do something, without waiting for it."""
        self.page.evaluate(f"args => void window.jupyterapp.commands.execute({json.dumps(command)}, args)", args)

    def is_(self, status):
        """Wait until the panel's connection has this status."""
        expect(self.board).to_have_attribute("data-moorage-board", status)

    # What can be seen

    @property
    def board(self):
        return self.page.locator("[data-moorage-board]:visible")

    def variable(self, name):
        """The row of a variable."""
        return self.board.locator(f"[data-moorage-variable={json.dumps(name)}]")

    def grip(self, name):
        """What a variable is taken by."""
        return self.variable(name).get_by_role("button").first

    def worker(self, name):
        return self.board.locator(f"[data-moorage-worker={json.dumps(name)}]")

    def target(self, kind):
        """``all-workers``, ``one-per-host``, ``spread`` or ``release``, while something is in the hand."""
        return self.board.locator(f"[data-moorage-target={kind}]")

    def chip(self, name, worker):
        """The chip of a variable that a worker holds, as it has confirmed."""
        return self.worker(worker).locator(f"[data-moorage-held={json.dumps(name)}]")

    @property
    def magic(self):
        return self.board.locator("[data-moorage-magic] code")

    @property
    def notices(self):
        return self.board.locator("[data-moorage-notice]")

    @property
    def news(self):
        return self.board.locator("[data-moorage-news]")

    @property
    def announcement(self):
        return self.board.locator("[data-moorage-said]")

    def holds(self, name, *workers):
        """Wait until just these workers are shown as holders."""
        for worker in workers:
            expect(self.chip(name, worker)).to_be_visible()
        expect(self.board.locator(f"[data-moorage-held={json.dumps(name)}]")).to_have_count(len(workers))

    def shows_nothing(self):
        """Wait until no variable is shown, and no notice."""
        expect(self.board.locator("[data-moorage-variable], [data-moorage-notice]")).to_have_count(0)

    def shows_no_results(self):
        """Wait until what tests before have computed is gone: when Python has let go of it."""
        expect(self.board.locator("[data-moorage-named]")).to_have_count(0)

    def cells(self):
        """The sources of the notebook's cells."""
        model = "window.jupyterapp.shell.currentWidget.content.model"
        return self.page.evaluate(f"[...{model}.cells].map(cell => cell.sharedModel.getSource())")

    def subshells(self):
        """How many subshells the kernel has, beside those that other tests' pages have left nothing of."""
        return len(self.page.evaluate(_LIST_SUBSHELLS))

    # Gestures

    def carry(self, source, destination, modifier=None):
        """Take something up with the mouse and hold it over a target; return that."""
        self.page.bring_to_front()
        mouse = self.page.mouse
        if destination.count():  # else it unfolds when something is picked up
            destination.scroll_into_view_if_needed()
        source.scroll_into_view_if_needed()
        start = _middle(source)
        mouse.move(*start)
        mouse.down()
        mouse.move(start[0] + 12, start[1] + 12, steps=4)
        expect(self.board).to_contain_class("jp-mod-carrying")
        if modifier:
            self.page.keyboard.down(modifier)
        self.follow(
            lambda: _middle(destination), lambda: expect(destination).to_contain_class("jp-mod-over", timeout=2000)
        )
        return destination

    def follow(self, where, check):
        """Move the mouse to a place, and after it: lists scroll under what is dragged, and a hand is never still."""
        for steps in (12, 2, 2, 2, 2):
            x, y = where()
            self.page.mouse.move(x, y, steps=steps)
            self.page.mouse.move(x + 2, y + 1)
            with suppress(AssertionError):
                return check()
        return check()

    def drag(self, source, destination, modifier=None):
        """Drag something onto a target and drop it there."""
        self.carry(source, destination, modifier)
        self.drop(modifier)

    def drop(self, modifier=None):
        self.page.mouse.up()
        if modifier:
            self.page.keyboard.up(modifier)
        self.wait_for_clicks()

    def wait_for_clicks(self):
        """Wait until a click is heard again, after a drop."""
        self.page.wait_for_function(_CLICKS_ARE_HEARD)

    @contextmanager
    def keyboard_on(self, element):
        """Take something up by keyboard; on leaving, it has been dropped or cancelled."""
        element.focus()
        self.page.keyboard.press("Enter")
        expect(self.announcement).to_contain_text("Picked up")
        yield self.page.keyboard
        expect(element).to_be_focused()

    # Cells

    def run_cell(self, source):
        """Type a cell at the end of the notebook and run it; return without waiting for its end."""
        self.page.evaluate(_APPEND_AND_RUN, source)


def _middle(element):
    box = element.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


# For a moment after a drop dnd-kit swallows clicks, of which letting go of the mouse makes one; no hand is so quick.
_CLICKS_ARE_HEARD = """() => {
  const probe = document.createElement('i');
  let isHeard = false;
  probe.addEventListener('click', () => { isHeard = true; });
  document.body.append(probe);
  probe.dispatchEvent(new MouseEvent('click'));
  probe.remove();
  return isHeard;
}"""

_IS_IN_FRONT = """path => {
  const widget = window.jupyterapp.shell.currentWidget;
  return widget?.context?.path === path && widget.sessionContext.session !== null;
}"""

# What is not saved is lost, without a question.
_CLOSE_OTHERS = """path => [...window.jupyterapp.shell.widgets('main')]
  .filter(widget => widget.context?.path !== path)
  .forEach(widget => widget.dispose())"""

_LIST_SUBSHELLS = """async () => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const base = { channel: 'control', username: '', session: kernel.clientId };
  const id = 'list-' + Math.random();
  const message = {
    header: { msg_id: id, msg_type: 'list_subshell_request', username: '', session: kernel.clientId,
              date: new Date().toISOString(), version: '5.5' },
    parent_header: {}, metadata: {}, content: {}, channel: 'control', buffers: []
  };
  const reply = await kernel.sendControlMessage(message, true, true).done;
  return reply.content.subshell_id;
}"""

_APPEND_AND_RUN = """source => {
  const app = window.jupyterapp;
  const content = app.shell.currentWidget.content;
  content.activeCellIndex = content.widgets.length - 1;
  const commands = app.commands;
  void commands.execute('notebook:insert-cell-below').then(() => {
    content.activeCell.model.sharedModel.setSource(source);
    return commands.execute('notebook:run-cell');
  });
}"""

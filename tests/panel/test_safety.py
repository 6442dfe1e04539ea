"""What comes from others is shown as text; a panel that may only look cannot act, however it is asked."""

import pytest
from playwright.sync_api import expect

HOSTILE = "<img src=x onerror=alert(1)>"

ALL_HOSTILE = f"""
%load_ext moorage
import moorage, numpy as np
evil = {HOSTILE!r}
cluster = moorage.start(names=[evil, "constructor"], threads_per_worker=1, memory_limit="1GB")
Evil = type(evil, (), {{"__init__": lambda self: None, "__module__": "evil"}})
data = bytes(3_000_000)
cluster.broadcast(data, name="data")
cluster.scatter({{evil: bytes(1_000_000), "__proto__": bytes(1_000_001)}}, name="__proto__")
constructor = np.zeros(500_000)
from moorage.controller.registry import current
current().link.notice("error", evil + " is lost", "See <b>this</b>", evil)
"""


@pytest.fixture
def hostile(lab):
    """A kernel in which every name is markup."""
    kernel = lab.notebook("hostile.ipynb")
    kernel.run(ALL_HOSTILE)
    yield kernel
    kernel.run("cluster.stop()")
    kernel.close()


def test_hostile_names_are_text(hostile, desk):
    desk.show("hostile.ipynb")
    desk.holds("data", HOSTILE, "constructor")
    expect(desk.worker(HOSTILE).locator("header")).to_contain_text(HOSTILE)
    expect(desk.variable("__proto__")).to_be_visible()
    expect(desk.variable("constructor")).to_be_visible()
    expect(desk.notices).to_contain_text(f"{HOSTILE} is lost")
    expect(desk.notices).to_contain_text("See <b>this</b>")
    desk.drag(desk.grip("constructor"), desk.worker(HOSTILE))
    desk.holds("constructor", HOSTILE)
    expect(desk.magic).to_have_text(f"%pin constructor --workers '{HOSTILE}'")
    desk.board.get_by_role("button", name="Insert as a cell").click()
    desk.command("notebook:run-cell")
    desk.drag(desk.grip("constructor"), desk.worker("constructor"))
    desk.holds("constructor", HOSTILE, "constructor")
    desk.grip("data").click(button="right")
    expect(desk.page.get_by_role("menu")).to_be_visible()
    expect(desk.page.locator("body img[src=x]")).to_have_count(0)


SEND_BY_HAND = """data => new Promise(resolve => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const comm = [...kernel._comms.values()].find(comm => comm.targetName === 'moorage.rpc');
  kernel.iopubMessage.connect((_, message) => {
    if (message.header.msg_type === 'comm_msg' && message.content.data.id === data.id) {
      resolve(message.content.data);
    }
  });
  kernel.sendShellMessage({
    header: { msg_id: 'by-hand-' + data.id, msg_type: 'comm_msg', username: '', session: kernel.clientId,
              date: new Date().toISOString(), version: '5.5' },
    parent_header: {}, metadata: {}, channel: 'shell', buffers: [],
    content: { comm_id: comm.commId, data }
  }, false, true);
})"""


@pytest.fixture
def looking(kernel, lab, open_desk):
    """A page whose user has made the panel read-only."""
    lab.set("moorage", "plugin", readOnly=True)
    kernel.run("grid = np.zeros((1000, 500))\n%pin grid --workers alice\nfree = np.zeros(500_000)")
    yield open_desk()
    lab.set("moorage", "plugin")


def test_a_read_only_panel_shows_and_does_nothing(kernel, looking):
    desk = looking
    desk.holds("grid", "alice")
    expect(desk.board).to_contain_text("read-only")
    expect(desk.variable("free")).to_be_visible()
    mouse = desk.page.mouse
    box, goal = desk.grip("grid").bounding_box(), desk.worker("bob").bounding_box()
    mouse.move(box["x"] + 20, box["y"] + 10)
    mouse.down()
    mouse.move(goal["x"] + 40, goal["y"] + 20, steps=10)
    expect(desk.board).not_to_contain_class("jp-mod-carrying")
    mouse.up()
    desk.grip("grid").press("Enter")
    expect(desk.board).not_to_contain_class("jp-mod-carrying")
    for op, args in (("release", {"names": ["grid"]}), ("stop", {})):
        reply = desk.page.evaluate(SEND_BY_HAND, {"id": 1000 + len(op), "op": op, "args": args})
        assert reply["ok"] is False
        assert reply["error"]["kind"] == "ReadOnlyError"
    assert kernel.run("print(cluster.placement()['grid'].holders)") == "['alice']\n"
    kernel.run("%pin grid --workers bob")  # it goes on showing what others do
    desk.holds("grid", "bob")

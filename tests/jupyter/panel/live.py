"""A real kernel, and a panel made of nothing but messages, as a page in a browser sends them."""

import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from itertools import count

from jupyter_client import BlockingKernelClient

from moorage.wire.scheduler import PROTOCOL_VERSION
from tests.jupyter.panel.panel_rules import apply, on_workers, state_of
from tests.kernels import start_kernel

SLEEP = "import time\nwhile True: time.sleep(60)"
BUSY = "i = 0\nwhile True: i += 1"

PATIENCE = 60


class LiveKernel:
    """A kernel of this Python, or one that runs. All that it publishes is kept, by a thread that reads along."""

    def __init__(self, connection_file=None):
        if connection_file is None:
            self.manager = start_kernel()
            self.client = self.manager.client()
        else:
            self.client = BlockingKernelClient(connection_file=str(connection_file))
            self.client.load_connection_file()
        self.client.hb_channel.time_to_dead = PATIENCE  # a busy kernel is not dead after the usual second
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.news = threading.Condition()
        self.comms = {}  # comm id -> messages
        self.hellos = 0
        self._idle = set()
        self._errors = {}
        self._text = {}
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self):
        self._ended = True
        self._reader.join(10)
        self.client.stop_channels()
        self.shut_down()

    def interrupt(self):
        self.manager.interrupt_kernel()

    def shut_down(self):
        self.manager.shutdown_kernel()

    def _read(self):
        socket = self.client.iopub_channel.socket  # no other thread may use it from now on
        while not self._ended:
            if not socket.poll(200):
                continue
            _, message = self.client.session.recv(socket, 0)
            content, parent = message["content"], message["parent_header"].get("msg_id")
            with self.news:
                match message["msg_type"]:
                    case "comm_msg" if content["comm_id"] == "moorage.hello":
                        self.hellos += 1
                    case "comm_msg" | "comm_close":
                        self.comms.setdefault(content["comm_id"], []).append((message["msg_type"], content["data"]))
                    case "status" if content["execution_state"] == "idle":
                        self._idle.add(parent)
                    case "error":
                        self._errors[parent] = "\n".join(content["traceback"])
                    case "stream":
                        self._text[parent] = self._text.get(parent, "") + content["text"]
                self.news.notify_all()

    def wait(self, condition, what, seconds=PATIENCE):
        """Wait until something that was published makes `condition` true; return its value."""
        deadline = time.monotonic() + seconds
        with self.news:
            while not (value := condition()):
                left = deadline - time.monotonic()
                assert left > 0, f"waited {seconds} s in vain: {what() if callable(what) else what}"
                self.news.wait(left)
            return value

    # Cells

    def begin(self, code):
        """Begin to run a cell; return its id."""
        return self.client.execute(code, allow_stdin=False)

    def has_ended(self, cell):
        return cell in self._idle

    def end(self, cell, seconds=90):
        """Wait for the end of a cell, which must not have failed; return what it has printed."""
        self.wait(lambda: cell in self._idle, "the end of a cell", seconds)
        assert cell not in self._errors, self._errors[cell]
        return self._text.get(cell, "")

    def run(self, code):
        return self.end(self.begin(code))

    @contextmanager
    def running(self, code):
        """Run a cell that does not end by itself while the context is open, and interrupt it then."""
        cell = self.begin(f"print('begun', flush=True)\n{code}")
        self.wait(lambda: "begun" in self._text.get(cell, ""), "the beginning of a cell")
        try:
            yield cell
            assert not self.has_ended(cell), self._errors.get(cell)
        finally:
            self.interrupt()
            self.wait(lambda: cell in self._idle, "the end of an interrupted cell")

    # Messages

    def send(self, kind, content, subshell=None, seconds_ago=0):
        message = self.client.session.msg(kind, content)
        message["header"]["date"] -= timedelta(seconds=seconds_ago)
        message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def control(self, kind, content=None):
        message = self.client.session.msg(kind, content or {})
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=PATIENCE)
            if reply["parent_header"]["msg_id"] == message["header"]["msg_id"]:
                return reply["content"]


class Page:
    """The panel of one browser tab.

    Attributes
    ----------
    state : dict or None
        What it shows, made from the snapshot and each update.
    version : int
    """

    _ids = count()

    def __init__(self, kernel, tab="tab", *, protocol=PROTOCOL_VERSION, read_only=False, subshell=True, rpc=True):
        self.kernel = kernel
        self.opened = {"protocol": protocol, "tab": tab, "read_only": read_only}
        self.subshell = kernel.control("create_subshell_request")["subshell_id"] if subshell else None
        self.push = self._open("moorage.push")
        self._read = 0
        self.state = None
        self.version = None
        self._requests = count(1)
        if rpc:
            self.see(lambda state: True)
            self.rpc = self._open("moorage.rpc")

    def _open(self, target):
        comm = f"{target}-{next(self._ids)}"
        self.kernel.send(
            "comm_open", {"comm_id": comm, "target_name": target, "data": self.opened}, subshell=self.subshell
        )
        return comm

    def leave(self):
        """As a page that is closed: comms on the main shell, then the subshell."""
        for comm in (self.push, self.rpc):
            self.kernel.send("comm_close", {"comm_id": comm, "data": {}})
        self.vanish()

    def vanish(self):
        """As a page that is closed without a word, or whose words come too late."""
        if self.subshell is not None:
            self.kernel.control("delete_subshell_request", {"subshell_id": self.subshell})

    def updates(self):
        return [data for _, data in self.kernel.comms.get(self.push, []) if data.get("type") == "update"]

    def closed(self, comm=None):
        """Return the data with which the kernel has closed a comm; wait for it."""
        comm = comm or self.push
        return self.kernel.wait(
            lambda: next((data for kind, data in self.kernel.comms.get(comm, []) if kind == "comm_close"), None),
            "a comm that is closed",
        )

    def see(self, condition, seconds=PATIENCE):
        """Wait until the state that is shown fulfils `condition`; return the state."""

        def look():
            messages = self.kernel.comms.get(self.push, [])
            for kind, data in messages[self._read :]:
                assert kind == "comm_msg", data
                if data["type"] == "snapshot":
                    assert data["protocol"] == PROTOCOL_VERSION
                    self.state = state_of(data)
                else:
                    assert data["version"] == self.version + 1
                    assert data["changed"] or data["removed"]
                    self.state = apply(self.state, data["changed"], data["removed"])
                self.version = data["version"]
            self._read = len(messages)
            return self.state is not None and condition(self.state)

        self.kernel.wait(look, lambda: f"the panel shows {self.state and self.state['variables']}", seconds)
        return self.state

    def send(self, data):
        self.kernel.send("comm_msg", {"comm_id": self.rpc, "data": data}, subshell=self.subshell)

    def ask(self, op, **args):
        """Return the reply to a request."""
        request = next(self._requests)
        self.send({"id": request, "op": op, "args": args})

        def reply():
            messages = self.kernel.comms.get(self.rpc, [])
            return next((data for _, data in messages if data.get("id") == request), None)

        found = self.kernel.wait(reply, f"the reply to {op}")
        assert found["type"] == "reply"
        return found

    def place(self, *names, workers=None, force=False):
        placement = {"kind": "workers", "workers": workers, "each": True} if workers else {"kind": "everywhere"}
        return self.ask("place", names=list(names), placement=placement, force=force)


def held(name, *workers):
    """Whether a state shows that these workers hold the variable, and that this is as desired."""

    def condition(state):
        variable = state["variables"].get(name)
        if variable is None or variable["state"] != "held":
            return False
        return on_workers(variable["held"], state["workers"]).keys() == set(workers)

    return condition


def refused(reply, kind, text=""):
    assert reply["ok"] is False
    assert reply["error"]["kind"] == kind, reply
    assert text in reply["error"]["message"]
    return reply["error"]

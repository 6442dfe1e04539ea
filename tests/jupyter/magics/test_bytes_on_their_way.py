"""While a value is on its way to other hosts the magic's line says how many of its bytes they have."""

import re
import sys

import pytest

from moorage.jupyter.magics.progress import ProgressLine
from moorage.jupyter.panel import requests
from moorage.jupyter.panel.publisher import Panel
from tests.helpers import eventually
from tests.workers import Workers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds, and all of 127/8 on loopback, are Linux's")


@pytest.fixture(scope="module")
def workers():
    with Workers() as workers:
        workers.add("b1", "b2", host="127.0.0.2")
        yield workers


def test_it_is_told_how_many_bytes_have_arrived(shell, workers, monkeypatch):
    said, update = [], ProgressLine.update

    def noted(self, text):
        said.append(text)
        update(self, text)

    monkeypatch.setattr(ProgressLine, "update", noted)
    shell.names["client"] = workers.client
    shell.run("%cluster attach client")
    shell.run("import numpy as np\nx = np.arange(4_000_000.0)")
    assert "held by 2 of 2" in shell.run("%broadcast x")
    parts = [match.groups() for text in said if (match := re.fullmatch(r"placing x: (\S+ \w+) of (\S+ MiB)", text))]
    assert len(set(parts)) > 3
    assert {total for _, total in parts} == {"30.52 MiB"}
    assert parts[-1] == ("30.52 MiB", "30.52 MiB")
    shell.run("cluster.close()")


class Heard:
    """A panel that keeps what it is told of a variable."""

    def __init__(self, name):
        self.reasons = []
        self._name = name

    def send(self, message):
        variables = message.get("changed", {}).get("variables", {})
        if "reason" in variables.get(self._name, {}):
            self.reasons.append(variables[self._name]["reason"])


def test_the_panel_is_told_too(shell, workers, monkeypatch):
    monkeypatch.setattr(requests, "_PLACING", 0.0)
    shell.names["client"] = workers.client
    shell.run("%cluster attach client")
    shell.run("import numpy as np\ny = np.arange(8_000_000.0)")
    panel, heard = Panel(shell.ip), Heard("y")
    asked = requests.Requests(panel)
    panel.join(heard)
    try:
        args = {"names": ["y"], "placement": {"kind": "everywhere"}, "force": False}
        replies = []
        asked.answer({"type": "request", "id": 1, "op": "place", "args": args}, "someone", False, replies.append)
        assert replies[0]["ok"], replies
        placed = shell.names["cluster"].placement
        eventually(lambda: [state.state for name, state in placed().items() if name == "y"] == ["held"])
        assert [reason for reason in heard.reasons if reason.endswith(" of 61.04 MiB")]
    finally:
        asked.close()
        panel.close()
        shell.run("cluster.close()")

"""An assistant asks, and asks for changes: package ``jupyter_server_mcp`` in a JupyterLab, notebooks, and a client."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.extras import installed
from tests.jupyter.panel.live import Page, held
from tests.mcp.client import Client
from tests.panel.lab import Lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory, short_folder):
    packages = installed(tmp_path_factory.mktemp("packages"), "jupyter-server-mcp==0.4.1")
    lab = Lab(tmp_path_factory.mktemp("lab"), short_folder(), "--MCPExtensionApp.mcp_port=0", packages=packages)
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def notebook(lab):
    kernel = lab.notebook("work/flights.ipynb", "1 + 1")
    kernel.run("import numpy as np\n%load_ext moorage\n%cluster start --names alice,bob --threads 1 --memory 1GB")
    kernel.run("flights = np.ones(300_000)\n%pin flights --workers bob")
    yield kernel
    kernel.run("%cluster stop")
    kernel.close()


@pytest.fixture(scope="module")
def other(lab):
    """A notebook without moorage."""
    kernel = lab.notebook("other.ipynb", "1 + 1")
    yield kernel
    kernel.close()


@pytest.fixture(scope="module")
def assistant(lab, notebook, other):
    (about,) = lab.runtime.glob("*mcp*.json")
    return Client(json.loads(about.read_text())["url"])


def test_tools_say_what_the_magics_say_while_a_cell_runs(assistant, notebook):
    assert {"moorage_clusters", "moorage_placement", "moorage_memory", "moorage_why"} <= set(assistant.tools())
    with notebook.running("import time\nwhile True: time.sleep(0.1)"):
        clusters = assistant.call("moorage_clusters")
        placement = assistant.call("moorage_placement", names=["flights"], notebook="work/flights.ipynb")
        assert assistant.call("moorage_placement") == placement
        memory = assistant.call("moorage_memory")
        why = assistant.call("moorage_why", name="flights")
    assert clusters.startswith("work/flights.ipynb\n")
    assert "2 workers" in clusters
    assert "other.ipynb" not in clusters
    assert "flights" in placement
    assert "alice" in memory
    assert why.startswith("flights is held: on bob, as asked")


def test_refusals_are_those_of_the_notebook(assistant):
    unknown = assistant.call("moorage_placement", names=["fligths"])
    assert "There is no variable 'fligths'" in unknown
    assert "Did you mean 'flights'?" in unknown
    assert "nothing" in assistant.call("moorage_why", name="nothing")
    nowhere = assistant.call("moorage_memory", notebook="nowhere.ipynb")
    assert nowhere == "No notebook nowhere.ipynb is open.\nOpen: other.ipynb, work/flights.ipynb."
    without = assistant.call("moorage_memory", notebook="other.ipynb")
    assert without == "moorage is not loaded in other.ipynb.\nIn a cell: %load_ext moorage"


def test_a_change_is_refused_where_nobody_could_agree(assistant):
    refused = assistant.call("moorage_scale", workers=3)
    assert refused.startswith(
        "No panel of this notebook is open, so nobody can agree to %cluster scale 3.\nAsk the user"
    )


@pytest.mark.parametrize(
    ("tool", "arguments", "line"),
    [
        ("moorage_pin", {"names": ["flights"], "workers": ["alice"]}, "%pin flights --workers alice"),
        ("moorage_broadcast", {"names": ["flights"]}, "%broadcast flights"),
        ("moorage_scale", {"workers": 2}, "%cluster scale 2"),
        ("moorage_release", {"names": ["flights"]}, "%release flights"),
    ],
)
def test_a_change_is_made_when_the_user_agrees(assistant, notebook, tool, arguments, line):
    panel = Page(notebook)
    with ThreadPoolExecutor() as pool, notebook.running("import time\nwhile True: time.sleep(0.1)"):
        answer = pool.submit(assistant.call, tool, **arguments)
        panel.see(lambda state: [one["line"] for one in state["proposals"].values()] == [line])
        assert panel.ask("decide", id=next(iter(panel.state["proposals"])), agreed=True)["ok"]
        assert answer.result(60).startswith(f"Done: {line}")
    if tool == "moorage_broadcast":
        panel.see(held("flights", "alice", "bob"))
    panel.leave()

"""The magics in a real kernel, seen from outside as a notebook sees it: messages, interrupts, a whole notebook."""

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.helpers import shown_by
from tests.kernels import start_kernel

ROOT = Path(__file__).parents[2]


@dataclass
class Outcome:
    """What running a cell has come to."""

    status: str = ""
    ename: str = ""
    evalue: str = ""
    traceback: str = ""
    stream: str = ""
    displays: list[dict] = field(default_factory=list)  # the content of each display message
    kinds: list[str] = field(default_factory=list)  # their types

    @property
    def text(self):
        return self.stream + "\n".join(content["data"].get("text/plain", "") for content in self.displays)


class Kernel:
    """A kernel of this Python, and the cells run in it."""

    def __init__(self):
        self.manager = start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, code, *, interrupt_at=None):
        """Run a cell; interrupt the kernel when a display says `interrupt_at`."""
        outcome = Outcome()

        def hook(message):
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                outcome.stream += content["text"]
            elif kind in ("display_data", "update_display_data", "execute_result"):
                outcome.displays.append(content)
                outcome.kinds.append(kind)
                if interrupt_at is not None and interrupt_at in content["data"].get("text/plain", ""):
                    self.manager.interrupt_kernel()
            elif kind == "error":
                outcome.ename, outcome.evalue = content["ename"], content["evalue"]
                outcome.traceback = "\n".join(content["traceback"])

        reply = self.client.execute_interactive(code, timeout=60, output_hook=hook, allow_stdin=False)
        outcome.status = reply["content"]["status"]
        return outcome

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    assert kernel.run("%load_ext moorage\n%config MoorageMagics.progress_after = 0").status == "ok"
    yield kernel
    kernel.run("%cluster stop")
    kernel.close()


@pytest.fixture
def started(kernel):
    """The kernel with a cluster of one worker, or whatever tests before have left of it."""
    if kernel.run("print(cluster)").status == "error":  # `cluster` alone is the magic
        assert kernel.run("%cluster start -n 1 --threads 1 --memory 1GB").status == "ok"
    return kernel


def test_an_interrupted_start_leaves_nothing_and_can_be_repeated(kernel):
    outcome = kernel.run("%cluster start -n 12 --threads 1", interrupt_at="starting")  # takes seconds
    assert outcome.status == "error"
    assert "There is no cluster" in outcome.evalue
    assert outcome.traceback.startswith("KeyboardInterrupt: interrupted.")
    assert "No cluster" in kernel.run("%cluster").text
    assert kernel.run("%cluster start -n 1 --threads 1 --memory 1GB").status == "ok"
    assert kernel.run("%cluster stop\ndel cluster").status == "ok"


def test_a_start_is_one_line_that_changes_and_ends_as_the_status(kernel):
    outcome = kernel.run("%cluster start -n 1 --threads 1 --memory 1GB")
    assert outcome.status == "ok", outcome.traceback
    assert outcome.kinds[0] == "display_data"
    assert set(outcome.kinds[1:]) == {"update_display_data"}
    assert len({content["transient"]["display_id"] for content in outcome.displays}) == 1
    assert "1 worker, 1 thread" in outcome.displays[-1]["data"]["text/plain"]
    assert "<table>" in outcome.displays[-1]["data"]["text/html"]


def test_an_error_fails_the_cell_in_two_lines(started):
    outcome = started.run("x = 1\n%pin x --workers nobody")
    assert outcome.status == "error"
    assert outcome.ename == "UnknownWorkerError"
    message, *remedy = outcome.evalue.splitlines()
    assert outcome.traceback.splitlines() == [f"UnknownWorkerError: {message}", *remedy]
    assert "nobody" in outcome.traceback


def test_a_cell_whose_value_is_placed_may_wait_for_what_runs_on_the_notebook_s_loop(started):
    started.run("import asyncio\nasync def ready():\n    await asyncio.sleep(0.01)\n    return 'waited'")
    started.run("task = asyncio.get_running_loop().create_task(ready())")
    outcome = started.run("%%broadcast waited\nawait task")
    assert outcome.status == "ok", outcome.traceback
    assert "waited (str" in outcome.text
    assert "'waited'" in started.run("%gather waited").text
    started.run("%release waited")


@contextmanager
def busy_host(kernel):
    """The process of scheduler and nannies is so busy that it answers nothing."""
    children = psutil.Process(kernel.manager.provisioner.pid).children()
    (host,) = [child for child in children if "moorage.deploy.host" in child.cmdline()]
    host.suspend()
    try:
        yield
    finally:
        host.resume()


def test_an_interrupted_scale_says_what_stands_and_goes_on(started):
    started.run("big = bytes(10**6)\n%broadcast big")
    with busy_host(started):
        outcome = started.run("%cluster scale 4", interrupt_at="scaling")
    assert outcome.status == "error"
    assert outcome.evalue == "interrupted. Held: big. %cluster and %placement show more."
    assert started.run("cluster.wait_for_workers(4, 60)").status == "ok"
    assert "held by 4 of 4 workers" in started.run("%broadcast big").text
    assert started.run("assert cluster.gather('big') == big").status == "ok"


def test_an_interrupted_gather_leaves_what_it_waited_for(started, tmp_path):
    flag = tmp_path / "go"
    wait = "import os, time\nwhile not os.path.exists(flag):\n    time.sleep(0.01)"
    started.run(f"flag = {str(flag)!r}")
    started.run(f"%%submit -o slow\n{wait}\n'done'")
    outcome = started.run("%gather slow", interrupt_at="gathering")
    assert outcome.status == "error"
    assert outcome.evalue.startswith("interrupted.")
    flag.touch()
    assert "'done'" in started.run("%gather slow").text
    started.run("slow.release()")  # its value would have to be kept, too


def test_an_interrupted_loop_says_what_ran_and_leaves_placements_alone(started):
    started.run("data = list(range(1000))\n%broadcast data")
    loop = "%%submit -b -o looped for i in range(5000)\nimport time\ntime.sleep(0.02)\ni + data[0]"
    outcome = started.run(loop, interrupt_at="items done")
    assert outcome.status == "error"
    assert re.match(r"interrupted\. \d+ of 5000 items have run\. What had not run was cancelled;", outcome.evalue)
    values = "values = looped.gather(errors='skip')\n"  # what is under way may end a while after it was cancelled
    counts = "p = looped.progress\nprint(p.finished, p.done + p.cancelled, len(values) == p.done)"
    assert started.run(values + counts).text.split() == ["True", "5000", "True"]
    assert "everywhere" in started.run("%placement data").text
    started.run("%release data")


def test_what_would_be_lost_is_kept_unless_forced(started):
    started.run("precious = 'precious'\n%broadcast precious")
    outcome = started.run("%cluster scale 0")
    assert outcome.ename == "ScaleError"
    assert "force" in outcome.evalue
    assert "'precious'" in started.run("%gather precious").text
    assert started.run("%cluster scale 0 --force").status == "ok"
    assert started.run("%cluster scale 1").status == "ok"
    assert "'precious'" in started.run("%gather precious").text  # the notebook still has it, and sends it again


def test_a_placement_on_an_empty_cluster_waits_for_its_workers(started):
    outcome = started.run("cluster.release(*cluster)\n%cluster scale 0")
    assert outcome.status == "ok", outcome.traceback
    outcome = started.run("early = 'early'\n%broadcast early")
    assert outcome.status == "ok", outcome.traceback
    assert "waiting" in outcome.text
    assert started.run("%cluster scale 1").status == "ok"
    assert "held by 1 of 1 worker" in started.run("%broadcast early").text
    assert "'early'" in started.run("%gather early").text


def test_a_table_has_a_rich_and_a_plain_form(started):
    started.run("x = 1.5\n%broadcast x")
    (shown,) = started.run("%placement").displays
    assert "<table>" in shown["data"]["text/html"]
    assert "everywhere" in shown["data"]["text/plain"]


def test_the_cluster_as_the_value_of_a_cell_is_the_board_and_a_table_where_there_are_no_widgets(started):
    view = "application/vnd.jupyter.widget-view+json"

    def value(name):
        outcome = started.run(name)
        assert outcome.status == "ok", outcome.traceback
        return outcome.displays[outcome.kinds.index("execute_result")]["data"]

    shown = value("cluster")
    assert "1 worker" in shown["text/plain"]
    assert "<table>" in shown["text/html"]
    assert value("cluster")[view] == shown[view]  # one board, however often it is shown
    assert started.run("%cluster start -n 1 --threads 1 --as second").status == "ok"
    assert view not in value("cluster")  # boards are about the second
    assert started.run("second.stop()").status == "ok"
    assert view not in value("second")


def test_attach_takes_dask_s_own_cluster_and_client(kernel):
    kernel.run("""
        from distributed import Client, LocalCluster
        theirs = LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None)
        client = Client(theirs)
    """)
    outcome = kernel.run("%cluster attach theirs --as a\nx = 'text'\n%broadcast x\n%cluster scale 2\n%placement")
    assert outcome.status == "ok", outcome.traceback
    assert "LocalCluster" in outcome.text
    assert "2 of 2 workers" in kernel.run("%broadcast x").text
    assert "'text'" in kernel.run("%cluster attach client --as b\n%gather x").text
    assert kernel.run("b.close(); a.close(); client.close(); theirs.close()").status == "ok"


@pytest.mark.timeout(600)
def test_the_quickstart_runs_to_its_end_and_shows_what_it_says(tmp_path):
    """What `npm run demo` does, with fewer fits: all 200 keep both processors of a small machine busy for a minute."""
    text = (ROOT / "notebooks/quickstart.ipynb").read_text(encoding="utf-8")
    assert "range(200)" in text
    shorter = tmp_path / "quickstart.ipynb"
    shorter.write_text(text.replace("range(200)", "range(30)"), encoding="utf-8")
    shown = shown_by(shorter)
    assert "336,776 flights" in shown
    assert "30 fits" in shown
    assert "moorage:    4 of 4 workers\nplain Dask: 1 of 4 workers" in shown
    assert "moorage:    6 of 6 workers\nplain Dask: 1 of 6 workers" in shown
    assert "equal to what was placed: True" in shown

"""What tasks print and display reaches the notebook, while they run."""

import io
import os
import sys
import threading
import time

import numpy as np
from distributed import Event

from moorage.tasks.options import Options
from moorage.worker.tasks.output import Sink
from tests.helpers import eventually
from tests.tasks.tools import run_cell, text


def collect(submitter, source, namespace=None, **options):
    reports = []
    value = run_cell(submitter, source, namespace or {}, options=Options(on_report=reports.append, **options))
    return value, reports


def test_printed_text_and_warnings_arrive(submitter):
    source = "import sys, warnings\nprint('hello', 1)\nprint('to stderr', file=sys.stderr)\nwarnings.warn('careful')\n7"
    value, reports = collect(submitter, source)
    assert value == 7
    eventually(lambda: "careful" in text(reports, "stderr"))
    assert text(reports) == "hello 1\n"
    assert "to stderr" in text(reports, "stderr")
    assert {r["on"] for r in reports} <= {"alice", "bob"}


def test_printed_text_arrives_while_the_task_runs(client, submitter):
    reports = []
    source = "from distributed import Event\nprint('begun')\nassert Event('go-on').wait(30)\nprint('ended')"
    future = submitter.cell(source, {}, Options(on_report=reports.append))
    eventually(lambda: text(reports) == "begun\n")
    assert not future.done()
    Event("go-on", client=client).set()
    future.result(30)
    eventually(lambda: text(reports) == "begun\nended\n")


def test_what_threads_of_a_task_print_is_the_tasks(submitter):
    source = """
import io
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

class Own(threading.Thread):
    def run(self):
        print("own")
        nested = threading.Thread(target=print, args=("nested",))
        nested.start()
        nested.join()

own = Own()
own.start()
own.join()
with ThreadPoolExecutor(2) as pool:
    list(pool.map(lambda i: print("pool", i), range(3)))
"""
    _, reports = collect(submitter, source)
    eventually(lambda: text(reports).count("\n") == 5)
    assert sorted(text(reports).splitlines()) == ["nested", "own", "pool 0", "pool 1", "pool 2"]


def test_what_threads_of_an_item_print_bears_its_number(cluster):
    def item(i):
        thread = threading.Thread(target=print, args=("item", i))
        thread.start()
        thread.join()

    reports = []
    cluster.submitter.map(item, range(5), options=Options(on_report=reports.append)).wait()
    parts = [p for r in reports if r["kind"] == "output" for p in r["parts"]]
    assert sorted((p[1], p[2]) for p in parts) == [(i, f"item {i}\n") for i in range(5)]


def test_a_thread_that_outlives_its_task_does_not_print_for_another(cluster):
    gate = Event(client=cluster.client)
    name = gate.name

    def leave_one_behind():
        def late():
            from distributed import Event, worker_client

            print("early")
            went_on.set()
            with worker_client():
                pass
            assert Event(name).wait(30)
            print("late")

        went_on = threading.Event()
        threading.Thread(target=late).start()
        assert went_on.wait(30)

    def others():
        from distributed import Event

        Event(name).set()
        time.sleep(0.2)
        print("other")

    reports = []
    options = Options(workers=("alice",), on_report=reports.append)
    for function in (leave_one_behind, others):
        cluster.submitter.submit(function, options=options, pure=False).result(30)
    eventually(lambda: "other" in text(reports))
    assert text(reports) == "early\nother\n"


def test_what_a_finalizer_prints_in_the_middle_of_a_print_does_not_block():
    sent = []
    sink = Sink(sent.append)

    class Text(str):
        def __getitem__(self, at):  # here the collector may run, as anywhere
            sink.write("stderr", "finalized\n", None)
            return str(self)

    thread = threading.Thread(target=sink.write, args=("stdout", Text("printed\n"), None), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    sink.flush()
    assert text(sent) == "printed\n"
    assert text(sent, "stderr") == "finalized\n"


def test_a_flood_of_text_is_cut_and_said_so(submitter):
    _, reports = collect(submitter, "for i in range(30_000): print('x' * 100)")
    eventually(lambda: "the rest is not shown" in text(reports, "stderr"))
    assert 900_000 < len(text(reports)) < 1_100_000


def test_displayed_objects_and_figures_arrive(submitter):
    source = "\n".join(
        [
            "import pandas as pd, matplotlib.pyplot as plt",
            "print('before')",
            "display(pd.DataFrame({'a': [1]}))",
            "plt.plot([1, 2])",
            "'done'",
        ]
    )
    value, reports = collect(submitter, source)
    assert value == "done"
    eventually(lambda: sum(r["kind"] == "display" for r in reports) == 2)
    kinds = [r["kind"] for r in reports]
    assert kinds == ["output", "display", "display"]
    assert "<table" in reports[1]["data"]["text/html"]
    assert reports[2]["data"]["image/png"].startswith("iVBOR")


def test_what_items_print_is_labelled_with_their_number(cluster):
    reports = []
    options = Options(on_report=reports.append)
    cluster.submitter.map(lambda i: print("item", i), range(5), options=options).wait()
    parts = [p for r in reports if r["kind"] == "output" for p in r["parts"]]
    assert sorted((p[1], p[2]) for p in parts) == [(i, f"item {i}\n") for i in range(5)]


def test_the_scheduler_keeps_nothing_of_what_tasks_print(cluster):
    reports = []
    cluster.submitter.map(lambda i: print("x" * 1000), range(20), options=Options(on_report=reports.append)).wait()
    assert any(r["kind"] == "output" for r in reports)
    assert cluster.client.get_events(cluster.submitter.runtime.topic) == ()


def test_nothing_that_a_task_prints_displays_or_warns_of_harms_its_worker(cluster):
    def odd(i):
        import json
        import logging
        import warnings

        from distributed import get_worker
        from distributed import print as print_at_home

        lone = os.fsdecode(b"caf\xe9")

        class Shown:
            def __init__(self, data):
                self.data = data

            def _repr_mimebundle_(self, include=None, exclude=None):
                return self.data

        class Raises:
            def __repr__(self):
                raise ValueError("no text")

            def _repr_html_(self):
                raise ValueError("no page")

        print(lone)
        print(lone, file=sys.stderr)
        warnings.warn(lone, stacklevel=1)
        logging.getLogger("odd").warning(lone)
        print_at_home(lone)
        get_worker().log_event("odd", {"text": lone, "number": 2**70})
        cyclic = {}
        cyclic["self"] = cyclic
        numbers = {"n": np.float64(1.5), "s": {1, 2}, 3: "int key", "a": np.arange(3), "text": lone}
        for data in (numbers, cyclic, lone, 2**70, json):
            display(Shown({"text/plain": lone, "application/json": data, "text/html": data, 3: 4}))  # noqa: F821
        display(Raises(), Shown(lone), Shown({"text/plain": "x" * 20_000_000}), type)  # noqa: F821
        return i

    before = cluster.client.run(os.getpid)
    reports = []
    results = cluster.submitter.map(odd, range(4), options=Options(on_report=reports.append, batch_size=2))
    assert results.gather() == [0, 1, 2, 3]
    assert cluster.submitter.submit(odd, (4,), options=Options(on_report=reports.append)).result(30) == 4
    assert cluster.client.run(os.getpid) == before
    eventually(lambda: r"caf\udce9" in text(reports) and "no page" in text(reports, "stderr"))
    shown = [report["data"] for report in reports if report["kind"] == "display"]
    told = [data.get("application/json") for data in shown]
    assert {"n": 1.5, "s": (1, 2), "3": "int key", "a": (0, 1, 2), "text": "caf?"} in told
    assert {} not in told  # the cyclic one
    assert any("too large to show" in data["text/plain"] and len(data["text/plain"]) < 2000 for data in shown)


def test_a_stream_that_a_task_has_closed_or_lost_is_there_for_the_next(cluster):
    def closes(i):
        sys.stdout.close()
        print("after closing")
        sys.stdout = io.StringIO()
        sys.stdout.close()
        sys.stderr = None

    cluster.map(closes, range(4)).gather()
    reports = []
    cluster.submitter.map(lambda i: print("item", i), range(4), options=Options(on_report=reports.append)).wait()
    eventually(lambda: text(reports).count("item") == 4)

"""Results as the output of a cell, in a real kernel."""

import re

import pytest

from tests.jupyter.test_kernel import Kernel


@pytest.fixture(scope="module")
def kernel():
    running = Kernel()
    try:
        assert running.run("%load_ext moorage\n%cluster start -n 2 --threads 1").status == "ok"
        yield running
    finally:
        running.close()


def test_results_show_how_far_they_are_until_they_have_ended(kernel):
    kernel.run("%%submit -o r for i in range(40)\nimport time\ntime.sleep(0.05)\n1 / (i - 7)")
    outcome = kernel.run("display(r)\nr.wait()\nimport time\ntime.sleep(1)")
    shown = [content["data"]["text/html"] for content in outcome.displays]
    assert outcome.kinds[0] == "display_data"
    assert set(outcome.kinds[1:]) == {"update_display_data"}
    assert len({content["transient"]["display_id"] for content in outcome.displays}) == 1
    counts = [int(re.search(r"(\d+) of 40 items", html)[1]) for html in shown]
    assert counts == sorted(counts)
    assert counts[-1] == 40
    assert "ZeroDivisionError: division by zero" in shown[-1]
    assert "s left" not in shown[-1]


def test_a_loop_whose_results_get_a_name_shows_one_line_below_its_cell(kernel):
    body = r"import time\ntime.sleep(0.05)\n1 / (i - 7)"
    outcome = kernel.run(
        f"get_ipython().run_cell_magic('submit', '-o named for i in range(40)', '{body}')\n"
        "named.wait()\nimport time\ntime.sleep(1)"
    )
    shown = [content["data"]["text/html"] for content in outcome.displays]
    assert len({content["transient"]["display_id"] for content in outcome.displays}) == 1
    assert any("per second, about" in html for html in shown)
    assert "40 of 40 items, 1 failed" in shown[-1]
    assert "<table" not in shown[-1]


def test_many_lines_change_less_often_each(kernel):
    kernel.run("from moorage.jupyter import results_view\nimport time\nnow = time.process_time")
    kernel.run("loops = [cluster.map(time.sleep, [0.01] * 400) for _ in range(40)]")
    outcome = kernel.run(
        "for loop in loops: results_view.show_line(loop)\ntime.sleep(4)\nfor loop in loops: loop.stop()"
    )
    updates = [kind for kind in outcome.kinds if kind == "update_display_data"]
    assert 0 < len(updates) < 160


def test_what_an_item_says_is_text_and_never_html(kernel):
    kernel.run("%%submit -o bad --block for i in range(3)\nraise ValueError('<img src=x onerror=alert(1)>')")
    outcome = kernel.run("bad.wait()\nbad")
    (first, *_) = outcome.displays
    assert "&lt;img src=x" in first["data"]["text/html"]
    assert "<img" not in first["data"]["text/html"]
    assert "3 of 3 done, 3 failed" in first["data"]["text/plain"]


def test_results_that_have_ended_are_shown_once(kernel):
    kernel.run("%%submit -o fine --block for i in range(3)\ni")
    outcome = kernel.run("fine")
    assert outcome.kinds[0] == "display_data"
    assert "3 of 3 items" in outcome.displays[0]["data"]["text/html"]


def test_results_that_are_shown_again_are_alive_there_too_as_after_a_reload(kernel):
    kernel.run("%%submit -o again for i in range(60)\nimport time\ntime.sleep(0.05)\ni")
    before = kernel.run("again")
    outcome = kernel.run("display(again)\nagain.wait()\nimport time\ntime.sleep(1)")
    ids = {content["transient"]["display_id"] for content in (*before.displays[:1], *outcome.displays[:1])}
    assert len(ids) == 2
    assert "60 of 60 items" in outcome.displays[-1]["data"]["text/html"]


def test_what_has_ended_a_loop_before_its_end_is_shown(kernel):
    kernel.run("def items():\n    yield 1\n    raise OSError('<no more>')")
    kernel.run("%%submit -o short for i in items()\ni")
    outcome = kernel.run("short.wait_quietly()\nshort")
    assert "1 of 1 items, ended by OSError: &lt;no more&gt;" in outcome.displays[0]["data"]["text/html"]
    assert "ended by OSError" in outcome.displays[0]["data"]["text/plain"]

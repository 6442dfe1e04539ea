"""The magic `%%submit` in a real shell, on a real cluster of two workers. The engine has tests of its own."""

import os
from pathlib import Path

from distributed import Future

from tests.helpers import eventually


def test_the_value_of_the_cell_comes_back(notebook):
    assert notebook.value("%%submit\nimport os\nos.getpid()") != os.getpid()


def test_a_placed_variable_is_used_where_it_is(notebook):
    notebook.run("x = list(range(1000))\n%pin x --workers bob")
    code = "%%submit\nfrom distributed import get_worker\n(get_worker().name, sum(x))"
    assert notebook.value(code) == ("bob", 499500)


def test_a_name_takes_the_future(notebook):
    shown = notebook.run("%%submit -o answer\n6 * 7")
    assert isinstance(notebook.names["answer"], Future)
    assert "42" not in shown
    assert notebook.value("%gather answer") == 42


def test_several_names_take_what_the_cell_assigns(notebook):
    notebook.run("%%submit -o a,b\na = 1\nb = 'two'")
    assert notebook.value("%gather a b") == (1, "two")


def test_a_loop_runs_the_cell_for_each_item(notebook):
    notebook.run("power = 2")
    notebook.run("%%submit -o squares for i in range(20)\ni ** power")
    assert notebook.value("%gather squares") == [i**2 for i in range(20)]
    assert notebook.value("%%submit for a, b in zip('ab', 'cd')\na + b") == ["ac", "bd"]


def test_what_the_cell_prints_appears_below_it(notebook):
    assert "hello from there" in notebook.run("%%submit\nprint('hello from there')")


def test_an_error_shows_the_cell_s_own_lines(notebook):
    error, shown = notebook.fail("%%submit\nzero = 0\n1 / zero")
    assert isinstance(error, ZeroDivisionError)
    assert "3 1 / zero" in shown
    assert "moorage/" not in shown
    assert "dynamic-code" not in shown


def test_a_cell_that_is_no_python_is_not_run(notebook):
    _, shown = notebook.fail("%%submit\nx = 1\nf(")
    assert "SyntaxError" in shown
    assert "line 3" in shown
    assert "moorage/" not in shown


def test_workers_are_named_as_everywhere(notebook):
    assert notebook.value("%%submit --workers alice\nfrom distributed import get_worker\nget_worker().name") == "alice"
    error, _ = notebook.fail("%%submit --workers carol\n1")
    assert "The workers: alice, bob." in error.remedy


def test_the_line_form_says_that_a_cell_is_needed(notebook):
    error, _ = notebook.fail("%submit -o x")
    assert "%%submit" in error.remedy


def test_gather_of_what_takes_too_long_says_so_and_it_goes_on(notebook, tmp_path):
    flag = tmp_path / "go"
    notebook.names["flag"] = str(flag)
    wait = "import os, time\nwhile not os.path.exists(flag):\n    time.sleep(0.01)\n"
    notebook.run(f"%%submit -o one\n{wait}'one'")
    notebook.run(f"%%submit -o many for i in range(3)\n{wait}i")
    for name in ("one", "many"):
        error, _ = notebook.fail(f"%gather {name} --timeout 0.1")
        assert error.message == f"{name} was not complete within 0.1 s."
    flag.touch()
    assert notebook.value("%gather one many") == ("one", [0, 1, 2])


def test_gather_shows_the_error_of_a_cell_with_its_own_lines(notebook):
    notebook.run("%%submit -o failed\nzero = 0\n1 / zero")
    error, shown = notebook.fail("%gather failed")
    assert isinstance(error, ZeroDivisionError)
    assert "3 1 / zero" in shown
    assert "moorage/" not in shown


def test_a_result_can_stay_on_the_cluster_without_the_notebook_holding_it(notebook):
    notebook.run("%%submit -o big --broadcast\nimport numpy as np\nnp.arange(100_000)")
    eventually(lambda: notebook.names["cluster"].placement()["big"].holders == ["alice", "bob"])
    assert notebook.value("%%submit\nint(big.sum())") == 4999950000
    assert notebook.names["cluster"].placement()["big"].stale is False
    assert "ndarray" in repr(notebook.names["big"])
    notebook.run("%%submit -o left,right --pin bob\nleft = [1] * 1000\nright = [2] * 1000")
    assert notebook.value("%%submit\nfrom distributed import get_worker\n(get_worker().name, left[0], right[0])") == (
        "bob",
        1,
        2,
    )


def test_blocking_is_a_choice(notebook):
    notebook.run("%%submit -o results --block for i in range(5)\ni")
    assert notebook.names["results"].done()
    assert notebook.value("%%submit --noblock for i in range(5)\ni").gather() == [0, 1, 2, 3, 4]


def test_each_worker_runs_it_once(notebook):
    assert notebook.value("%%submit --each\nfrom distributed import get_worker\nget_worker().name") == {
        "alice": "alice",
        "bob": "bob",
    }


def test_what_takes_too_long_is_cancelled(notebook):
    error, _ = notebook.fail("%%submit --timeout 0.2\nimport time\nfor _ in range(500): time.sleep(0.01)")
    assert "did not finish within 0.2 s" in error.message
    error, _ = notebook.fail("%%submit --each --timeout 0.2\nimport time\nfor _ in range(200): time.sleep(0.01)")
    assert "did not finish within 0.2 s" in error.message
    error, _ = notebook.fail("%%submit --timeout 0.3 for i in range(1000)\nimport time\ntime.sleep(0.05)")
    assert "of 1000 items finished within 0.3 s" in error.message


def test_large_values_are_placed_and_said_so_or_refused(notebook):
    notebook.run("import numpy as np\nhuge = np.zeros(200_000)")
    error, _ = notebook.fail("%%submit --no-auto\nhuge.sum()")
    assert "huge (1.53 MiB) would be copied" in error.message
    assert "Placed huge (1.53 MiB)" in notebook.run("%%submit\nhuge.sum()")
    notebook.run("huge[0] = 5")
    error, _ = notebook.fail("%%submit --stale error\nhuge.sum()")
    assert "huge has changed" in error.message
    assert notebook.value("%%submit\nfloat(huge.sum())") == 5.0
    notebook.run("huge = np.ones(200_000)")
    assert notebook.value("%%submit\nfloat(huge.sum())") == 200_000.0
    assert "huge" in notebook.names["cluster"]


def test_figures_and_displayed_objects_appear_below_the_cell(notebook):
    shown = notebook.run("%%submit\nimport pandas as pd\ndisplay(pd.DataFrame({'column': [1]}))\nprint('end')")
    assert "column" in shown
    assert "end" in shown


def test_errors_of_items_are_kept_per_item(notebook):
    notebook.run("%%submit -o r --block --noblock for i in range(4)\n1 / i")
    results = notebook.names["r"]
    results.wait()
    assert [e.index for e in results.errors] == [0]
    assert "1 / i" in results.errors[0].traceback


def test_unpicklable_captures_are_named_by_their_path(notebook):
    notebook.run("import threading\nclass Model: pass\nmodel = Model()\nmodel.lock = threading.Lock()")
    error, _ = notebook.fail("%%submit\nmodel")
    assert error.message.startswith("model.lock (of type lock) cannot leave the notebook")


def test_what_belongs_to_the_notebook_is_refused_in_a_sentence(notebook):
    notebook.run("class Asks:\n    def shell(self): return get_ipython()\nasks = Asks()")
    for cell, name in ("get_ipython()", "get_ipython"), ("asks.shell()", "get_ipython, which 'Asks.shell' uses,"):
        error, _ = notebook.fail(f"%%submit\n{cell}")
        assert error.message == f"{name} belongs to the notebook's IPython, and there is none on workers."
    _, shown = notebook.fail("%%submit\ncluster")
    assert shown.splitlines()[0] == "UnpicklableError: A cluster object cannot be sent to workers."


def test_await_works_on_workers(notebook):
    assert notebook.value("%%submit\nimport asyncio\nawait asyncio.sleep(0.01, 'slept')") == "slept"


def test_what_a_placed_cell_raised_is_shown_with_its_own_lines(notebook, tmp_path):
    gate = notebook.names["gate"] = str(tmp_path / "gate")
    wait = "import os, time\nwhile not os.path.exists(gate): time.sleep(0.01)\n"
    notebook.run(f"%%submit -o broken --broadcast\n{wait}1 / 0")
    Path(gate).touch()
    eventually(lambda: notebook.names["cluster"].placement()["broken"].state == "lost")
    error, _ = notebook.fail("%gather broken")
    assert "ZeroDivisionError" in error.message
    error, shown = notebook.fail("%%submit\nbroken")
    assert isinstance(error, ZeroDivisionError)
    assert "4 1 / 0" in shown
    assert "moorage/" not in shown


def test_what_is_printed_on_each_worker_is_labelled(notebook):
    shown = notebook.run("%%submit --each\nprint('hello')")
    assert sorted(line for line in shown.splitlines() if "hello" in line) == ["[alice] hello", "[bob] hello"]


def test_an_iterable_that_cannot_be_had_is_shown_with_the_line_of_the_magic(notebook):
    error, shown = notebook.fail("%%submit for i in [1 / zero for zero in (1, 0)]\ni")
    assert isinstance(error, ZeroDivisionError)
    assert "1 # %%submit for i in [1 / zero for zero in (1, 0)]" in shown
    assert "moorage/" not in shown
    error, shown = notebook.fail("%%submit for i in nothing_of_that_name\ni")
    assert isinstance(error, NameError)
    assert "moorage/" not in shown

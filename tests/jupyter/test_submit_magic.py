"""The magic `%%submit` in a real shell, on a real cluster of two workers. The engine has tests of its own."""

import os

from distributed import Future


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
        assert error.message == f"{name} is not complete within 0.1 s."
    flag.touch()
    assert notebook.value("%gather one many") == ("one", [0, 1, 2])


def test_gather_shows_the_error_of_a_cell_with_its_own_lines(notebook):
    notebook.run("%%submit -o failed\nzero = 0\n1 / zero")
    error, shown = notebook.fail("%gather failed")
    assert isinstance(error, ZeroDivisionError)
    assert "3 1 / zero" in shown
    assert "moorage/" not in shown

"""Cells of a notebook as tasks."""

import sys
import traceback
import types

import numpy as np
import pytest

from tests.tasks.tools import notebook, run_cell


def test_a_cell_uses_variables_and_functions_of_the_notebook(backend, submitter, data):
    namespace = notebook("factor = 2\ndef scaled(i): return float(data[i]) * factor")
    namespace["data"] = data
    backend.place(data, "data")
    assert run_cell(submitter, "i = 3\nscaled(i)", namespace) == data[3] * 2
    assert "i" not in namespace


def test_a_cell_may_rebind_what_its_functions_read_as_in_the_notebook(submitter):
    namespace = notebook("factor = 2\ndef scaled(i): return i * factor")
    assert run_cell(submitter, "factor = 5\nscaled(1)", namespace) == 5
    assert namespace["factor"] == 2


def test_a_variable_that_only_the_cluster_has_is_found_by_name(backend, submitter, data, monkeypatch):
    backend.place(data, "data")
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    namespace = vars(main)
    exec("def first(): return float(data[0])", namespace)
    assert run_cell(submitter, "float(data[0])", namespace) == data[0]
    assert run_cell(submitter, "first()", namespace) == data[0]
    assert submitter.submit(namespace["first"]).result(30) == data[0]
    assert submitter.submit(lambda n: n, (submitter.evaluate("data", namespace),)).result(30)[0] == data[0]


def test_a_variable_placed_by_element_is_its_list_again(backend, submitter):
    parts = [np.full(2000, i) for i in range(4)]
    backend.place_elements(parts, "parts")
    assert run_cell(submitter, "[int(p[0]) for p in parts]", {"parts": parts}) == [0, 1, 2, 3]
    assert run_cell(submitter, "[int(p[0]) for p in parts]", {}) == [0, 1, 2, 3]


def test_an_unknown_name_is_a_name_error_at_its_line(submitter):
    with pytest.raises(NameError, match="nowhere") as caught:
        run_cell(submitter, "x = 1\nnowhere + x", {}, filename="cell 7", first_line=2)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert ("cell 7", 3) in [(f.filename, f.lineno) for f in frames]


def test_a_traceback_has_the_users_frames_only(submitter):
    namespace = notebook()
    exec(compile("def inner(n):\n    return 1 / n", "cell 5", "exec"), namespace)
    with pytest.raises(ZeroDivisionError) as caught:
        run_cell(submitter, "inner(0)", namespace, filename="cell 6", first_line=2)
    files = [f.filename for f in traceback.extract_tb(caught.value.__traceback__)]
    assert files[-2:] == ["cell 6", "cell 5"]
    assert not [f for f in files if "moorage/worker" in f or "dask/" in f]
    assert any("worker" in note for note in caught.value.__notes__)


def test_several_named_results_are_a_tuple(submitter):
    assert run_cell(submitter, "a = 1\nb = a + 1", {}, names=("a", "b")) == (1, 2)


def test_code_that_awaits_runs(submitter):
    assert run_cell(submitter, "import asyncio\nawait asyncio.sleep(0.01, 'slept')", {}) == "slept"


def test_a_task_that_exits_is_an_error_not_the_end(submitter):
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        run_cell(submitter, "raise SystemExit(3)", {})
    assert run_cell(submitter, "1 + 1", {}) == 2


def test_a_cell_runs_for_each_item_with_its_target(cluster):
    namespace = {"__name__": "__main__", "pairs": [(1, "a"), (2, "b")], "base": 10}
    results = cluster.submitter.cell_map("base += n\nf'{s}{base}'", "n, s", "reversed(pairs)", namespace)
    assert results.gather() == ["b12", "a11"]
    with pytest.raises(ZeroDivisionError):
        cluster.submitter.cell_map("1", "i", "[1 / 0]", namespace)


@pytest.mark.parametrize("placed", [False, True])
def test_an_object_of_a_class_that_a_later_cell_has_redefined_stays_of_the_old_one(backend, submitter, placed):
    namespace = notebook("class Point:\n    x = 1\npoint = Point()")
    cell = "[isinstance(point, Point), isinstance(Point(), Point), point.x, Point.x, type(point)().x]"
    if placed:
        backend.place(namespace["point"], "point")
    assert run_cell(submitter, cell, namespace) == [True, True, 1, 1, 1]
    exec("class Point:\n    x = 2", namespace)
    for _ in range(2):  # also where a worker has made both
        assert run_cell(submitter, cell, namespace) == [False, True, 1, 2, 1]
    exec("point = Point()", namespace)
    if placed:
        backend.place(namespace["point"], "point")
    assert run_cell(submitter, cell, namespace) == [True, True, 2, 2, 2]

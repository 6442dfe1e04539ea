"""Classes of the notebook that are redefined between cells: who still has objects of the earlier one is told."""

import pytest

from moorage.tasks.options import Options
from tests.helpers import eventually
from tests.tasks.tools import notebook, run_cell

POINT = "class Point:\n    def __init__(self, x): self.x = x"


@pytest.fixture
def told():
    return []


@pytest.fixture
def options(told):
    def hear(report):
        told.extend(text for _, _, text in report.get("parts", ()))

    return Options(on_report=hear)


@pytest.mark.parametrize("made", ["Point(1)", "[Point(1), 2]", "{'p': (Point(1),)}"])
@pytest.mark.parametrize("placed", [False, True])
def test_a_value_of_the_class_as_it_was_is_told_of_by_its_name_and_once(
    backend, submitter, told, options, made, placed
):
    namespace = notebook(f"{POINT}\nthere = {made}")
    if placed:
        backend.place(namespace["there"], "there")
    run_cell(submitter, "there, Point", namespace, options=options)
    assert told == []
    exec(POINT, namespace)
    for _ in range(2):
        run_cell(submitter, "Point(0), str(there)", namespace, options=options)
    assert [text for text in told if "there is or holds an object of an earlier" in text] == told
    assert len(told) == 1


def test_what_does_not_use_the_class_of_now_is_fine(submitter, told, options):
    namespace = notebook(f"{POINT}\npoint = Point(1)\n{POINT}")
    assert run_cell(submitter, "point.x", namespace, options=options) == 1
    assert told == []


def test_items_and_what_functions_read_are_told_of_too(submitter, told, options):
    namespace = notebook(f"{POINT}\npoints = [Point(i) for i in range(3)]\n{POINT}")
    loop = submitter.cell_map("isinstance(p, Point)", "p", "points", namespace, options)
    assert loop.gather() == [False, False, False]
    assert sum("an item is" in text for text in told) == 1
    exec("def count(): return sum(isinstance(p, Point) for p in points)", namespace)
    assert run_cell(submitter, "count()", namespace, options=options) == 0
    assert sum("points is" in text for text in told) == 1


def test_results_that_only_the_cluster_has_are_told_of_there(submitter, told, options):
    namespace = notebook(POINT)
    namespace["made"] = submitter.cell("Point(1)", namespace)
    assert run_cell(submitter, "isinstance(made, Point)", namespace, options=options) is True
    exec(POINT, namespace)
    assert run_cell(submitter, "isinstance(made, Point)", namespace, options=options) is False
    eventually(lambda: any("A result on the cluster is" in text for text in told))

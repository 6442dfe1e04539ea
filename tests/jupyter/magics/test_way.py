"""How many functions a line of magic goes through until its message leaves: those that CONTRIBUTING.md names."""

import asyncio
import re
import sys
import threading
from pathlib import Path

import pytest

from moorage.kernel.connection.scheduler_link import SchedulerLink

PACKAGE = Path(sys.modules["moorage"].__file__).parent
TEXT = (PACKAGE.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
WAIT = {"reads.run", "wait_for", "wait_for.run", "Reviving.carry_out"}  # around every verb, whatever it is


def called(frame):
    """The functions of moorage that have called `frame`, and itself, the outermost first."""
    codes = []
    while frame is not None:
        codes.append(frame.f_code)
        frame = frame.f_back
    return names(reversed(codes))


def awaiting(coroutine):
    """The functions of moorage that a task awaits, the outermost first."""
    codes = []
    while (code := getattr(coroutine, "cr_code", None)) is not None:
        codes.append(code)
        coroutine = coroutine.cr_await
    return names(codes)


def names(codes):
    ours = [code for code in codes if Path(code.co_filename).is_relative_to(PACKAGE)]
    return [re.sub(r"<locals>\.(decorate\.<locals>\.)?", "", code.co_qualname) for code in ours]


@pytest.fixture
def way(monkeypatch):
    """The functions between the cell and what is sent last."""
    seen = []

    def look(method):
        async def sends(self, *args, **kwargs):
            of_kernel = called(sys._current_frames()[threading.main_thread().ident])
            here = asyncio.current_task()
            tasks = [awaiting(task.get_coro()) for task in asyncio.all_tasks() if task is not here]
            on_loop = [one for task in tasks if any(name.startswith("Placer.") for name in task) for one in task]
            own = awaiting(here.get_coro()) or called(sys._getframe())[:-1]
            every = [*of_kernel, *on_loop, *own, f"SchedulerLink.{method.__name__}"]
            seen[:] = [name for name in every if name not in WAIT]
            return await method(self, *args, **kwargs)

        return sends

    for method in (SchedulerLink.place, SchedulerLink.release):
        monkeypatch.setattr(SchedulerLink, method.__name__, look(method))
    return seen


def test_pin_goes_the_way_that_is_described(notebook, way):
    notebook.run("numbers = list(range(100))\n%pin numbers --workers alice")
    assert way == re.findall(r"^\d\. `(\w+\.\w+)`", TEXT, re.MULTILINE)
    assert len(way) == 6


@pytest.mark.parametrize(
    ("line", "most"),
    [("%broadcast x", 6), ("%scatter x", 8), ("%release x", 5), ("%pin x --workers bob", 6)],  # scatter returns futures
)
def test_no_verb_goes_a_longer_way(notebook, way, line, most):
    notebook.run("x = b'x' * 1000\n%pin x --workers alice")
    notebook.run(line)
    assert 0 < len(way) <= most, way

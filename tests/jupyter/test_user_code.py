"""Modules beside the notebook, edited while it is open, with IPython's autoreload."""

import importlib
import itertools
import os
import sys

import pytest

_NUMBERS = itertools.count()


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module beside the notebook: its name, and what writes its file."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"beside_{next(_NUMBERS)}"
    path = tmp_path / f"{name}.py"
    seconds = itertools.count(1)

    def write(source):
        path.write_text(source)
        later = os.stat(path).st_mtime + next(seconds)  # autoreload looks at nothing but the time
        os.utime(path, (later, later))
        importlib.invalidate_caches()

    yield name, write
    sys.modules.pop(name, None)


@pytest.fixture
def autoreload(notebook):
    notebook.run("%load_ext autoreload\n%autoreload 2")
    yield notebook
    notebook.run("%autoreload 0")


def test_a_loop_runs_what_autoreload_has_brought_in(autoreload, mine):
    shell, (name, write) = autoreload, mine
    write("x = 0\ndef f(): return 0")
    shell.run(f"import {name}")
    for number in range(1, 4):
        write(f"x = {number}\ndef f(): return {number}" + "\ndef g(): return 1" * (number % 2))
        shown = shell.run(f"%%submit -o r for i in range(8)\n{name}.f(), {name}.x")
        assert "saved since" not in shown
        assert set(shell.value("r.gather()")) == {(number, number)}
        assert shell.value(f"{name}.f(), {name}.x") == (number, number)


def test_what_autoreload_cannot_bring_in_does_not_run(autoreload, mine):
    shell, (name, write) = autoreload, mine
    write("def f(): return 1")
    shell.run(f"import {name}")
    shell.run(f"%%submit -o r\n{name}.f()")
    write("def f(: return 2")
    shell.run("r")
    shown = shell.run(f"%%submit -o r\n{name}.f()")
    assert shell.value("r.result()") == 1
    assert f"{name}.py was saved since the notebook imported it" in shown


def test_without_autoreload_the_user_is_told(notebook, mine):
    shell, (name, write) = notebook, mine
    write("def f(): return 1")
    shell.run(f"import {name}")
    assert shell.value(f"%%submit\n{name}.f()") == 1
    write("def f(): return 2")
    assert "importlib.reload" in shell.run(f"%%submit -o r\n{name}.f()")
    assert shell.value("r.result()") == 1
    shell.run(f"import importlib; importlib.reload({name})")
    assert shell.value(f"%%submit\n{name}.f()") == 2


def test_sync_shows_modules_by_worker_and_workers_can_be_restarted(notebook, mine):
    shell, (name, write) = notebook, mine
    write("def f(): return 1")
    shell.run(f"import {name}")
    assert f"{name}: same on all 2 workers" in shell.run("%cluster sync")
    shell.fail("%cluster sync nothing_of_the_kind")
    shell.run("%cluster restart-workers alice")
    assert f"{name}: same on all 2 workers" in shell.run("%cluster sync")

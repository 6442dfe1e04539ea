"""The runner behind `npm run demo`, on real kernels. What the notebooks themselves show is tested with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

RUN = Path(__file__).parents[2] / "notebooks" / "run.py"


@pytest.fixture
def run_cells(tmp_path):
    """Return a function that runs cells as a notebook in a process of its own."""

    def run(*sources: str) -> subprocess.CompletedProcess[str]:
        cells = [nbformat.v4.new_markdown_cell("# A title"), *map(nbformat.v4.new_code_cell, sources)]
        path = tmp_path / "sample.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return subprocess.run([sys.executable, RUN, path], capture_output=True, text=True, timeout=100)

    return run


def test_shows_prose_code_and_output_in_order_from_this_python_and_of_a_display_each_update_that_lasts(run_cells):
    done = run_cells(
        "print('pri' 'nted')",
        "'val' + 'ue'",
        "import sys; print(sys.executable)",
        "from IPython.display import display\nh = display(f'{1 + 1} workers', display_id=True)",
        "h.update(f'{2 + 2} workers')",
        "line = display(0, display_id=True)\nfor i in range(100):\n    line.update(i * 1000)\nprint('do' 'ne')",
    )
    assert done.returncode == 0, done.stderr
    parts = ["# A title", "    print('pri' 'nted')", "\nprinted\n", "    'val' + 'ue'", "\n'value'\n", sys.executable]
    places = [done.stdout.find(part) for part in [*parts, "2 workers", "4 workers", "ran to its end"]]
    assert -1 not in places
    assert places == sorted(places)
    # of a line that changes often the last state is printed
    shown = [line for line in done.stdout.splitlines() if line.isdecimal() or line == "done"]
    assert shown[0] == "0"
    assert shown[-2:] == ["99000", "done"]
    assert len(shown) < 50


def test_stops_at_the_first_error(run_cells):
    done = run_cells("1 / 0", "print('ne' 'ver')")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "never" not in done.stdout


def test_a_kernel_that_dies_is_said_in_one_line(run_cells):
    done = run_cells("import os; os.kill(os.getpid(), 9)")
    assert done.returncode == 1
    assert "Kernel died" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_notebook_is_said_in_one_line(tmp_path):
    done = subprocess.run([sys.executable, RUN, tmp_path / "none.ipynb"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("there is no notebook")


def test_stores_what_cells_show_without_what_is_private(tmp_path):
    cells = [
        "print('http://127.0.0.1:8787/status?token=' + 'secret')",
        "import ipywidgets; ipywidgets.IntSlider()",
        "6 * 7",
    ]
    path = tmp_path / "sample.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells))), path)
    done = subprocess.run([sys.executable, RUN, "--store", path], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    stored = nbformat.read(path, as_version=4)
    printed, widget, value = (cell.outputs for cell in stored.cells)
    assert printed[0].text == "http://127.0.0.1:8787/status\n"
    assert list(widget[0].data) == ["text/plain"]
    assert value[0].data == {"text/plain": "42"}
    assert "widgets" not in stored.metadata
    assert [cell.metadata for cell in stored.cells] == [{}, {}, {}]


@pytest.mark.parametrize("path", sorted(RUN.parent.glob("*.ipynb")), ids=lambda path: path.stem)
def test_nothing_private_is_stored(path):
    text = path.read_text(encoding="utf-8")
    assert "token=" not in text
    assert "/home/" not in text
    assert "/tmp/" not in text
    assert '"output_type": "error"' not in text

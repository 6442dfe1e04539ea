"""What a worker leaves behind: its latest lines, however much it logs."""

from __future__ import annotations

import faulthandler
import logging
from types import SimpleNamespace

import pytest

from moorage.worker.last_words import FILE, LIMIT, LINES, LONGEST, Recorder, last_lines

LOGGER = logging.getLogger("distributed.test")


@pytest.fixture
def folder(tmp_path):
    """The folder of a worker whose log is recorded."""
    recorder = Recorder(SimpleNamespace(local_directory=str(tmp_path), nanny="tcp://h:1"))
    yield tmp_path
    recorder.close()
    assert recorder not in logging.getLogger("distributed").handlers


def test_the_latest_lines_are_told_each_cut_to_size(folder):
    for n in range(20):
        LOGGER.warning("line %d %s", n, "x" * 400)
    lines = last_lines(str(folder))
    assert [line.split()[3] for line in lines] == [str(n) for n in range(20 - LINES, 20)]
    assert {len(line) for line in lines} == {LONGEST}


def test_the_file_stays_small_and_keeps_the_latest(folder):
    for n in range(3000):
        LOGGER.warning("line %d %s", n, "x" * 80)
        assert (folder / FILE).stat().st_size <= LIMIT + 200
    assert "line 2999" in last_lines(str(folder))[-1]


def test_what_cannot_be_written_fails_nobody(folder, monkeypatch):
    # pytest would put it into its report, which cannot be sent between its processes then
    dask = logging.getLogger("distributed")
    monkeypatch.setattr(dask, "propagate", False)
    monkeypatch.setattr(dask, "handlers", [one for one in dask.handlers if isinstance(one, Recorder)])
    LOGGER.warning("\udcff")
    assert len(last_lines(str(folder))) == 1


def test_of_a_crash_the_innermost_frames_are_told_besides(folder):
    LOGGER.warning("before")
    with (folder / FILE).open("a") as file:
        file.write("Fatal Python error: Segmentation fault\n\nCurrent thread 0x1:\n")
        file.writelines(f'  File "{n}.py", line 1 in f\n' for n in range(30))
    told = last_lines(str(folder))
    assert told[0].endswith("WARNING before")
    assert told[1:4] == ["Fatal Python error: Segmentation fault", "Current thread 0x1:", '  File "0.py", line 1 in f']
    assert len(told) == 9


def test_without_a_nanny_nothing_is_written(tmp_path):
    before = faulthandler.is_enabled()
    recorder = Recorder(SimpleNamespace(local_directory=str(tmp_path), nanny=None))
    LOGGER.warning("unheard")
    recorder.close()
    assert last_lines(str(tmp_path)) == []
    assert faulthandler.is_enabled() == before

"""Scratch folders: private, locked while used, swept afterwards."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from moorage.deploy.scratch import Scratch, ensure_base, remove_stale, sweep
from moorage.errors import StartError


def test_the_base_folder_is_closed_to_others(tmp_path):
    base = tmp_path / "new" / "base"
    ensure_base(base)
    assert base.stat().st_mode & 0o777 == 0o700
    base.chmod(0o755)
    ensure_base(base)
    assert base.stat().st_mode & 0o777 == 0o700


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "base").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartError, match="does not belong to you"):
        ensure_base(tmp_path / "base")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of somebody else")
def test_a_folder_of_somebody_else_is_not_used(tmp_path):
    (tmp_path / "base").mkdir()
    os.chown(tmp_path / "base", 12345, 12345)
    with pytest.raises(StartError, match="does not belong to you"):
        ensure_base(tmp_path / "base")


def test_a_base_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="file/base"):
        ensure_base(tmp_path / "file" / "base")


def test_a_folder_in_use_is_left_alone(tmp_path):
    scratch = Scratch(tmp_path)
    (scratch.path / "data").write_bytes(b"x")
    assert sweep(tmp_path) == []
    assert not remove_stale(scratch.path)
    assert (scratch.path / "data").exists()
    scratch.remove()
    assert not scratch.path.exists()


def test_the_folder_of_a_process_that_ended_is_swept(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from moorage.deploy.scratch import Scratch;"
        "s = Scratch(Path(sys.argv[1])); (s.path / 'data').touch(); print(s.path); sys.stdout.flush(); os._exit(9)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    stale = ended.stdout.strip()
    assert os.path.exists(stale)
    mine = Scratch(tmp_path)
    assert [str(path) for path in sweep(tmp_path)] == [stale]
    assert not os.path.exists(stale)
    assert mine.path.exists()
    mine.remove()

"""``python -m moorage`` and ``dask moorage``: the kept clusters of this user, listed, stopped, and their logs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from dask.cli import cli as dask_cli

import moorage
from moorage.cli.commands import moorage as group
from tests.helpers import eventually

ROOT = Path(__file__).parents[2]


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(group, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_no_cluster_is_kept():
    assert said("list") == "No cluster is kept.\n"
    assert "%cluster keep" in said("stop", code=1)
    assert "'nobody'" in said("log", "nobody", code=1)


def test_a_kept_cluster_is_listed_and_stopped_and_has_a_log():
    with moorage.start(n_workers=1, threads_per_worker=1, keep=True) as cluster:
        name, address = cluster.name, cluster.address
        cluster.submit(os.system, "echo aground", pure=False).result()
        handle = cluster.handle
    assert handle is not None
    heading, row = said("list").splitlines()
    assert heading.split() == ["NAME", "KIND", "STATE", "HOST", "PID", "ADDRESS"]
    assert row.split()[:2] == [name, "local"]
    assert row.split()[-1] == address
    assert "aground" in said("log", name)
    assert said("log", "-n", "1").count("\n") == 1
    assert said("stop") == f"{name}: stopped\n"
    eventually(lambda: said("list") == "No cluster is kept.\n")
    eventually(lambda: not handle.alive)


def test_dask_has_it_as_a_command():
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["dask_cli"]["moorage"]
    module, _, name = entry.partition(":")
    assert isinstance(getattr(import_module(module), name), click.Group)
    assert isinstance(dask_cli, click.Group)


def test_it_is_quick_to_load():
    code = "import sys, moorage.cli.commands; print({'distributed', 'numpy', 'IPython'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("command", ["doctor", "list", "stop", "log"])
def test_each_command_has_help(command: str):
    assert f"moorage {command}" in said(command, "-h")

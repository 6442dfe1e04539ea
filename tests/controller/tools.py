"""Schedulers and workers that somebody else has started: by Dask's command line, where there is no moorage."""

import contextlib
import json
import os
import subprocess
import sys

from tests.helpers import eventually

LOCAL = ("--host", "127.0.0.1", "--port", "0")
BLOCKED = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "moorage":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Block())
"""


@contextlib.contextmanager
def dask(program, folder, *arguments, environment=None):
    """A process of Dask's own command line, in which moorage cannot be imported."""
    (folder / "blocked").mkdir(exist_ok=True)
    (folder / "blocked" / "sitecustomize.py").write_text(BLOCKED)
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{program}", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "blocked"), **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def address_of(file):
    text = eventually(lambda: file.exists() and file.read_text().endswith("}") and file.read_text())
    return json.loads(text)["address"]

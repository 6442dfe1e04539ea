"""Start of the store: ``python -m moorage.deploy.fdstore --scratch BASE --parent PID``.

It prints the path of its socket.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from moorage.deploy.fdstore.process import Store, serve
from moorage.deploy.scratch import Scratch

parser = argparse.ArgumentParser(prog="python -m moorage.deploy.fdstore")
parser.add_argument("--scratch", required=True, type=Path)
parser.add_argument("--parent", required=True, type=int)
arguments = parser.parse_args()
scratch = Scratch(arguments.scratch)
try:
    serve(Store(arguments.parent), scratch.path / "socket", os.dup(1))
finally:
    scratch.remove()

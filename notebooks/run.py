"""Run a notebook from the command line and print what each cell shows, while it shows it.

``.venv/bin/python notebooks/run.py notebooks/quickstart.ipynb`` executes the cells in a fresh kernel of the
same Python, and ends with exit code 0, or with 1 and the error of the first cell that failed. The notebook
file is not changed. Markdown and code are printed too, so that the output reads as the notebook does.
Pictures and widgets are not shown: only what they say as text.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from traitlets.config import Config

CELL_TIMEOUT_SECONDS = 600
START_TIMEOUT_SECONDS = 120
UPDATE_SECONDS = 5  # of what a display shows in place of what it showed before, only so much is printed, and the last


class NotebookPrinter(NotebookClient):
    """A client that prints each cell before it runs, and what it shows as it comes."""

    _held = ""
    _next_update = 0.0

    def print_cell(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        """Print the source of a cell, code set in by four spaces."""
        source = cell.source.strip()
        if not source:
            return
        if cell.cell_type == "code":
            print("\n" + "\n".join(f"    {line}".rstrip() for line in source.splitlines()), end="\n\n")
        else:
            print("\n" + source)
        sys.stdout.flush()

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Print what a message of the running cell shows, then treat it as usual."""
        content = msg["content"]
        match msg["msg_type"]:
            case "update_display_data":
                self._held = content["data"].get("text/plain", "")
                if time.monotonic() > self._next_update:
                    self._print_held()
            case "stream":
                self._print_held()
                print(content["text"], end="", flush=True)
            case "display_data" | "execute_result" if "text/plain" in content["data"]:
                self._print_held()
                print(content["data"]["text/plain"], flush=True)
            case "status":  # busy or idle: the cell begins or ends
                self._print_held()
        return super().process_message(msg, cell, cell_index)

    def _print_held(self) -> None:
        if self._held:
            print(self._held, flush=True)
            self._held, self._next_update = "", time.monotonic() + UPDATE_SECONDS


def main(arguments: list[str] | None = None) -> int:
    """Run the notebook named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Run a notebook and print what its cells show.")
    parser.add_argument("notebook", type=Path)
    path = parser.parse_args(arguments).notebook
    if not path.is_file():
        print(f"there is no notebook {path}", file=sys.stderr)
        return 2

    # The kernel is to be the Python that runs this: no kernel spec in the user's home may take its name.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    config = Config()
    with TemporaryDirectory(prefix="moorage-run-") as private:
        # Sockets in a folder that nobody else on the machine can enter.
        config.KernelManager.update(transport="ipc", ip=f"{private}/kernel")
        return run(path, config)


def run(path: Path, config: Config) -> int:
    """Run the notebook at ``path``, print what it shows and return the exit code."""
    runner = NotebookPrinter(
        nbformat.read(path, as_version=4),  # type: ignore[no-untyped-call]
        kernel_name="python3",
        timeout=CELL_TIMEOUT_SECONDS,
        startup_timeout=START_TIMEOUT_SECONDS,
        config=config,
        resources={"metadata": {"path": str(path.parent)}},
    )
    runner.on_cell_start = runner.print_cell
    try:
        runner.execute()
    except CellExecutionError as error:
        print(f"\n{path.name} stopped at this error:\n{error.traceback or error}", file=sys.stderr)
        return 1
    except (CellTimeoutError, DeadKernelError) as error:
        print(f"\n{path.name} stopped: {error}", file=sys.stderr)
        return 1
    print(f"\n{path.name} ran to its end.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

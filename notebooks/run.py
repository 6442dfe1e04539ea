"""Run a notebook from the command line and print what each cell shows, while it shows it.

``.venv/bin/python notebooks/run.py notebooks/quickstart.ipynb`` executes the cells in a fresh kernel of the
same Python, and ends with exit code 0, or with 1 and the error of the first cell that failed. Markdown and code are
printed too, so that the output reads as the notebook does. Pictures and widgets are not printed: only what they say as
text. The notebook file is not changed, unless ``--store`` says so: then it has the outputs, as the pages of docs/ show.
"""

from __future__ import annotations

import argparse
import os
import re
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
TRACES = re.compile(rf"[?&]token=[\w-]+|{re.escape(str(Path.cwd()))}/|/tmp/ipykernel_\d+/")
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
    parser.add_argument("--store", action="store_true", help="write the outputs into the notebook")
    read = parser.parse_args(arguments)
    path = read.notebook
    if not path.is_file():
        print(f"there is no notebook {path}", file=sys.stderr)
        return 2

    # The kernel is to be the Python that runs this: no kernel spec in the user's home may take its name.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    config = Config()
    with TemporaryDirectory(prefix="moorage-run-") as private:
        # Sockets in a folder that nobody else on the machine can enter.
        config.KernelManager.update(transport="ipc", ip=f"{private}/kernel")
        return run(path, config, read.store)


def run(path: Path, config: Config, store: bool = False) -> int:
    """Run the notebook at ``path``, print what it shows and return the exit code. `store`: write outputs into it."""
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
    if store:
        nbformat.write(without_traces(runner.nb), path)  # type: ignore[no-untyped-call]
    print(f"\n{path.name} ran to its end.")
    return 0


def without_traces(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook without secrets, paths, widgets and other packages' warnings, which only tell of this run."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if "outputs" in cell:
            cell.outputs = [each for each in cell.outputs if "site-packages" not in each.get("text", "")]
        for output in cell.get("outputs", ()):
            output.pop("transient", None)
            data = output.get("data", {})
            for kind in [kind for kind in data if kind.startswith("application/vnd.jupyter.widget")]:
                del data[kind]
            for pieces, name in [(data, kind) for kind in data] + ([(output, "text")] if "text" in output else []):
                if isinstance(pieces[name], str):
                    pieces[name] = TRACES.sub("", pieces[name])
    return notebook


if __name__ == "__main__":
    sys.exit(main())

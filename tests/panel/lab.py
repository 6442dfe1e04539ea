"""One JupyterLab server in folders of its own, and the kernels in it."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.jupyter.panel.live import LiveKernel

TOKEN = "panel-tests"
ROOT = Path(__file__).parents[2]
PATIENCE = 60


class Lab:
    """A JupyterLab server with Notebook 7 beside it.

    Attributes
    ----------
    url : str
        Ends with a slash.
    folder : Path
        Where its notebooks are.

    Parameters
    ----------
    base, runtime : Path
        For its files, and for its sockets.
    packages : Path, optional
        A folder with packages that only this server has, extensions of its too.
    *options
        Of its command line.
    """

    def __init__(self, base: Path, runtime: Path, *options: str, packages: Path | None = None):
        self.folder = base / "notebooks"
        self.runtime = runtime
        self._log = base / "lab.log"
        settings = base / "settings"
        for folder in (self.folder, settings):
            folder.mkdir()
        self._settings = settings
        self.set("@jupyterlab/apputils-extension", "notification", fetchNews="false")
        # Pages that show the same notebook would ask which of them is right.
        self.set("@jupyterlab/docmanager-extension", "plugin", autosave=False)
        environment = os.environ | {
            "JUPYTER_CONFIG_DIR": str(base / "config"),
            "JUPYTER_DATA_DIR": str(base / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTERLAB_SETTINGS_DIR": str(settings),
            "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "IPYTHONDIR": str(base / "ipython"),
        }
        if packages is not None:
            environment |= {
                "PYTHONPATH": str(packages),
                "JUPYTER_PATH": str(packages / "share/jupyter"),
                "JUPYTER_CONFIG_PATH": str(packages / "etc/jupyter"),
            }
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            "--KernelManager.transport=ipc",  # files: a port that is free now may be taken when a kernel has started
            *("--ServerApp.port=0", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={self.folder}"),
            *("--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"),
            *options,
        ]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, env=environment, cwd=base, stdout=log, stderr=log)
        self.url = ""
        self._wait_until_it_answers()

    def close(self):
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)

    def add_kernel(self, name, code):
        """Offer a kernel of Python's that executes `code` first."""
        file = self.folder.parent / f"data/kernels/{name}/kernel.json"
        file.parent.mkdir(parents=True)
        launch = f"{code}; from ipykernel.kernelapp import launch_new_instance as launch; launch()"
        argv = [sys.executable, "-c", launch, "-f", "{connection_file}"]
        file.write_text(json.dumps({"argv": argv, "display_name": name, "language": "python"}))

    def set(self, package, plugin, **values):
        """Write settings of an extension, as its user would."""
        file = self._settings / package / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self._log.read_text()
            for file in self.runtime.glob("jpserver-*.json"):
                try:
                    self.url = json.loads(file.read_text())["url"]
                    self.ask("GET", "status")
                except (ValueError, OSError):  # the file is being written, the server is about to listen
                    continue
                return
            time.sleep(0.05)
        raise AssertionError(self._log.read_text())

    def ask(self, method, path, data=None):
        """Return the answer of the server's REST interface."""
        body = None if data is None else json.dumps(data).encode()
        headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}api/{path}", body, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def notebook(self, name, *cells, kernel="python3"):
        """Write a notebook, start its kernel, and return that."""
        self.write(name, *cells)
        session = {"path": name, "name": name, "type": "notebook", "kernel": {"name": kernel}}
        return NotebookKernel(self, self.ask("POST", "sessions", session)["kernel"]["id"])

    def notebook_of(self, kernel, name, *cells):
        """Write a notebook that has a kernel which is there already."""
        self.write(name, *cells)
        session = {"path": name, "name": "", "type": "notebook", "kernel": {"id": kernel.id}}
        self.ask("POST", "sessions", session)

    def write(self, name, *cells):
        """Write a notebook."""
        source = [
            {"id": f"c{i}", "cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "execution_count": None}
            for i, cell in enumerate(cells or [""])
        ]
        spec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        content = {"cells": source, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(json.dumps(content))

    def connection_file(self, kernel_id):
        return self.runtime / f"kernel-{kernel_id}.json"

    def kernel_of(self, name):
        """Return the kernel that a notebook has by now."""
        (found,) = [session for session in self.ask("GET", "sessions") if session["path"] == name]
        return NotebookKernel(self, found["kernel"]["id"])


class NotebookKernel(LiveKernel):
    """The kernel of a notebook, talked to beside the page."""

    def __init__(self, lab, kernel_id):
        self._lab = lab
        self.id = kernel_id
        super().__init__(lab.connection_file(kernel_id))

    def interrupt(self):
        self._lab.ask("POST", f"kernels/{self.id}/interrupt")

    def shut_down(self):
        self._lab.ask("DELETE", f"kernels/{self.id}")

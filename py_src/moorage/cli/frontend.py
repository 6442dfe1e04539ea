"""Whether JupyterLab finds the panel here and shows it, and whether kernels have moorage."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_path, jupyter_path

from moorage.cli.finding import Finding

_KERNEL_SECONDS = 20.0
_ASK = "import importlib.metadata as m; print(m.version('moorage'))"


def panel() -> Iterator[Finding]:
    """Yield what is wrong with the panel."""
    ours = version("moorage")
    if not files("moorage").joinpath("jupyter/static/board.js").is_file():
        yield Finding("fault", "moorage.board() has no view: the package was built without it.", _reinstall())
    try:
        version("jupyterlab")
    except PackageNotFoundError:
        yield Finding("note", "There is no JupyterLab here.", "Run the doctor in its environment for the panel.")
        return
    folders = [Path(folder) / "moorage" for folder in jupyter_path("labextensions")]
    there = [folder for folder in folders if (folder / "package.json").exists()]
    if not there:
        yield Finding("fault", f"JupyterLab's panel is not installed: there is no {folders[0]}.", _reinstall())
        return
    first, about = there[0], _read(there[0] / "package.json")
    load = about.get("jupyterlab", {}).get("_build", {}).get("load", "")
    if about.get("version") != ours:
        yield Finding(
            "fault",
            f"The panel in {first} is of version {about.get('version')}, and moorage is {ours}.",
            f"Remove that folder, or install it again: {_reinstall()}",
        )
    elif not load or not (first / load).exists():
        yield Finding("fault", f"The panel in {first} is incomplete: {load or 'its entry'} is missing.", _reinstall())
    elif _is_disabled():
        yield Finding("fault", "The panel is disabled in JupyterLab.", "jupyter labextension enable moorage")
    else:
        yield Finding("ok", f"the panel, in {first}")


def kernels() -> Iterator[Finding]:
    """Yield which kernels for Python lack moorage."""
    seen: set[str] = set()
    for folder in jupyter_path("kernels"):
        for path in sorted(Path(folder).glob("*/kernel.json")):
            spec, name = _read(path), path.parent.name
            command = (spec.get("argv") or [""])[0]
            if re.fullmatch(r"python[\d.]*", command):  # Jupyter takes its own Python for that
                command = sys.executable
            if name in seen or spec.get("language") != "python":
                continue
            seen.add(name)
            yield from _kernel(name, command)


def _kernel(name: str, command: str) -> Iterator[Finding]:
    if shutil.which(command) is None:
        yield Finding(
            "warning",
            f"The kernel {name!r} cannot start: there is no {command!r}.",
            f"jupyter kernelspec remove {name}, or install it again.",
        )
        return
    try:
        done = subprocess.run([command, "-c", _ASK], capture_output=True, text=True, timeout=_KERNEL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding("warning", f"The Python of the kernel {name!r} does not answer: {error}.")
        return
    has, ours = done.stdout.strip(), version("moorage")
    if not has:
        yield Finding(
            "warning",
            f"The kernel {name!r} ({command}) has no moorage: %load_ext moorage fails in its notebooks.",
            f"{command} -m pip install moorage",
        )
    elif has != ours:
        yield Finding(
            "warning",
            f"The kernel {name!r} ({command}) has moorage {has}, and here is {ours}.",
            f"{command} -m pip install moorage=={ours}",
        )
    else:
        yield Finding("ok", f"moorage in the kernel {name!r}")


def _is_disabled() -> bool:
    """Whether a page_config.json says so; the first that says anything counts, as for JupyterLab."""
    for folder in jupyter_config_path():
        disabled = _read(Path(folder) / "labconfig" / "page_config.json").get("disabledExtensions", {})
        names = disabled if isinstance(disabled, dict) else dict.fromkeys(disabled, True)
        if "moorage" in names:
            return bool(names["moorage"])
    return False


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _reinstall() -> str:
    return "pip install --force-reinstall --no-deps moorage"

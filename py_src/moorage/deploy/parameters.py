"""What a cluster of each kind can be started with: the parameters of its class that its docstring tells of, or all.

A job queue's class passes what it does not know itself on to that of its jobs, whose defaults Dask's configuration has.
Some packages set handlers of signals as they are imported: `ask` has them imported in a process of its own.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import dask.config
from distributed.utils import import_term

from moorage.deploy.factory import CLASSES, class_of, configured
from moorage.deploy.spec import OURS
from moorage.errors import InputError, StartError

_NOT_ASKED = {*OURS, "self", "n_workers", "job_cls", "scheduler", "config_name"}
_PATIENCE = 60.0  # seconds
_SIMPLE = (str, int, float, bool, list, tuple, dict, type(None))


@dataclass(frozen=True)
class Parameter:
    """A parameter that can be given as an option. `default`: as it is written in a line, or empty."""

    name: str
    typename: str
    default: str
    description: str


def ask(kind: str) -> list[Parameter]:
    """Return `parameters_of` a kind, without importing its class here. Takes seconds."""
    child = subprocess.run(
        [sys.executable, "-m", __name__, kind],
        env={**os.environ, "DASK_INTERNAL_INHERIT_CONFIG": dask.config.serialize(dask.config.global_config)},
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
    )
    if child.returncode:
        raise StartError(f"The options of {kind} cannot be read: {child.stderr.strip()[-500:]}", "Start it in a cell.")
    found = json.loads(child.stdout.splitlines()[-1])
    if "refused" in found:
        raise InputError(*found["refused"])
    return [Parameter(**one) for one in found["parameters"]]


def parameters_of(kind: str) -> list[Parameter]:
    """Return the parameters of a kind of cluster, in the order of its documentation. Empty: what is configured.

    Raises InputError if there is no such class here.
    """
    path, _, given = (class_of(kind), (), {}) if kind else configured()
    cls = _imported(kind, path)
    job = getattr(cls, "job_cls", None)
    told = _documented(inspect.getdoc(cls) or "")
    known = {one.name: one for part in (job, cls) if part is not None for one in _taken(part)}
    known = {name: one for name, one in known.items() if name not in _NOT_ASKED}
    order = [name for name in told if name in known] or list(known)
    section = getattr(job, "config_name", None)
    found = []
    for name in order:
        typename, description = told.get(name, ("", ""))
        default = known[name].default
        if section and default is None:
            default = dask.config.get(f"jobqueue.{section}.{name}", None)
        default = given.get(name, default)
        if isinstance(default, _SIMPLE) and not description.startswith("Deprecated"):
            found.append(Parameter(name, typename or type(default).__name__, _written(default), description))
    return found


def kinds() -> list[str]:
    """Return the kinds that have a name, and what is configured first, as an empty one."""
    return ["", *(kind for kind in CLASSES if class_of(kind) != configured()[0])]


def _imported(kind: str, path: str) -> Any:
    try:
        return import_term(path)
    except (ImportError, AttributeError) as error:
        package = path.partition(".")[0].replace("_", "-")
        raise InputError(
            f"There is no {path} here: {error}.", f"Install it where this kernel runs, such as: %pip install {package}."
        ) from error


def _taken(part: Any) -> Iterator[inspect.Parameter]:
    """Yield what a class, its bases to which it passes on what it does not know, or a function takes by name."""
    makers = (
        [vars(one)["__init__"] for one in part.__mro__ if "__init__" in vars(one)] if inspect.isclass(part) else [part]
    )
    for maker in makers:
        taken = inspect.signature(maker).parameters.values()
        yield from (one for one in taken if one.kind is one.POSITIONAL_OR_KEYWORD or one.kind is one.KEYWORD_ONLY)
        if not any(one.kind is one.VAR_KEYWORD for one in taken):
            return


def _documented(docstring: str) -> dict[str, tuple[str, str]]:
    """Return type and description by parameter, of a docstring of NumPy's form."""
    _, _, section = docstring.partition("Parameters\n----------\n")
    section = re.split(r"\n[A-Z]\w+\n-{3,}\n", section)[0]
    found: dict[str, tuple[str, str]] = {}
    for head, text in re.findall(r"^(\w[\w, ]*(?: ?:.*)?)\n((?:[ \t]+.*\n?|\n)*)", section, re.MULTILINE):
        names, _, typename = head.partition(":")
        for name in names.split(","):
            found[name.strip()] = typename.strip(), " ".join(text.split())
    return found


def _written(value: Any) -> str:
    if value is None or value in ((), [], {}):
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _answer(kind: str) -> dict[str, Any]:
    try:
        return {"parameters": [asdict(one) for one in parameters_of(kind)]}
    except InputError as error:
        return {"refused": [error.message, error.remedy]}


if __name__ == "__main__":
    print(json.dumps(_answer(sys.argv[1])))

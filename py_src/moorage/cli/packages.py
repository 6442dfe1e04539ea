"""Whether the packages here are those that moorage needs, as its own metadata say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from moorage.cli.finding import Finding, Level

SHOWN = ("distributed", "ipython", "numpy")
FRONTENDS = ("ipykernel", "jupyterlab", "notebook")
"""What may be somewhere else; if it is here, it has to be new enough."""


def packages() -> Iterator[Finding]:
    """Yield what is wrong with versions."""
    about = metadata("moorage")
    here = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if here in SpecifierSet(about["Requires-Python"] or ""):
        yield Finding("ok", f"moorage {about['Version']} on Python {here}, {sys.executable}")
    else:
        yield Finding("fault", f"This is Python {here}, and moorage needs {about['Requires-Python']}.")
    needed = [Requirement(text) for text in requires("moorage") or ()]
    for requirement in needed:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from _compared(requirement)
    for requirement in needed:
        if requirement.name in FRONTENDS and requirement.marker and requirement.marker.evaluate({"extra": "demo"}):
            yield from _compared(requirement, optional=True)
    if _version("dask") != _version("distributed"):
        yield Finding(
            "fault",
            f"dask is {_version('dask')} and distributed {_version('distributed')}: they belong together.",
            f"pip install --upgrade 'dask=={_version('distributed')}'",
        )


def _compared(requirement: Requirement, optional: bool = False) -> Iterator[Finding]:
    name, there = requirement.name, _version(requirement.name)
    remedy = f"pip install --upgrade '{name}{requirement.specifier}'"
    if there is None:
        if not optional:
            yield Finding("fault", f"{name} is not installed, and moorage needs it.", remedy)
        elif name == "ipykernel":
            yield Finding("note", "There is no ipykernel here: no notebook runs in this environment.")
    elif not requirement.specifier.contains(there, prereleases=True):
        level: Level = "fault" if not optional else "warning"
        yield Finding(level, f"{name} is {there}, and moorage needs {requirement.specifier}.", remedy)
    elif optional or name in SHOWN:
        yield Finding("ok", f"{name} {there}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

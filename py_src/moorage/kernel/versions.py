"""Whether a scheduler can run what moorage sends it. What workers run is compared in ``connection.worker_versions``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from distributed.core import clean_exception
from packaging.version import InvalidVersion, Version

from moorage.errors import VersionError

OLDEST = "2026.8"
"""The scheduler's version of `distributed` that placement needs at least, as this package itself."""


def check_scheduler(where: str, packages: Mapping[str, str | None]) -> None:
    """Refuse a scheduler with a `distributed` that is too old, or another Python.

    `where`: its address. `packages`: what it runs. Raises VersionError, which names both versions.
    """
    theirs, ours = packages.get("distributed"), version("distributed")
    if not theirs or _is_old(theirs):
        raise VersionError(
            f"The scheduler at {where} runs distributed {theirs or '(unknown)'}; placement needs {OLDEST} or newer,"
            f" and this notebook has {ours}.",
            f"Install distributed {ours} where the scheduler and its workers run.",
        )
    there, here = _minor(packages.get("python") or ""), f"{sys.version_info.major}.{sys.version_info.minor}"
    if there and there != here:
        raise VersionError(
            f"The scheduler at {where} runs Python {there}, and this notebook Python {here}: what placement runs there"
            " travels as code that only the same Python can run.",
            f"Use Python {here} on both sides, or start the notebook in the environment of the scheduler.",
        )


def not_understood(where: str, packages: Mapping[str, str | None], error: Exception) -> VersionError:
    """Return the error that says that placement does not start on a scheduler, for instance one that is too new."""
    return VersionError(
        f"Placement cannot start on the scheduler at {where} ({type(error).__name__}: {error}). It runs distributed"
        f" {packages.get('distributed')}, this notebook {version('distributed')}.",
        "Use the same version on both sides, or a version of moorage that supports it.",
    )


def check_taken(answers: Iterable[tuple[str, Any]]) -> None:
    """Raise if what was sent to workers does not start on one of them.

    `answers`: what each worker has said to a plugin. Raises VersionError with what the worker says, for
    instance which part of Dask it lacks.
    """
    for address, answer in answers:
        if answer["status"] == "error":
            _, error, traceback = clean_exception(answer["exception"], answer["traceback"])
            assert error is not None
            raise VersionError(
                f"What moorage runs on workers cannot start on the one at {address} ({type(error).__name__}: {error}).",
                "Use the same versions there as in this notebook, or a moorage that knows those versions.",
            ) from error.with_traceback(traceback)


def _is_old(theirs: str) -> bool:
    try:
        return Version(theirs) < Version(OLDEST)
    except InvalidVersion:
        return False


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])

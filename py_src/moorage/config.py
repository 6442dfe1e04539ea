"""The settings of moorage: ``moorage.yaml``, loaded into Dask's configuration under ``moorage.``.

They are set like any of Dask's, for instance by ``dask.config.set({"moorage.wait-timeout": "2 minutes"})`` or in the
environment as ``DASK_MOORAGE__WAIT_TIMEOUT``.
"""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import dask.config
import yaml
from dask.utils import parse_timedelta

from moorage.errors import InputError

_LONGEST = threading.TIMEOUT_MAX  # seconds: nothing in Python can wait for longer

DEFAULTS = yaml.safe_load((Path(__file__).parent / "moorage.yaml").read_text())
dask.config.update_defaults(DEFAULTS)


def get(name: str) -> Any:
    """Return the setting ``moorage.<name>``."""
    path = f"moorage.{name}"
    # The defaults are gone from Dask's if a setting was made before this module was loaded, and undone after.
    return dask.config.get(path, dask.config.get(path, config=DEFAULTS))


def seconds(name: str, given: str | float | None = None) -> float:
    """Return `given`, or else the setting ``moorage.<name>``, in seconds.

    Raises InputError if it is not a duration.

    Parameters
    ----------
    name : str
    given : str or float, optional
        As in Dask: a number of seconds or a string such as ``"30s"``.
    """
    return duration(get(name), f"moorage.{name}") if given is None else duration(given, "timeout")


def duration(value: str | float, what: str) -> float:
    """Return a time as Dask writes them, in seconds. Raises InputError, which calls it `what`, if it is none."""
    try:
        seconds = float(parse_timedelta(value, default="seconds"))
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):  # Dask's, of what is of no such kind
        seconds = math.nan
    if not 0 <= seconds <= _LONGEST:
        raise InputError(
            f"{value!r} is not a duration ({what}).",
            'Use a number of seconds, or a string such as "30s" or "2 minutes".',
        )
    return seconds


def limit(value: str | float | None) -> float | None:
    """Return how long to wait, in seconds; None: until it has ended. Raises InputError if it is no duration."""
    return None if value is None else duration(value, "timeout")


def lifetime(value: str | float | None) -> float | None:
    """Return how long something is to stay, in seconds; None: until it is let go. Raises InputError if it is none."""
    if value is None:
        return None
    seconds = duration(value, "lifetime")
    if not 0 < seconds < math.inf:
        raise InputError(
            f"lifetime={value!r} is not a positive, finite time.", 'Use a time such as "2h", or leave it out.'
        )
    return seconds

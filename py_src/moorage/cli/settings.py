"""Whether the settings below ``moorage.`` are such that there are, and of their kind."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import dask.config
from dask.utils import parse_bytes, parse_timedelta

from moorage import config
from moorage.cli.finding import Finding


def settings() -> Iterator[Finding]:
    """Yield what is wrong with the settings."""
    wrong = list(_wrong(dask.config.get("moorage", {}), config.DEFAULTS["moorage"], "moorage"))
    yield from wrong
    if not wrong:
        yield Finding("ok", "the settings")


def _wrong(given: Mapping[str, Any], defaults: Mapping[str, Any], path: str) -> Iterator[Finding]:
    for written, value in given.items():
        name = written.replace("_", "-")
        if name not in defaults:
            near = difflib.get_close_matches(name, defaults, n=1)
            remedy = f"Did you mean {path}.{near[0]}?" if near else f"There are: {', '.join(defaults)}."
            yield Finding("warning", f"There is no setting {path}.{name}.", remedy)
        elif isinstance(defaults[name], Mapping):
            if isinstance(value, Mapping):
                yield from _wrong(value, defaults[name], f"{path}.{name}")
            else:
                yield Finding("fault", f"{path}.{name} is {value!r}, and should have settings below it.")
        elif wanted := _wanted(name, value, defaults[name]):
            yield Finding(
                "fault",
                f"{path}.{name} is {value!r}, which is not {wanted}.",
                f"The default is {defaults[name]!r}. {_where()}",
            )


def _wanted(name: str, value: Any, default: Any) -> str:
    """Return what a value should be and is not, or an empty text."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(default, list):
        return "" if isinstance(value, list) else "a list"
    if not isinstance(default, str):  # null: anything of a shape of its own
        return ""
    parse, kind = (
        (parse_timedelta, "a time such as 30s") if name.endswith("timeout") else (parse_bytes, "a size such as 64 MiB")
    )
    try:
        parse(value)
    except (ValueError, TypeError, KeyError, AttributeError):
        return kind
    return ""


def _where() -> str:
    return "It comes from the environment (DASK_MOORAGE__...) or from a file of " + ", ".join(
        map(str, dask.config.paths)
    )

"""What tests of several parts share: waiting with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], timeout: float = 30.0) -> T:
    """Return the first true value of `check`; fail with its last one after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := check()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {value!r}"
        time.sleep(0.02)
    return value


def all_along(check: Callable[[], Any], until: Callable[[], Any], timeout: float = 30.0) -> None:
    """Fail if `check` is not true at any moment before `until` is; look often."""
    deadline = time.monotonic() + timeout
    while not until():
        assert check()
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.01)
    assert check()

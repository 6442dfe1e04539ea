"""The keys of placed values: what they say of the value."""

from __future__ import annotations

import re
from typing import Any

_SAYS_SO = "-writable-"
_CONTENT = re.compile(r"-([0-9a-f]{32})(-again)*$")
_WRITABLE = re.compile(r"-writable-[0-9a-f]{32}(-again)*$")


def key_of(label: str, digest: str, *, writable: bool = False) -> str:
    """Return the key of a value whose content has `digest`; that of what is `writable` says so."""
    return f"{label}-writable-{digest}" if writable else f"{label}-{digest}"


def is_writable(key: Any) -> bool:
    """Whether tasks may write to the value of a key that `key_of` has made."""
    return isinstance(key, str) and _SAYS_SO in key and _WRITABLE.search(key) is not None


def content_of(key: Any) -> str | None:
    """Return the digest of the content that a key of `key_of` names; None where it may have another by now."""
    named = None if is_writable(key) or not isinstance(key, str) else _CONTENT.search(key)
    return named[1] if named else None

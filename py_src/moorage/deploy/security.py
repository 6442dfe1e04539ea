"""TLS credentials that never touch a disk.

`distributed.Security` keeps temporary credentials in memory, but Python can load a key only from a path, so it writes
them to a temporary folder for a moment, in each process: one that is killed in that moment leaves its key behind.
"""

from __future__ import annotations

import os
import ssl
from contextlib import ExitStack
from typing import Any

from distributed import Security

FIELDS = (
    "tls_ca_file",
    "tls_client_cert",
    "tls_client_key",
    "tls_scheduler_cert",
    "tls_scheduler_key",
    "tls_worker_cert",
    "tls_worker_key",
)


class MemorySecurity(Security):
    """`distributed.Security` that hands credentials to OpenSSL through anonymous files in memory (Linux)."""

    def _get_tls_context(self, tls: dict[str, Any], purpose: ssl.Purpose) -> ssl.SSLContext | None:
        if not hasattr(os, "memfd_create"):
            return super()._get_tls_context(tls, purpose)  # type: ignore[no-any-return, no-untyped-call]
        with ExitStack() as stack:
            # The CA is loaded from its text as it is.
            paths = {
                part: _in_memory(text, stack) for part in ("cert", "key") if (text := tls.get(part)) and "\n" in text
            }
            return super()._get_tls_context({**tls, **paths}, purpose)  # type: ignore[no-any-return, no-untyped-call]


def to_texts(security: Security) -> dict[str, str]:
    """Return the credentials of `security` as strings (PEM) or paths, for the wire."""
    return {field: value for field in FIELDS if (value := getattr(security, field))}


def from_texts(texts: dict[str, str]) -> MemorySecurity:
    """Return the security that `texts`, made by `to_texts`, stands for. Encryption is always required."""
    return MemorySecurity(require_encryption=True, **texts)  # type: ignore[no-untyped-call]


def _in_memory(text: str, stack: ExitStack) -> str:
    file = os.memfd_create("tls", os.MFD_CLOEXEC)
    stack.callback(os.close, file)
    os.write(file, text.encode())
    return f"/proc/self/fd/{file}"

"""A Dask client for the address of a scheduler, and what is wrong when there is none to be had.

The scheduler is asked who it is before a client is made of it: a client that fails tells less, and leaves a part of
itself behind. What is then kept on the cluster is not covered here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from distributed import Client, Security
from distributed.comm.addressing import parse_address, parse_host_port
from distributed.comm.core import connect
from distributed.core import send_recv
from distributed.utils import LoopRunner

from moorage._dask.connecting import connecting
from moorage.errors import InputError, UnreachableError
from moorage.kernel.versions import check_scheduler

T = TypeVar("T")

_FIELDS = {"tls_ca": "tls_ca_file", "tls_cert": "tls_client_cert", "tls_key": "tls_client_key"}


def credentials(**files: str | None) -> Security | None:
    """Return the security of ``tls_ca``, ``tls_cert`` and ``tls_key``, paths of PEM files; None if none is given.

    Raises InputError if a file cannot be read, or one of the three is missing.
    """
    if not any(files.values()):
        return None
    if missing := [name for name in _FIELDS if not files.get(name)]:
        options = ", ".join("--" + name.replace("_", "-") for name in missing)
        raise InputError(
            f"TLS needs a certificate authority, a certificate and its key; {options} is not given.",
            "Give all three, or none to use Dask's configuration (distributed.comm.tls).",
        )
    for name, path in files.items():
        try:
            Path(str(path)).expanduser().read_bytes()
        except OSError as error:
            raise InputError(f"{path!r} ({name.replace('_', '-')}) cannot be read: {error.strerror}.") from error
    paths = {_FIELDS[name]: str(Path(str(path)).expanduser()) for name, path in files.items()}
    return Security(require_encryption=True, **paths)


def address_in(path: Path) -> str:
    """Return the address that a scheduler file says. Raises InputError if it is none."""
    try:
        return str(json.loads(path.read_text())["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{str(path)!r} is not a scheduler file: {error}.", "`dask scheduler --scheduler-file PATH` writes one."
        ) from error


def client_at(address: str, security: Security | None, limit: float) -> Client:
    """Return a client of the scheduler at `address`.

    `security`: by default Dask's configuration. `limit`: seconds. Raises InputError if this is not an address, or not
    that of a scheduler. Raises UnreachableError if nobody answers there in time, or not with these credentials. Raises
    VersionError if the scheduler runs a Dask that is too old, or another Python.
    """
    address = _complete(address)
    security = security if security is not None else Security()
    try:
        identity, versions = in_thread(_ask(address, security, limit))
    except (OSError, TimeoutError) as error:
        raise UnreachableError(*_diagnosis(address, limit, error)) from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"Cannot attach to {address!r}: {error}.",
            "An address looks like tcp://host:port. For tls:// say --tls-ca, --tls-cert and --tls-key, or name the"
            " files in Dask's configuration (distributed.comm.tls).",
        ) from error
    except Exception as error:  # such as MemoryError, for the length that other people's greetings seem to say
        raise InputError(
            f"What answers at {address} is not a Dask scheduler ({type(error).__name__}).",
            "Give the address that the scheduler tells when it starts, tcp://host:port, not that of its dashboard.",
        ) from error
    if not identity.get("type", "Scheduler").endswith("Scheduler"):
        raise InputError(
            f"{address} is the address of a {identity['type']}, not of a scheduler.", "Give the scheduler's address."
        )
    check_scheduler(address, versions["packages"])
    return connected(address, limit, security=security)


def connected(target: Any, limit: float, **options: Any) -> Client:
    """Return a client of a scheduler that is sure to be one, by its address or by a cluster object.

    Raises UnreachableError if it does not answer in time.
    """
    try:
        with connecting():
            return Client(target, timeout=limit, **options)
    except (OSError, TimeoutError) as error:
        raise UnreachableError(
            f"The scheduler at {target} has gone silent: {error}.", "Try again, or start another cluster."
        ) from error


def is_open(address: str) -> bool:
    """Whether whoever reaches the network of a scheduler may use it: no TLS, and not on loopback only."""
    scheme, rest = parse_address(address)
    if scheme in ("tls", "wss", "inproc"):
        return False
    host, _ = parse_host_port(rest, 0)
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def is_gone(address: str, limit: float) -> bool:
    """Whether nobody listens at the address of a scheduler any longer. `limit`: seconds for it to be reached."""
    try:
        socket.create_connection(parse_host_port(parse_address(address)[1]), timeout=limit).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        pass
    return False


def _complete(address: str) -> str:
    """Return `address` with its protocol."""
    port = address.rpartition(":")[2]
    if port.isdecimal() and not 0 < int(port) < 2**16:
        raise InputError(f"There is no port {port} ({address}).", "A port is a number from 1 to 65535.")
    return address if "://" in address else f"tcp://{address}"


async def _ask(address: str, security: Security, limit: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return who is at `address` and which versions it runs."""

    async def dialogue() -> tuple[dict[str, Any], dict[str, Any]]:
        with connecting():
            comm = await connect(address, timeout=limit, **security.get_connection_args("client"))
        try:
            return await send_recv(comm, op="identity"), await send_recv(comm, op="versions")
        finally:
            comm.abort()

    return await asyncio.wait_for(dialogue(), limit)


def in_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what `coroutine` gives, on an event loop in a thread: a notebook has one of its own that runs already."""
    runner = LoopRunner()
    runner.start()
    try:
        found = asyncio.run_coroutine_threadsafe(coroutine, runner.loop.asyncio_loop)
        try:
            return found.result()
        except BaseException:  # an interrupt, too
            found.cancel()
            raise
    finally:
        runner.stop()


def _diagnosis(address: str, limit: float, error: BaseException) -> tuple[str, str]:
    """Return in words why nobody could be reached, and what would help."""
    causes = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    why = next((str(cause) for cause in reversed(causes) if str(cause)), "it does not answer")
    refused = next((c for c in causes if isinstance(c, ssl.SSLError) or "SSL" in str(c)), None)
    if refused is not None:
        mismatch = any(word in str(refused) for word in ("WRONG_VERSION", "record layer", "IOStream"))
        remedy = (
            "It may speak without TLS: try tcp:// in the place of tls://."
            if mismatch
            else "Use the certificates of that cluster: --tls-ca, --tls-cert and --tls-key, or Dask's configuration"
            " (distributed.comm.tls)."
        )
        return (
            f"The scheduler at {address} and this notebook do not accept each other's certificates: {refused}.",
            remedy,
        )
    remedy = "Check host and port (the scheduler's, not its dashboard's), and whether it runs."
    if address.startswith("tcp://"):
        remedy += " If it uses TLS, its address begins with tls://."
    return f"No scheduler answers at {address} (tried for {limit:g} s): {why}.", remedy

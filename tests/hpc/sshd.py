"""A real SSH server of a test alone, on this machine or on one of several hosts. It lets in one key."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.hpc.packages import require, run, wait_for


class Keys:
    """A key for the server and one for its user, in `folder`."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("asyncssh")
        require(("openssh-server", "openssh-client"), ("/usr/sbin/sshd", "/usr/bin/ssh-keygen"))
        self.folder = folder
        for name in ("host", "key"):
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], {})
        shutil.copy(folder / "key.pub", folder / "authorized")
        Path("/run/sshd").mkdir(exist_ok=True)

    def options(self, port: int) -> dict[str, Any]:
        """Return the options of a connection."""
        return {
            "port": port,
            "client_keys": [str(self.folder / "key")],
            "known_hosts": None,
            "username": "root",
        }


class Server:
    """Listens from the time it is made.

    Parameters
    ----------
    keys : Keys
    address : str
    port : int
    within : sequence of str
        A command that runs another one on the host of the server.
    """

    def __init__(self, keys: Keys, address: str, port: int, within: Sequence[str] = ()) -> None:
        self._pid = keys.folder / f"pid-{address}"
        settings = {
            "ListenAddress": address,
            "Port": port,
            "PidFile": self._pid,
            "HostKey": keys.folder / "host",
            "AuthorizedKeysFile": keys.folder / "authorized",
            "PermitRootLogin": "prohibit-password",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "UsePAM": "no",
            "StrictModes": "no",  # the folder of the keys is below /tmp
            "MaxStartups": 100,
        }
        options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        run([*within, "/usr/sbin/sshd", "-f", "/dev/null", "-E", keys.folder / "log", *options], {})
        wait_for(self._pid.exists, 10, "the server does not start")

    def stop(self) -> None:
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(int(self._pid.read_text()), signal.SIGTERM)

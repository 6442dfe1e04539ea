"""Several hosts on one machine: network namespaces on a bridge. Root only; nothing that they send leaves the machine.

Each host has a network of its own. File system, users and process table are shared, as if by NFS. This machine is on
the bridge too, so that tests need not run on one of the hosts.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress

import pytest

from tests.hpc.packages import run, wait_for

NET = "10.213.77"
HERE = f"{NET}.254"


class Hosts:
    """Hosts 1 to `n`.

    Parameters
    ----------
    n : int
    name : str
        Begin of their names. Hosts of one name end those that there are.
    net : str
        The first three numbers of their addresses.
    """

    def __init__(self, n: int, name: str = "moorage", net: str = NET) -> None:
        self.numbers = range(1, n + 1)
        self.name = name
        self.net = net

    def start(self) -> None:
        if os.getuid() != 0 or shutil.which("ip") is None:
            pytest.skip("hosts of their own need root and iproute2")
        self.stop()
        try:
            _ip(f"link add {self.name}-br type bridge")
        except AssertionError as error:
            pytest.skip(f"this machine makes no bridge: {error}")
        _ip(f"addr add {self.net}.254/24 dev {self.name}-br")
        _ip(f"link set {self.name}-br up")
        for n in self.numbers:
            _ip(f"netns add {self.name}-{n}")
            _ip(f"-n {self.name}-{n} link set lo up")
            _ip(f"link add {self.name}-{n} type veth peer name eth0 netns {self.name}-{n}")
            _ip(f"link set {self.name}-{n} master {self.name}-br up")
            _ip(f"-n {self.name}-{n} addr add {self.address(n)}/24 dev eth0")
            _ip(f"-n {self.name}-{n} link set eth0 up")

    def stop(self) -> None:
        for n in self.numbers:
            self.kill(n)
            _ip(f"link del {self.name}-{n}", check=False)  # at once; with the host it would go some time later
            _ip(f"netns del {self.name}-{n}", check=False)
        _ip(f"link del {self.name}-br", check=False)

    def address(self, n: int) -> str:
        return f"{self.net}.{n}"

    def command(self, n: int, *words: object) -> list[str]:
        """Return the command that runs another one on host `n`."""
        return ["ip", "netns", "exec", f"{self.name}-{n}", *map(str, words)]

    def cut(self, n: int) -> None:
        """Unplug the cable."""
        _ip(f"link set {self.name}-{n} down")

    def mend(self, n: int) -> None:
        _ip(f"link set {self.name}-{n} up")

    def shape(self, rate: str) -> None:
        """Limit every host's link, each way, to a `rate` such as ``200mbit``."""
        for n in self.numbers:
            _tc(f"qdisc add dev {self.name}-{n} root tbf rate {rate} burst 512kb latency 100ms")
            _tc(f"-n {self.name}-{n} qdisc add dev eth0 root tbf rate {rate} burst 512kb latency 100ms")

    def received(self, n: int) -> int:
        """Return the bytes that have come over the cable of host `n`."""
        return self._count(n, "rx_bytes")

    def sent(self, n: int) -> int:
        """Return the bytes that host `n` has sent over its cable."""
        return self._count(n, "tx_bytes")

    def _count(self, n: int, what: str) -> int:
        return int(run(self.command(n, "cat", f"/sys/class/net/eth0/statistics/{what}"), {}))

    def kill(self, n: int) -> None:
        """End all that runs on host `n`, at once."""
        for pid in self.pids(n):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.pids(n), 10, "processes do not end", strict=False)

    def pids(self, n: int) -> list[int]:
        """Return what runs on host `n`."""
        listed = subprocess.run(["ip", "netns", "pids", f"{self.name}-{n}"], capture_output=True, text=True, timeout=10)
        return [int(word) for word in listed.stdout.split()]


def _ip(words: str, check: bool = True) -> None:
    run(["ip", *words.split()], {}, check)


def _tc(words: str) -> None:
    run(["tc", *words.split()], {})

"""A real Slurm on this machine, from Debian's packages: private, on loopback, no file of the system changed."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import ClassVar

from tests.hpc.packages import run, wait_for

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PROGRAMS = ("/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/bin/sbatch", "/usr/sbin/munged")


class Slurm:
    """Controller and one node, with the partition ``test``.

    Parameters
    ----------
    folder : Path
    slots : int
        Processors that the node claims to have.
    """

    name = "slurm"
    options: ClassVar[dict[str, object]] = {
        "queue": "test",
        "cores": 1,
        "memory": "600MB",
        "interface": "lo",
        "walltime": "00:10:00",
    }

    def __init__(self, folder: Path, slots: int = 8) -> None:
        self.folder = folder / "slurm"
        self.slots = slots
        self.host = socket.gethostname().partition(".")[0]
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self) -> None:
        for name in ("munge", "state", "spool", "log"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        munge = self.folder / "munge"
        munge.joinpath("key").write_bytes(os.urandom(128))
        munge.joinpath("key").chmod(0o600)
        (self.folder / "slurm.conf").write_text(self._configuration())
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")  # it is read, though nothing uses it
        files = {"key": munge / "key", "socket": munge / "socket", "pid": munge / "pid", "seed": munge / "seed"}
        options = [f"--{name}-file={path}" if name != "socket" else f"--socket={path}" for name, path in files.items()]
        # --force: it runs as root, in a folder that others may read.
        self._run("munged", "--force", f"--log-file={self.folder / 'log/munged.log'}", *options)
        self._run("slurmctld", "-c")
        self._run("slurmd", "-c", "-N", self.host)
        wait_for(
            lambda: self._run("sinfo", "-h", "-o", "%T", check=False).strip() == "idle", 30, "the node is not idle"
        )

    def stop(self) -> None:
        self._run("scancel", "-f", "-p", "test", check=False)
        wait_for(lambda: not self.jobs(), 15, "jobs do not end", strict=False)
        self._run("scontrol", "shutdown", check=False)
        wait_for(lambda: not self._daemons(but="munged"), 15, "daemons do not end", strict=False)
        for pid in self._daemons():
            os.kill(pid, 15)
        wait_for(lambda: not self._daemons(), 5, "daemons do not end", strict=False)
        for pid in self._daemons():
            os.kill(pid, 9)
        shutil.rmtree(self.folder, ignore_errors=True)

    def jobs(self) -> list[str]:
        """Return the ids of jobs that wait or run."""
        listed = self._run("squeue", "-h", "-t", "PENDING,RUNNING,CONFIGURING", "-o", "%i", check=False)
        return [word for word in listed.split() if word.isdecimal()]

    def cancel(self, job: str) -> None:
        self._run("scancel", job)

    def _daemons(self, but: str = "") -> list[int]:
        """Return the daemons that still are what their pid files say."""
        found = []
        names = {"slurmctld": "slurmctld.pid", "slurmd": "slurmd.pid", "munged": "munge/pid"}
        for name, path in names.items():
            try:
                pid = int((self.folder / path).read_text())
                if name != but and Path(f"/proc/{pid}/comm").read_text().strip() == name:
                    found.append(pid)
            except (OSError, ValueError):
                continue
        return found

    def _run(self, *command: object, check: bool = True) -> str:
        return run(command, self.environment, check)

    def _configuration(self) -> str:
        folder = self.folder
        control, node = _free_ports()
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10
        settings = {
            "ClusterName": "test",
            "SlurmctldHost": f"{self.host}(127.0.0.1)",
            "SlurmctldPort": control,
            "SlurmdPort": node,
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={folder / 'munge/socket'}",
            "StateSaveLocation": folder / "state",
            "SlurmdSpoolDir": folder / "spool",
            "SlurmctldPidFile": folder / "slurmctld.pid",
            "SlurmdPidFile": folder / "slurmd.pid",
            "SlurmctldLogFile": folder / "log/slurmctld.log",
            "SlurmdLogFile": folder / "log/slurmd.log",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "JobAcctGatherType": "jobacct_gather/none",
            "AccountingStorageType": "accounting_storage/none",
            "MpiDefault": "none",
            "SwitchType": "switch/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_CPU",
            "SlurmdParameters": "config_overrides",  # more processors than there are
            "SchedulerParameters": "batch_sched_delay=0,sched_interval=2,bf_interval=2,defer_batch",
            "ReturnToService": 2,
            "KillWait": 5,
            "MinJobAge": 30,
            "SlurmdTimeout": 30,
            "InactiveLimit": 0,
            "MailProg": "/bin/true",
        }
        lines = [f"{key}={value}" for key, value in settings.items()]
        lines.append(
            f"NodeName={self.host} NodeHostname={self.host} NodeAddr=127.0.0.1 CPUs={self.slots} RealMemory={memory}"
        )
        lines.append(f"PartitionName=test Nodes={self.host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO")
        return "\n".join(lines) + "\n"


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("", 0))
        second.bind(("", 0))
        return first.getsockname()[1], second.getsockname()[1]

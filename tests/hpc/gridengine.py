"""A real Grid Engine on this machine, from Debian's packages: private, on loopback, no file of the system changed.

Everything lies in one folder. The daemons run as root, and so do root's jobs. What looks odd is explained where it
stands: the packages expect to be set up by hand, by somebody who answers questions.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import ClassVar

from tests.hpc.packages import run, wait_for

PACKAGES = ("gridengine-master", "gridengine-exec", "gridengine-client")
PROGRAMS = ("/usr/lib/gridengine/sge_qmaster", "/usr/lib/gridengine/sge_execd", "/usr/bin/qsub")
LIB = Path("/usr/lib/gridengine")
SHARE = Path("/usr/share/gridengine")


class GridEngine:
    """Master and one execution host, with the queue ``all.q`` of some slots.

    Parameters
    ----------
    folder : Path
    slots : int
    """

    name = "sge"
    options: ClassVar[dict[str, object]] = {
        "queue": "all.q",
        "cores": 1,
        "memory": "600MB",
        "interface": "lo",
        "walltime": None,
    }

    def __init__(self, folder: Path, slots: int = 8) -> None:
        self.root = folder / "sge"
        self.slots = slots
        self.host = socket.gethostname()
        port = _free_ports()
        self.environment = {
            "SGE_ROOT": str(self.root),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": str(port),
            "SGE_EXECD_PORT": str(port + 1),
        }

    def start(self) -> None:
        self._lay_out()
        self._run("sge_qmaster")
        wait_for(lambda: self._try("qconf", "-sh"), 20, "the master does not answer")
        self._configure()
        self._run("sge_execd")
        wait_for(self._is_ready, 30, "the execution host is not ready")

    def stop(self) -> None:
        self._try("qdel", "-u", "*")
        wait_for(lambda: not self.jobs(), 15, "jobs do not end", strict=False)
        self._try("qconf", "-kej", "all")
        self._try("qconf", "-km")
        wait_for(lambda: not self._daemons(), 20, "daemons do not end", strict=False)
        for pid in self._daemons():
            os.kill(pid, 9)
        shutil.rmtree(self.root, ignore_errors=True)

    def jobs(self) -> list[str]:
        """Return the ids of jobs that wait or run."""
        lines = self._run("qstat", "-u", "*", check=False).splitlines()[2:]
        return [line.split()[0] for line in lines if line.split()[4] not in ("dr", "dt")]

    def cancel(self, job: str) -> None:
        self._run("qdel", job)

    def _is_ready(self) -> bool:
        """Whether the one queue instance has no sixth column, its state: it has sent a load report and takes jobs."""
        lines = [line.split() for line in self._run("qstat", "-f", "-q", "all.q", check=False).splitlines()]
        return [len(line) for line in lines if line and line[0].startswith("all.q@")] == [5]

    def _lay_out(self) -> None:
        root = self.root
        for folder in ("default/common", "spool/db", "spool/execd", "spool/qmaster/job_scripts"):
            (root / folder).mkdir(parents=True)
        for folder in ("util", "utilbin", "lib"):
            (root / folder).symlink_to(f"/var/lib/gridengine/{folder}")
        bootstrap = {
            "admin_user": "root",
            "default_domain": "none",
            "ignore_fqdn": "false",
            "spooling_method": "berkeleydb",
            "spooling_lib": "libspoolb",
            "spooling_params": root / "spool/db",
            "binary_path": "/usr/sbin",
            "qmaster_spool_dir": root / "spool/qmaster",
            "security_mode": "none",
            "listener_threads": 2,
            "worker_threads": 2,
            "scheduler_threads": 1,
        }
        common = root / "default/common"
        common.joinpath("bootstrap").write_text(_table(bootstrap))
        common.joinpath("act_qmaster").write_text(f"{self.host}\n")
        # 127.0.0.1 reads back as "localhost", which the master would refuse.
        common.joinpath("host_aliases").write_text(f"{self.host} localhost\n")
        configuration = _changed(
            (SHARE / "default-configuration").read_text(),
            execd_spool_dir=root / "spool/execd",
            min_uid=0,  # or root's jobs do not run
            min_gid=0,
            mailer="/bin/true",
            administrator_mail="none",
            load_report_time="00:00:02",
            max_unheard="00:00:30",
        )
        (root / "configuration").write_text(configuration)
        self._run(LIB / "spoolinit", "berkeleydb", "libspoolb", root / "spool/db", "init")
        for what, source in (
            ("configuration", root / "configuration"),
            ("complexes", SHARE / "util/resources/centry"),
            ("usersets", SHARE / "util/resources/usersets"),
            ("managers", "root"),
        ):
            self._run(LIB / "spooldefaults", what, source)

    def _configure(self) -> None:
        host = dict.fromkeys(
            ("load_scaling", "complex_values", "user_lists", "xuser_lists", "projects", "xprojects", "usage_scaling"),
            "NONE",
        )
        self._run("qconf", "-as", self.host)
        self._add("-Ae", {"hostname": self.host, **host, "report_variables": "NONE"})
        self._add("-Ahgrp", {"group_name": "@allhosts", "hostlist": self.host})
        queue = _changed(
            self._run("qconf", "-sq"),
            qname="all.q",
            hostlist="@allhosts",
            slots=self.slots,
            shell="/bin/bash",
            load_thresholds="NONE",  # a busy machine takes jobs too
            pe_list="NONE",
        )
        self._add("-Aq", queue)
        scheduler = _changed(
            self._run("qconf", "-ssconf"),
            schedule_interval="0:0:1",
            flush_submit_sec=1,
            flush_finish_sec=1,
            job_load_adjustments="NONE",
        )
        self._add("-Msconf", scheduler)

    def _add(self, option: str, content: str | dict[str, object]) -> None:
        path = self.root / "added"
        path.write_text(content if isinstance(content, str) else _table(content))
        self._run("qconf", option, path, check=False)  # its exit codes mean nothing

    def _daemons(self) -> list[int]:
        """Return the daemons that still are what their pid files say."""
        found = []
        for path in [self.root / "spool/qmaster/qmaster.pid", *self.root.glob("spool/execd/*/execd.pid")]:
            try:
                pid = int(path.read_text())
                if Path(f"/proc/{pid}/comm").read_text().startswith("sge_"):
                    found.append(pid)
            except (OSError, ValueError):
                continue
        return found

    def _run(self, *command: object, check: bool = True) -> str:
        return run(command, self.environment, check)

    def _try(self, *command: object) -> bool:
        try:
            self._run(*command)
        except (subprocess.SubprocessError, OSError, AssertionError):
            return False
        return True


def _table(values: dict[str, object]) -> str:
    return "".join(f"{key} {value}\n" for key, value in values.items())


def _changed(text: str, **values: object) -> str:
    """Return a table of Grid Engine's with some values changed."""
    for key, value in values.items():
        text, found = re.subn(rf"^{key}\s.*(\\\n.*)*$", f"{key} {value}", text, flags=re.M)
        assert found, f"no {key} in:\n{text}"
    return text


def _free_ports() -> int:
    """Return a port that is free, as is the next one."""
    for port in range(16444, 16600, 2):
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("", port))
                second.bind(("", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no free ports")

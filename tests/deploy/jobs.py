"""A small job queue: a cluster class as dask-jobqueue's, whose jobs are processes of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any

import dask.config
from distributed import Scheduler
from distributed.deploy.spec import ProcessInterface, SpecCluster


class Job(ProcessInterface):
    """A job of one or several workers. It is submitted when it starts; its workers come when they come."""

    def __init__(self, scheduler: str, name: Any, suffixes: list[str], security: Any, refusal: str, delay: str) -> None:
        super().__init__()
        self.scheduler = scheduler
        self.names = [f"{name}{suffix}" for suffix in suffixes]
        self.security = security
        self.refusal = Path(refusal)
        self.delay = Path(delay)
        self.processes: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        await asyncio.sleep(0.01)
        if self.refusal.is_file():
            raise RuntimeError(f"submission failed: {self.refusal.read_text()}")
        folder = dask.config.get("temporary-directory")
        arguments = []
        for option, field in (("ca-file", "ca_file"), ("cert", "worker_cert"), ("key", "worker_key")):
            path = Path(folder) / option
            path.write_text(getattr(self.security, f"tls_{field}"))
            arguments += [f"--tls-{option}", str(path)]
        wait = self.delay.read_text() if self.delay.is_file() else "0"
        for name in self.names:
            worker = [sys.executable, "-m", "distributed.cli.dask_worker", self.scheduler, "--name", name]
            worker += ["--no-nanny", "--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard", *arguments]
            worker += ["--local-directory", folder]
            submitted = await asyncio.create_subprocess_exec("sh", "-c", f'sleep {wait}; exec "$@"', "job", *worker)
            self.processes.append(submitted)
        await super().start()

    async def close(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await super().close()


class JobCluster(SpecCluster):
    def __init__(
        self,
        n_workers: int = 0,
        processes: int = 1,
        refusal: str = "",
        delay: str = "",
        security: Any = None,
        protocol: str | None = None,
        asynchronous: bool = True,
    ) -> None:
        suffixes = [""] if processes == 1 else [f"-{n}" for n in range(processes)]
        options = {"suffixes": suffixes, "security": security, "refusal": refusal, "delay": delay}
        job: dict[str, Any] = {"cls": Job, "options": options}
        if processes > 1:
            job["group"] = suffixes
        scheduler = {
            "host": "127.0.0.1",
            "protocol": protocol,
            "security": security,
            "dashboard_address": "127.0.0.1:0",
        }
        super().__init__(
            workers=dict.fromkeys(range(n_workers // processes), job),
            worker=job,
            scheduler={"cls": Scheduler, "options": scheduler},
            security=security,
            asynchronous=asynchronous,
        )

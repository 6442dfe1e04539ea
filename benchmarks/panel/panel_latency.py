"""How soon does the panel show what is so? A real JupyterLab in a real browser, four workers, fifty placed variables.

* A magic: from the beginning of ``%pin`` in the kernel to the page's word that it is held there, so the
  placing of a small variable itself is in it.
* A drop, while a cell sleeps and while one computes in pure Python: from letting go of the mouse to the same.
* A reload of the page while a cell sleeps: from the reload to the filled panel.

With ``--workers`` so many more are on the scheduler, eight to a host: stand-ins that hold what they are asked to and
say so, since no machine has room for a thousand. All else is real; only the magic is measured then.

Browser and kernel are on one machine and share its clock; the page notes the time of each change of its document.

Usage: ``python benchmarks/panel/panel_latency.py [--times 40] [--workers 1000]``. Takes about two minutes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.panel.chromium import launch_options
from tests.panel.desk import Desk
from tests.panel.lab import Lab

WORKERS = ["alice", "bob", "carol", "dave"]
BEGIN = f"""
import numpy as np, time
%load_ext moorage
%cluster start --names {",".join(WORKERS)} --threads 1 --memory 1GB
for i in range(49):
    cluster.broadcast(np.full(1000, i), name=f"placed{{i}}")
subject = np.ones(200_000)
%pin subject --workers dave
"""

CROWD = """
import asyncio
from distributed.core import Status
from distributed.scheduler import WorkerState

class Stream:
    def __init__(self, scheduler, address):
        self.scheduler, self.address = scheduler, address
    def send(self, *messages):
        for message in messages:
            if message["op"] == "acquire-replicas":
                asyncio.get_running_loop().call_soon(self.add, list(message["who_has"]))
    def closed(self):
        return False
    def abort(self):
        pass
    def add(self, keys):
        self.scheduler.add_keys(worker=self.address, keys=keys, stimulus_id="bench")

def add_workers(n, dask_scheduler):
    dask_scheduler.periodic_callbacks["worker-ttl"].stop()  # these have no pulse
    for i in range(n):
        address = f"tls://10.0.{i // 8 // 250}.{i // 8 % 250}:{10000 + i}"
        ws = WorkerState(
            address=address, status=Status.running, pid=0, name=f"worker-{i}", nthreads=2, memory_limit=1 << 34,
            local_directory="", nanny="", server_id=address, scheduler=dask_scheduler,
        )
        ws.metrics = {"memory": 1 << 30, "spilled_bytes": {"memory": 0, "disk": 0}, "managed_bytes": 0, "transfer": {}}
        dask_scheduler.workers[address] = ws
        dask_scheduler.running.add(ws)
        dask_scheduler.aliases[ws.name] = address
        dask_scheduler.stream_comms[address] = Stream(dask_scheduler, address)
        dask_scheduler.plugins["moorage"].add_worker(dask_scheduler, address)

cluster.client.run_on_scheduler(add_workers, N)
"""

WATCH = """worker => {
  const row = document.querySelector('[data-moorage-variable="subject"]');
  const shown = () => row.dataset.moorageState === 'held' && row.textContent.includes(`pinned to ${worker}`);
  window.shownAt = new Promise(resolve => {
    const observer = new MutationObserver(() => {
      if (shown()) {
        observer.disconnect();
        resolve(Date.now() / 1000);
      }
    });
    observer.observe(row, { subtree: true, childList: true, characterData: true, attributes: true });
  });
}"""


def by_magic(desk: Any, kernel: Any, times: int) -> list[float]:
    """Return the seconds from each magic until it is shown."""
    seconds = []
    for i in range(times):
        worker = WORKERS[i % 4]
        desk.page.evaluate(WATCH, worker)
        began = float(kernel.run(f"print(time.time())\n%pin subject --workers {worker}").splitlines()[0])
        seconds.append(desk.page.evaluate("window.shownAt") - began)
    return seconds


def by_drop(desk: Any, kernel: Any, times: int, cell: str) -> list[float]:
    """Return the seconds from each drop until it is shown, while a cell runs."""
    kernel.run("%pin subject --workers dave")
    seconds = []
    with kernel.running(cell):
        for i in range(times):
            worker = WORKERS[i % 4]
            desk.page.evaluate(WATCH, worker)
            desk.carry(desk.grip("subject"), desk.worker(worker), modifier="Shift")
            dropped = time.time()
            desk.drop("Shift")
            seconds.append(desk.page.evaluate("window.shownAt") - dropped)
    return seconds


def by_reload(desk: Any, kernel: Any, times: int) -> list[float]:
    """Return the seconds from each reload to the filled panel, while a cell runs."""
    seconds = []
    with kernel.running("while True: time.sleep(1)"):
        for _ in range(times):
            began = time.time()
            desk.page.reload()
            desk.worker(WORKERS[-1]).wait_for()
            seconds.append(time.time() - began)
    return seconds


def row(name: str, seconds: list[float]) -> None:
    """Print one line."""
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    print(f"  {name:44} {1e3 * statistics.median(ordered):7.0f} ms median {1e3 * p95:7.0f} ms p95  (n={len(ordered)})")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--workers", type=int, default=0, help="more workers, which are stand-ins")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder), Path(folder))
        browser = playwright.chromium.launch(**launch_options())
        kernel = lab.notebook("benchmark.ipynb")
        try:
            kernel.run(BEGIN)
            if args.workers:
                kernel.run(CROWD.replace("N)", f"{args.workers})"))
            page = browser.new_page(viewport={"width": 1400, "height": 1200})
            desk = Desk(page, lab).open("benchmark.ipynb")
            desk.command("application:toggle-left-area")
            by_magic(desk, kernel, 4)  # everything is loaded then
            row("placed by magic -> shown", by_magic(desk, kernel, args.times))
            if args.workers:
                return  # the others are not in sight among so many
            few = max(4, args.times // 4)
            row("dropped while a cell sleeps -> shown", by_drop(desk, kernel, few, "while True: time.sleep(60)"))
            row("dropped while a cell computes -> shown", by_drop(desk, kernel, few, "i = 0\nwhile True: i += 1"))
            row("reloaded while a cell sleeps -> filled", by_reload(desk, kernel, 5))
        finally:
            kernel.run("%cluster stop")
            kernel.close()
            browser.close()
            lab.close()


if __name__ == "__main__":
    main()

"""What do 100 running loops of 100,000 items cost, as rows of the panel? A real JupyterLab in a real browser.

Each item takes a millisecond, so that none ends meanwhile. Given are the CPU time of the kernel, as a share of a core,
with the panel closed and open; and of the page, while the rows go on: the longest interval between two frames, and the
most CPU time that a task of its main thread has taken, which says more on a machine that is busy with other things.

Usage: ``python benchmarks/panel/panel_loops.py [--loops 100] [--items 100000] [--seconds 20]``. Takes two minutes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import psutil
from panel_large import watched
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.panel.chromium import launch_options
from tests.panel.desk import Desk
from tests.panel.lab import Lab

BEGIN = """
import os, time
%load_ext moorage
%cluster start -n 2 --threads 1 --memory 1GB
def item(i): time.sleep(0.001)
print(os.getpid())
"""


def share(pid: int, seconds: float) -> float:
    """Return the share of a core that a process takes for so long, in percent."""
    process = psutil.Process(pid)
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return 100 * (after.user + after.system - before.user - before.system) / seconds


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, default=100)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder), Path(folder))
        browser = playwright.chromium.launch(**launch_options())
        try:
            kernel = lab.notebook("benchmark.ipynb")
            pid = int(kernel.run(BEGIN).split()[-1])
            print(f"  kernel at rest, panel closed      {share(pid, args.seconds):6.1f} % of a core")
            kernel.run(f"loops = [cluster.map(item, range({args.items})) for _ in range({args.loops})]")
            time.sleep(5)
            print(f"  {args.loops} loops, panel closed          {share(pid, args.seconds):6.1f} % of a core")
            page = browser.new_page(viewport={"width": 1400, "height": 1200})
            desk = Desk(page, lab).open("benchmark.ipynb")
            page.locator("[data-moorage-computation]").nth(args.loops - 1).wait_for(timeout=60_000)
            time.sleep(5)
            found: list[tuple[float, float]] = []
            with watched(page, found):
                print(f"  {args.loops} loops, panel open            {share(pid, args.seconds):6.1f} % of a core")
            longest, work = found[0]
            print(f"  frames                            {longest:6.0f} ms longest {work:6.0f} ms of CPU longest task")
            assert desk.board.locator("[data-moorage-computation]").count() == args.loops
            kernel.run("for loop in loops: loop.cancel()\n%cluster stop")
            kernel.close()
        finally:
            browser.close()
            lab.close()


if __name__ == "__main__":
    main()

"""How fast are variables saved, and read again from a cold disk? Beside `dd`, `pickle.dump` and joblib, in one run.

Each round writes the same random bytes by each method, in another order, and has them on the disk (fsync) before the
clock stops. Then it reads them, with the pages dropped from the cache first (``posix_fadvise``), and touches each page.
moorage saves from as many workers as there are; the others write from one process, one file after another. ``dd`` reads
with large blocks into nothing. A figure is the median of the rounds, in MB/s, and as a share of ``dd``'s.

Usage: ``python benchmarks/saving.py [--n 10] [--size 100] [--workers 4] [--rounds 3] [--folder .]``; size in MB.
"""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np

import moorage

Arrays = list[Any]


def sync(folder: Path) -> None:
    """Have the files of a folder on the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())


def drop(folder: Path) -> None:
    """Drop the pages of files from the cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def touch(array: Any) -> int:
    """Read every page of an array."""
    return int(array[::4096].sum())


class Dd:
    """`dd`, of files in memory."""

    def __init__(self, arrays: Arrays, memory: Path) -> None:
        self.files = [memory / f"{n}" for n in range(len(arrays))]
        for file, array in zip(self.files, arrays, strict=True):
            array.tofile(file)

    def write(self, folder: Path) -> None:
        """Write all."""
        for n, file in enumerate(self.files):
            dd(f"if={file}", f"of={folder / str(n)}", "conv=fsync")

    def read(self, folder: Path) -> None:
        """Read all."""
        for path in folder.iterdir():
            dd(f"if={path}", "of=/dev/null")


def dd(*arguments: str) -> None:
    """Run it."""
    subprocess.run(["dd", "bs=16M", "status=none", *arguments], check=True)


class Pickle:
    """``pickle.dump`` of protocol 5 and ``pickle.load``, a file for each array."""

    dump: Callable[..., Any] = staticmethod(lambda array, file: pickle.dump(array, file, protocol=5))
    load: Callable[..., Any] = staticmethod(pickle.load)

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays

    def write(self, folder: Path) -> None:
        """Write all."""
        for n, array in enumerate(self.arrays):
            with open(folder / str(n), "wb") as file:
                self.dump(array, file)
        sync(folder)

    def read(self, folder: Path) -> None:
        """Read all."""
        for path in folder.iterdir():
            with open(path, "rb") as file:
                touch(self.load(file))


class Joblib(Pickle):
    """``joblib.dump`` and ``joblib.load``."""

    dump = staticmethod(joblib.dump)
    load = staticmethod(joblib.load)


class Moorage:
    """``cluster.save`` and ``cluster.restore``, and first use where it is."""

    def __init__(self, arrays: Arrays, workers: int) -> None:
        self.cluster = moorage.start(workers, threads_per_worker=1, memory_limit=0)
        self.names = [f"x{n}" for n in range(len(arrays))]
        self.place(arrays)

    def place(self, arrays: Arrays) -> None:
        """Have all on the cluster."""
        for name, array in zip(self.names, arrays, strict=True):
            self.cluster.scatter(array, name=name)

    def write(self, folder: Path) -> None:
        """Save all."""
        self.cluster.save(to=folder)

    def before_reading(self) -> None:
        """Let go of all."""
        self.cluster.release(*self.names)
        while self.cluster.client.who_has():
            time.sleep(0.05)

    def read(self, folder: Path) -> None:
        """Restore all, and use it."""
        self.cluster.restore(from_=folder)
        uses = [self.cluster.submit(touch, self.cluster[name].future) for name in self.names]
        self.cluster.client.gather(uses)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("--n", 10), ("--size", 100), ("--workers", 4), ("--rounds", 3)):
        parser.add_argument(option, type=int, default=default)
    parser.add_argument("--folder", default=".")
    args = parser.parse_args()
    random = np.random.default_rng(0)
    arrays: Arrays = [np.frombuffer(random.bytes(args.size * 1_000_000), np.uint8) for _ in range(args.n)]
    total = args.n * args.size
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory, tempfile.TemporaryDirectory(dir=args.folder) as base:
        ways: dict[str, Any] = {
            "dd": Dd(arrays, Path(memory)),
            "moorage": Moorage(arrays, args.workers),
            "pickle": Pickle(arrays),
            "joblib": Joblib(arrays),
        }
        speeds: dict[tuple[str, str], list[float]] = {}
        for turn in range(args.rounds):
            names = list(ways)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                way, folder = ways[name], Path(base) / name
                folder.mkdir(mode=0o700)
                for what in ("write", "read"):
                    if what == "read":
                        if isinstance(way, Moorage):
                            way.before_reading()
                        drop(folder)
                    begun = time.perf_counter()
                    getattr(way, what)(folder)
                    speeds.setdefault((name, what), []).append(total / (time.perf_counter() - begun))
                if isinstance(way, Moorage):  # the next round has other files
                    way.before_reading()
                    way.place(arrays)
                shutil.rmtree(folder)
        ways["moorage"].cluster.close()
    what = f"{args.n} arrays of {args.size} MB, {args.workers} workers, {args.rounds} rounds"
    print(f"{what}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':10}{'write MB/s':>12}{'of dd':>8}{'read MB/s':>12}{'of dd':>8}")
    best = {what: statistics.median(speeds["dd", what]) for what in ("write", "read")}
    for name in ways:
        figures = [(statistics.median(speeds[name, what]), best[what]) for what in ("write", "read")]
        print(f"{name:10}" + "".join(f"{speed:12.0f}{speed / most:8.0%}" for speed, most in figures))


if __name__ == "__main__":
    main()

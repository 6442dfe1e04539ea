"""Whatever happens to workers at random, placements are met in the end, and values and results are what they shall be.

Tasks use variables, parts of them and results of other tasks; loops run in batches; only copies are lost and restored.

The same seed gives the same events, though not the same moments. ``MOORAGE_CHAOS_SEED`` repeats a run,
``MOORAGE_CHAOS_SECONDS`` makes it longer.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import time
import traceback
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from distributed import Future

import moorage
from moorage.controller.cluster import ClusterController
from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers, Placement
from moorage.tasks.map.results import Results
from tests.helpers import eventually
from tests.workers import Workers

NAMES = ["alice", "bob", "carol", "dave", "erin", "frank"]
VARIABLES = ["a", "b", "c", "d", "e", "f"]
SOON = 0.001  # seconds: do not wait for placements to be met
SECONDS = float(os.environ.get("MOORAGE_CHAOS_SECONDS") or 25)
LONGEST = 90.0  # seconds that an act may take while workers die
MAPS = 3  # at a time


class Errors(logging.Handler):
    """Keeps what the scheduler and moorage log as errors with a traceback; lost connections are no errors here."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info and record.exc_info[1]
        # what stock distributed raises when a worker leaves just as something is sent to it
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)] if error else []
        vanished = isinstance(error, KeyError) and (
            record.getMessage().endswith("op scatter") or frames[-1:] == ["handle_request_refresh_who_has"]
        )
        if record.exc_info and error and not vanished and not isinstance(error, OSError | TimeoutError):
            trace = logging.Formatter().formatException(record.exc_info)
            self.found.append(f"{record.getMessage()}: {error!r}\n{trace}")


class Chaos:
    """Random acts on a cluster, and what must be true of it because of them."""

    def __init__(self, workers: Workers, controller: ClusterController, rng: random.Random) -> None:
        self.workers = workers
        self.controller = controller
        self.rng = rng
        self.values: dict[str, Any] = {}
        self.placements: dict[str, Placement] = {}
        self.tasks: list[tuple[str, Future[Any], Any]] = []
        self.maps: list[tuple[str, Results, list[Any]]] = []
        self.doubtful: set[Any] = set()  # keys of tasks, ids of results, whose variable has been let go of since
        self.remote: set[str] = set()  # variables that the notebook does not have itself
        self.paused: set[str] = set()
        self.story: list[str] = []

    # Acts upon workers

    def kill(self) -> None:
        self._signal(self._any_worker(), signal.SIGKILL)

    def kill_several(self) -> None:
        for _ in range(self.rng.randint(2, 4)):
            self.kill()

    def kill_holders(self) -> None:
        """Kill all who have a variable, at once."""
        if name := self._any_variable():
            for worker in self.controller.placement()[name].holders:
                self._signal(worker, signal.SIGKILL)

    def restart(self) -> None:
        name = self._any_worker()
        if (address := self.workers.addresses().get(name)) is not None:
            with contextlib.suppress(KeyError):  # Dask's answer when the worker dies meanwhile
                self.controller.client.restart_workers([address], timeout=30, raise_for_error=False)

    def pause(self) -> None:
        self._set(self._any_worker(), self.workers.pause)

    def resume(self) -> None:
        if paused := sorted(set(self.workers.addresses()) - self.workers.running()):
            self._set(self.rng.choice(paused), self.workers.resume)

    def add(self) -> None:
        if missing := [name for name in NAMES if name not in self.workers.cluster.worker_spec]:
            self.workers.add(self.rng.choice(missing), wait=False)

    def retire(self) -> None:
        name = self._any_worker()
        if len(self.workers.cluster.worker_spec) > 1:
            with contextlib.suppress(KeyError):  # it may be dead at the moment
                self.workers.retire(name)

    def remove(self) -> None:
        if len(self.workers.cluster.worker_spec) > 1:
            self.workers.remove(self._any_worker())

    # Acts upon variables

    def place(self) -> None:
        name, value, placement = self.rng.choice(VARIABLES), self._value(), self._placement()
        self.story[-1] += f" {name} {placement}"
        if name in self.values:
            self._let_go(name)
            self.controller.release(name)
        several = isinstance(value, list)
        self.controller.scatter(value, name, whole=not several, force=True, timeout=SOON)
        self.values[name] = value
        self.remote.discard(name)
        self.controller.place(name, placement, force=True, timeout=SOON)
        self.placements[name] = placement

    def replace(self) -> None:
        """Place another value under the same name."""
        if name := self._any_variable():
            self._let_go(name)
            value = self._value()
            whole = not isinstance(value, list)
            self.controller.scatter(value, name, broadcast=True, whole=whole, force=True, timeout=SOON)
            self.values[name], self.placements[name] = value, Everywhere()
            self.remote.discard(name)

    def place_result(self) -> None:
        """Place what a task computes, and the notebook does not have."""
        name, seed = self.rng.choice(VARIABLES), self.rng.randrange(1 << 30)
        self.story[-1] += f" {name}"
        if name in self.values:
            self._let_go(name)
            self.controller.release(name)
        result = self.controller.submit(_array, seed, 10_000, pure=False)
        self.controller.broadcast(result, name, force=True, timeout=SOON)
        self.values[name], self.placements[name] = _array(seed, 10_000), Everywhere()
        self.remote.add(name)

    def move(self) -> None:
        if name := self._any_variable():
            placement = self._placement()
            self.story[-1] += f" {name} {placement}"
            self.controller.place(name, placement, force=True, timeout=SOON)
            self.placements[name] = placement

    def release(self) -> None:
        if len(self.values) > 2 and (name := self._any_variable()):
            self._let_go(name)
            self.controller.release(name)
            del self.values[name], self.placements[name]

    def compute(self) -> None:
        """Submit tasks that need a variable."""
        if name := self._any_variable():
            value = self.values[name]
            futures = self.controller[name].futures
            parts = value if isinstance(value, list) else [value]
            for future, part in list(zip(futures if isinstance(futures, list) else [futures], parts, strict=True))[:3]:
                task = self.controller.client.submit(_digest, future, pure=False)
                self.tasks.append((name, task, _digest(part)))

    def compute_part(self) -> None:
        """Submit a task that needs a part of a variable, by a view that the notebook has of its own value."""
        if (name := self._any_variable()) and name not in self.remote and not isinstance(self.values[name], list):
            value = self.values[name]
            start, step = self.rng.randrange(5), self.rng.randint(1, 3)
            part = value[start : value.size - start : step]
            task = self.controller.submit(_digest, [part, value], pure=False)
            self.tasks.append((name, task, _digest([part, value])))

    def compute_result(self) -> None:
        """Submit a task that needs the result of another one."""
        if self.tasks:
            name, task, expected = self.rng.choice(self.tasks)
            if task.status != "cancelled":
                next_one = self.controller.submit(_successor, task, pure=False)
                self.tasks.append((name, next_one, expected + 1))
                if task.key in self.doubtful:
                    self.doubtful.add(next_one.key)

    def restore(self) -> None:
        """Kill all who have a variable, and need it at once."""
        if (name := self._any_variable()) and not isinstance(self.values[name], list):
            for worker in self.controller.placement()[name].holders:
                self._signal(worker, signal.SIGKILL)
            task = self.controller.client.submit(_digest, self.controller[name].future, pure=False)
            self.tasks.append((name, task, _digest(self.values[name])))

    def run_batches(self) -> None:
        """Run a loop over items with code that takes a variable along."""
        if sum(not results.done() for _, results, _ in self.maps) < MAPS and (name := self._any_variable()):
            value, n = self.values[name], self.rng.randint(1, 60)
            taken = self.controller[name] if name in self.remote else value
            results = self.controller.map(_item, range(n), batch_size=self.rng.choice([None, 1, 7]), taken=taken)
            digest = _digest(value)
            self.maps.append((name, results, [digest + i for i in range(n)]))

    # In the end

    def settle(self) -> None:
        """All workers are well: wait until all placements are met."""
        self.workers.heal()
        self.workers.add(*(name for name in NAMES if name not in self.workers.cluster.worker_spec), wait=False)
        for name in set(self.workers.addresses()) - self.workers.running():
            self._set(name, self.workers.resume)
        eventually(lambda: self.workers.running() == set(NAMES))

        def unmet() -> dict[str, Any]:
            return {name: state for name, state in self.controller.placement().items() if state.state != "held"}

        try:
            eventually(lambda: not unmet())
        except AssertionError:
            raise AssertionError(f"not met: {unmet()}") from None

    def check(self) -> None:
        states = self.controller.placement()
        assert set(states) >= set(self.values)
        for name, value in self.values.items():
            assert _digest(self.controller.gather(name)) == _digest(value), name
            assert states[name].placement == self.placements[name]
        eventually(lambda: all(self._met(name) for name in self.values))
        for name, task, expected in self.tasks:
            # a result that was lost with its worker cannot be computed again when its variable has been let go of
            if task.status != "cancelled" or task.key not in self.doubtful:
                assert task.result(60) == expected, name
        for name, results, wanted in self.maps:
            assert results.wait(60), f"{name}: {results!r}"
            got = results.gather(errors="return" if id(results) in self.doubtful else "raise")
            # what is lost and has been let go of is told, item by item
            assert all(
                one == right or isinstance(one, moorage.MoorageError) for one, right in zip(got, wanted, strict=True)
            )
        eventually(lambda: set(self.controller.placement()) == set(self.values))  # also what loops had copied is gone

    def _met(self, name: str) -> bool:
        """Whether the workers themselves say that they have what they shall have."""
        keys = self.controller[name].keys
        has: dict[str, set[Any]] = dict(self.controller.client.run(_held, list(keys)).values())
        everyone = set(NAMES)
        for key in keys:
            holders = {worker for worker, held in has.items() if key in held}
            match self.placements[name]:
                case Everywhere():
                    good = holders == everyone
                case OnePerHost():
                    good = len(holders) == 1
                case Anywhere(copies=copies):
                    good = len(holders) == copies
                case OnWorkers(workers=specs, each=True):
                    good = holders == set(specs)
                case OnWorkers(workers=specs):
                    good = len(holders) == 1 and holders <= set(specs)
            if not good:
                return False
        return True

    # Internals

    def act(self) -> None:
        acts = [
            (self.kill, 3), (self.kill_several, 1), (self.kill_holders, 4), (self.restart, 1), (self.pause, 2),
            (self.resume, 3), (self.add, 4), (self.retire, 2), (self.remove, 1),
            (self.place, 5), (self.replace, 2), (self.place_result, 2), (self.move, 6), (self.release, 2),
            (self.compute, 4), (self.compute_part, 4), (self.compute_result, 2), (self.restore, 2),
            (self.run_batches, 3),
        ]  # fmt: skip
        (act,) = self.rng.choices([act for act, _ in acts], [weight for _, weight in acts])
        self.story.append(act.__name__)
        begun = time.monotonic()
        try:
            act()
        except moorage.MoorageError as error:
            raise AssertionError(f"{act.__name__} was refused: {error}") from error
        assert time.monotonic() - begun < LONGEST, f"{act.__name__} took too long"
        time.sleep(self.rng.random() * 0.1)  # the moments between acts are part of the chaos

    def _let_go(self, name: str) -> None:
        self.doubtful.update(task.key for of, task, _ in self.tasks if of == name)
        self.doubtful.update(id(results) for of, results, _ in self.maps if of == name)

    def _any_worker(self) -> str:
        name = self.rng.choice(sorted(self.workers.cluster.worker_spec))
        self.story[-1] += f" {name}"
        return name

    def _any_variable(self) -> str | None:
        name = self.rng.choice(sorted(self.values)) if self.values else None
        self.story[-1] += f" {name}"
        return name

    def _signal(self, name: str, number: int) -> None:
        nanny = self.workers.cluster.workers.get(name)
        if nanny is not None and nanny.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(nanny.pid, number)

    def _set(self, name: str, change: Any) -> None:
        """Pause or resume a worker that may vanish at any moment."""
        try:
            change(name)
        except (KeyError, OSError, AssertionError) as error:
            self.story[-1] += f" ({error!r})"

    def _value(self) -> Any:
        seed = self.rng.randrange(1 << 30)
        if self.rng.random() < 0.3:
            return [_array(seed + i, 10_000) for i in range(self.rng.randint(1, 8))]
        return _array(seed, self.rng.choice([10, 100_000, 400_000]))

    def _placement(self) -> Placement:
        some = tuple(sorted(self.rng.sample(NAMES, self.rng.randint(1, 3))))
        some = tuple(name for name in some if name in self.controller.placer.link.mirror.seen) or ("alice",)
        return self.rng.choice(
            [
                Everywhere(), Everywhere(), Anywhere(1), Anywhere(2), OnePerHost(),
                OnWorkers(some), OnWorkers(some), OnWorkers(some, each=False),
            ]
        )  # fmt: skip


@pytest.fixture
def errors() -> Iterator[Errors]:
    handler = Errors()
    loggers = [logging.getLogger(name) for name in ("distributed.scheduler", "distributed.core", "moorage")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler
    for logger in loggers:
        logger.removeHandler(handler)


@pytest.mark.timeout(SECONDS + 275)
def test_placements_are_met_and_values_intact_after_chaos(errors: Errors) -> None:
    seed = int(os.environ.get("MOORAGE_CHAOS_SEED") or random.randrange(1 << 30))
    print(f"MOORAGE_CHAOS_SEED={seed}")
    with Workers(*NAMES[:4]) as workers, moorage.attach(workers.address) as controller:
        chaos = Chaos(workers, controller, random.Random(seed))
        try:
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                chaos.act()
            chaos.settle()
            chaos.check()
            assert not errors.found, "\n".join(errors.found)
        except BaseException:
            print(*chaos.story, sep="\n")
            raise


def _array(seed: int, size: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).random(size)


def _digest(value: Any) -> int:
    parts = value if isinstance(value, list) else [value]
    return sum(zlib.crc32(np.ascontiguousarray(part)) for part in parts)


def _successor(digest: int) -> int:
    return digest + 1


def _item(i: int, taken: Any) -> int:
    time.sleep(0.01)
    return _digest(taken) + i


def _held(keys: list[Any], dask_worker: Any) -> tuple[str, set[Any]]:
    return str(dask_worker.name), {key for key in keys if key in dask_worker.data}

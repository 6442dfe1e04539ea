"""A backend on plain Dask: scattered values and nothing that keeps them. Enough to run code next to data."""

import contextlib
import time

from distributed import Future

from moorage.errors import WaitTimeoutError
from moorage.kernel.images.sending import Images
from moorage.kernel.values.fingerprint import image_of
from moorage.kernel.values.value_registry import ValueRegistry
from moorage.model import Everywhere, OnWorkers, WorkerInfo
from tests.helpers import worker_infos


class PlainBackend:
    namespace = None
    lives = 1
    is_back = True

    def __init__(self, client):
        self.client = client
        self.origins = ValueRegistry()
        self.images = Images(client)
        client.sync(self.images.install)
        self.futures = {}  # key -> Future
        self.placements = {}  # key -> Placement
        self.names = {}  # name -> futures in shape
        self.values = {}  # name -> the value placed under it
        self.collections = {}  # id -> (value, keys)
        self.spreads = []

    # for tests
    def place(self, value, name="", *, workers=None, broadcast=False, strict=False):
        """Scatter one value and remember it, as the controller does."""
        if workers is not None:
            workers = [w.address for w in self.workers() if w.name in workers]
        image = image_of(value)
        sent = self.images.carry(value, image)
        future = self.client.scatter([sent], workers=workers, broadcast=broadcast, hash=False)[0]
        self.futures[future.key] = future
        self.origins.remember(future.key, value, image, name)
        if strict:
            names = tuple(w.name for w in self.workers() if w.address in workers)
            self.placements[future.key] = OnWorkers(names)
        elif broadcast:
            self.placements[future.key] = Everywhere()
        if name:
            self.names[name] = future
            self.values[name] = value
        return future.key

    def place_elements(self, value, name=""):
        keys = [self.place(v) for v in value]
        self.collections[id(value)] = value, keys
        if name:
            self.names[name] = [self.futures[k] for k in keys]
            self.values[name] = value
        return keys

    # what the engine asks for
    def is_same(self, life):
        return True

    def wait_back(self):
        return self.lives

    def code_again(self, code):
        return code

    def keeping(self):
        return contextlib.nullcontext()

    def place_capture(self, value, name, *, everywhere):
        self.place(value, name or "", broadcast=everywhere)

    def refresh(self, key):
        value = self.origins.value(key)
        name = next((n for n, v in self.values.items() if v is value), "")
        self.origins.forget(key)
        del self.futures[key]
        return self.place(value, name)

    def future(self, key):
        return self.futures[key]

    def by_name(self, name):
        return self.names[name]

    def rebound(self, name, value):
        return name in self.values and self.values[name] is not value

    def elements(self, value):
        known, keys = self.collections.get(id(value), (None, None))
        return keys if known is value else None

    def holders(self, keys):
        names = {w.address: w.name for w in self.workers()}
        futures = [Future(key, self.client) for key in keys]
        return {key: {names[a] for a in held} for key, held in self.client.who_has(futures).items()}

    def placement(self, key):
        return self.placements.get(key)

    def nbytes(self, key):
        return self.client.nbytes([key], summary=False).get(key, 0)

    def workers(self, *, fresh=False):
        found = worker_infos(self.client)
        return [
            WorkerInfo(str(w["name"]), a, w["host"], w["nthreads"], w["memory_limit"]) for a, w in sorted(found.items())
        ]

    def on_workers(self, callback):
        known = {w.address for w in self.workers()}

        async def look():
            nonlocal known
            now = set((await self.client.scheduler.identity(n_workers=-1))["workers"])
            if now != known:
                known = now
                callback()

        from tornado.ioloop import PeriodicCallback

        ticking = PeriodicCallback(look, 100)
        self.client.loop.add_callback(ticking.start)
        return lambda: self.client.loop.add_callback(ticking.stop)

    def spread(self, keys):
        keys = list(keys)
        self.spreads.append(keys)
        self.client.replicate([Future(k, self.client) for k in keys])
        return lambda: None

    def wait_held(self, keys, timeout):
        until = time.monotonic() + timeout
        while not all(self.holders(keys).values()):
            if time.monotonic() > until:
                raise WaitTimeoutError("not held")
            time.sleep(0.02)

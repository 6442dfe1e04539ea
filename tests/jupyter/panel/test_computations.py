"""Rows of what runs: looked at anew twice a second, or when something begins, ends or is cancelled."""

from moorage.jupyter.panel.computations import TICK, Look
from moorage.tasks.computations import Computations
from moorage.tasks.map.ledger import Progress


class ALoop:
    """What the rows are made of: some items more are done whenever somebody looks."""

    group = "loop"

    def __init__(self):
        self.begun = -1000.0
        self._done = 0
        self._listener = lambda: None
        self._over = False

    @property
    def progress(self):
        self._done += 7
        return Progress(100_000, self._done, 0, 0, 0, False)

    def done(self):
        return self._over

    def subscribe(self, listener):
        self._listener = listener
        return lambda: None

    def stop(self):
        pass

    def end(self):
        self._over = True
        self._listener()


def test_a_look_within_a_tick_sees_the_same(monkeypatch):
    now = 0.0
    monkeypatch.setattr("moorage.jupyter.panel.computations.time.monotonic", lambda: now)
    computations, look, first, second = Computations(), Look(), ALoop(), ALoop()
    computations.begin("first", first)
    seen = look(computations)
    assert look(computations) is seen
    computations.begin("second", second)
    assert [row["label"] for row in look(computations).values()] == ["first", "second"]
    before = look(computations)
    now += TICK
    assert look(computations)["1"]["done"] > before["1"]["done"]
    computations["2"].cancel()
    assert look(computations)["2"]["cancelling"]
    second.end()
    assert list(look(computations)) == ["1"]

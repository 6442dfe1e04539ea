"""What workers report of batches, and what happens when nobody hears it."""

import pytest
from distributed import Event

from moorage.tasks.map.run import Run

MB = 1_000_000


@pytest.fixture
def deaf(monkeypatch):
    """Nobody hears that batches have ended."""
    hear = Run._on_report
    monkeypatch.setattr(Run, "_on_report", lambda run, report: report["kind"] != "done" and hear(run, report))


@pytest.mark.parametrize("size", [1, 3 * MB], ids=["small", "large"])
def test_a_missed_report_is_made_up_for_though_all_workers_are_busy(cluster, deaf, size):
    begun, go, end = (Event(f"{name}-{size}", client=cluster.client) for name in ("begun", "go", "end"))

    def item(size, begun, go):
        Event(begun).set()
        assert Event(go).wait(30)
        if size < 0:
            raise ValueError("negative")
        return bytes(size)

    def busy(end):
        Event(end).wait(60)

    results = cluster.map(item, [size, -1], workers=["alice"], batch_size=2, begun=begun.name, go=go.name)
    assert begun.wait(30)
    long = [cluster.submit(busy, end.name, workers=[worker], pure=False) for worker in ("alice", "bob")]
    try:
        go.set()
        assert results.wait(60)
        assert [str(error.exception) for error in results.errors] == ["negative"]
        assert not any(future.done() for future in long)
    finally:
        end.set()
    assert len(results[0]) == size

"""A cluster is scaled to nothing with all that it has in files, which comes back with the workers, under its keys."""

import dask.array as da
import numpy as np
import pytest

import moorage
from moorage.controller import resizing
from moorage.errors import InputError, ScaleError
from moorage.tasks.saving.parking import save_all
from tests.helpers import eventually

BIG = np.random.default_rng(0).normal(size=300_000)
PARTS = [np.full(30_000, i) for i in range(4)]


@pytest.fixture(scope="module")
def own():
    """A cluster of which all workers may go."""
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="1GB") as controller:
        yield controller


def test_to_nothing_and_back_loses_nothing(own, tmp_path):
    own.broadcast(BIG.copy(), name="big", keep_origin=False)
    own.scatter(PARTS, name="parts")
    own.pin("parts", workers=["bob"])
    own.pin("w", workers=["alice"], value=np.zeros(10_000), writable=True)
    array = own.client.persist(da.arange(100_000, chunks=10_000))
    own.scatter(array, name="array")
    plain = own.client.scatter(np.arange(50_000))
    result = own.client.submit(np.random.default_rng().normal, size=1000, pure=False)
    before = result.result()
    own.client.submit(np.ndarray.fill, own["w"].future, 7, workers="alice").result()
    with pytest.raises(ScaleError, match="would be lost"):
        own.scale(0)
    with pytest.raises(InputError, match="to 0"):
        own.scale(1, to=tmp_path)
    actor = own.client.submit(list, actor=True)
    actor.result()
    with pytest.raises(ScaleError, match="Actor"):
        own.scale(0, to=tmp_path)
    with pytest.raises(InputError, match="exactly one"):
        own.scale(0, workers=["alice"], to=tmp_path)
    assert not list(tmp_path.iterdir())  # it is refused before anything is written
    del actor
    own.scale(0, to=tmp_path)
    eventually(lambda: own.n_workers == 0)
    assert own.placement()["big"].state == "waiting"
    own.scale(2)
    np.testing.assert_array_equal(own.gather("big"), BIG)
    np.testing.assert_equal(own.gather("parts"), PARTS)
    assert (own.gather("w") == 7).all()
    np.testing.assert_array_equal(result.result(), before)
    np.testing.assert_array_equal(plain.result(), np.arange(50_000))
    assert array.sum().compute() == sum(range(100_000))
    eventually(lambda: all(state.state == "held" or state.reason for state in own.placement().values()))
    eventually(lambda: len(own.placement()["big"].holders) == 2)
    own.release("big", "parts", "w", "array")


def test_what_is_computed_while_all_is_saved_is_saved_too(own, tmp_path, monkeypatch):
    late = []

    def save(*args, **options):
        save_all(*args, **options)
        if not late:
            late.append(own.client.submit(np.random.default_rng().normal, pure=False))
            late.append(late[0].result())

    monkeypatch.setattr(resizing, "save_all", save)
    own.scale(0, to=tmp_path)
    own.scale(2)
    assert late[0].result() == late[1]

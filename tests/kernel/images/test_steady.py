"""What lies on the cluster is what its key says, although another thread changes the value while it is being placed."""

import numpy as np
import pytest

from moorage.images.format import Image, digest_of
from moorage.images.segment import Segment
from moorage.kernel.images import sending, steady
from moorage.kernel.images.steady import TornError, Witness, snapshot
from moorage.kernel.placement import request
from moorage.kernel.values.fingerprint import image_of
from moorage.kernel.values.written import MEMORY

N = 300_001  # not whole pages


@pytest.fixture(params=["what Linux knows", "reading"])
def knowledge(request, monkeypatch):
    if request.param == "reading":
        monkeypatch.setattr(MEMORY, "known", lambda content: None)


def copied(image):
    """Return what gets the bytes of a copy of the block."""
    block = bytearray(image.layout.nbytes)
    for start, buffer in zip(image.layout.offsets, image.buffers, strict=True):
        block[start : start + buffer.nbytes] = buffer
    return lambda start, stop: bytes(block[start:stop])


@pytest.mark.usefixtures("knowledge")
def test_a_copy_of_what_nobody_changes_is_good():
    image = image_of({"a": np.random.default_rng(1).random(N), "b": np.arange(1000.0), "c": np.arange(N)[::2]})
    witness = Witness(image)
    witness.check(copied(image))
    witness.check()


@pytest.mark.usefixtures("knowledge")
@pytest.mark.parametrize("where", [0, N // 2, N - 1])
def test_a_copy_of_something_else_is_told(where):
    x = np.zeros(N)
    image = image_of(x)
    witness = Witness(image)
    x[where] = 1
    with pytest.raises(TornError):
        witness.check(copied(image))
    with pytest.raises(TornError):
        witness.check()


@pytest.mark.usefixtures("knowledge")
@pytest.mark.parametrize("where", [0, N // 2, N - 1])
def test_a_change_that_is_taken_back_is_told(where):
    x = np.zeros(N)
    image = image_of(x)
    witness = Witness(image)
    x[where] = 1
    copy = copied(image)
    x[where] = 0
    with pytest.raises(TornError):
        witness.check(copy)


def test_a_change_before_is_told():
    x = np.zeros(N)
    image = image_of(x)
    x[5] = 1
    with pytest.raises(TornError):
        Witness(image).check(copied(image))
    with pytest.raises(TornError):
        snapshot(image)


def test_what_is_copied_first_does_not_change():
    x = np.zeros(N)
    image = image_of(x, copy=True)
    assert image.digest == image_of(x).digest
    x[:] = 1
    Witness(image).check(copied(image))
    assert image.extents() == []


def on_each(cluster, name):
    future = cluster[name].future
    workers = [info.name for info in cluster.workers()]
    tasks = [cluster.client.submit(np.asarray, future, workers=[worker], pure=False) for worker in workers]
    return cluster.client.gather(tasks)


def check_key(cluster, name):
    """Check that key and content agree, and return the content."""
    (key,) = cluster[name].keys
    first, *others = on_each(cluster, name)
    assert all(np.array_equal(first, other) for other in others)
    assert image_of(np.array(first)).digest in key
    return first


@pytest.mark.usefixtures("knowledge")
@pytest.mark.parametrize("taken_back", [False, True])
def test_a_value_that_changes_while_it_is_written_is_placed_as_it_was_at_one_moment(cluster, monkeypatch, taken_back):
    x, write, changes = np.random.default_rng().random(N), Segment.write, []  # what was never placed before

    def changed_write(self, parts, nbytes):
        if nbytes == x.nbytes and not changes:
            changes.append(x[1000])
            x[1000] = 7
            write(self, parts, nbytes)
            x[1000] = changes[0] if taken_back else 7
        else:
            write(self, parts, nbytes)

    monkeypatch.setattr(Segment, "write", changed_write)
    cluster.broadcast(x, name="x")
    assert changes
    assert np.array_equal(check_key(cluster, "x"), x)
    assert not cluster.placement()["x"].stale


def test_a_value_that_changes_always_is_placed_as_it_was_at_one_moment(cluster, monkeypatch):
    x, write = np.zeros(N), Segment.write

    def changed_write(self, parts, nbytes):
        x[:] += 1
        write(self, parts, nbytes)

    monkeypatch.setattr(Segment, "write", changed_write)
    cluster.broadcast(x, name="x")
    content = check_key(cluster, "x")
    assert content.min() == content.max() == x[0] - 1
    assert cluster.placement()["x"].stale


@pytest.mark.parametrize("n", [50_000, N])  # copied at once, or looked at afterwards
def test_a_value_that_changes_while_it_is_sent_without_shared_memory(cluster, monkeypatch, n):
    x, carry, changes = np.zeros(n), sending.Images.carry, []
    at_once = steady.AT_ONCE if n < N else 0

    def changed_carry(self, value, image: Image, segment=None, **how):
        if not changes:
            changes.append(digest_of(image.stream))
            x[:] += 1
        return carry(self, value, image, segment, **how)

    monkeypatch.setattr("moorage.kernel.images.sharing.shared_nbytes", lambda image: 0)
    monkeypatch.setattr(request, "AT_ONCE", at_once)
    monkeypatch.setattr(sending.Images, "carry", changed_carry)
    cluster.broadcast(x, name="x")
    assert changes
    check_key(cluster, "x")

"""Variables are saved to files by their workers, and restored from there, on this cluster or on another."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest

import moorage
from moorage.errors import InputError, SaveError, StaleError, UnknownVariableError
from moorage.model import Everywhere, OnWorkers
from moorage.tasks.saving.manifest import NAME
from tests.helpers import eventually

BIG = np.random.default_rng(0).normal(size=3_000_000)  # 24 MB: a file of its own
FRAME = pd.DataFrame({"a": np.arange(10_000), "s": [f"t{i}" for i in range(10_000)]})
PARTS = [np.full(30_000, i) for i in range(6)]
DICT = {"one": 1, ("t", 2): np.arange(2000)}
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to another user")


def place(cluster):
    cluster.broadcast(BIG, name="big")
    cluster.pin("frame", workers=["bob"], value=FRAME)
    cluster.scatter(PARTS, name="parts")
    cluster.scatter(DICT, name="table")


def check(cluster):
    np.testing.assert_array_equal(cluster.gather("big"), BIG)
    pd.testing.assert_frame_equal(cluster.gather("frame"), FRAME)
    np.testing.assert_equal(cluster.gather("parts"), PARTS)
    np.testing.assert_equal(cluster.gather("table"), DICT)


def images(folder):
    return sorted(Path(folder).glob("*.images"))


def test_what_was_saved_is_restored_where_it_was(cluster, tmp_path):
    place(cluster)
    before = cluster.placement()
    assert cluster.save(to=tmp_path) == ["big", "frame", "parts", "table"]
    cluster.release("big", "frame", "parts", "table")
    eventually(lambda: not cluster.client.who_has())
    assert cluster.restore(from_=tmp_path) == ["big", "frame", "parts", "table"]
    after = cluster.placement()
    check(cluster)
    for name, state in before.items():
        restored = after[name]
        assert (restored.placement, restored.typename, restored.detail) == (
            state.placement, state.typename, state.detail,
        )  # fmt: skip
    assert "shared by alice, bob" in cluster.sharing("big")["big"]
    (file,) = [file for file in images(tmp_path) if file.stat().st_size > BIG.nbytes]
    mapped = cluster.client.run(lambda: Path("/proc/self/maps").read_text())
    assert all(str(file) in maps for maps in mapped.values())  # it is mapped, not read
    file.unlink()
    np.testing.assert_array_equal(cluster.gather("big"), BIG)


def test_another_cluster_restores_it_on_the_workers_that_it_has(cluster, tmp_path):
    place(cluster)
    cluster.save(to=tmp_path)
    with moorage.start(names=["carol", "dave"], threads_per_worker=1, memory_limit="1GB") as other:
        other.restore(from_=tmp_path)
        check(other)
        now = other.placement()
        assert now["big"].placement == Everywhere()
        assert now["big"].holders == ["carol", "dave"]
        assert now["frame"].placement == OnWorkers(("bob",))
        assert now["frame"].state == "waiting"


def test_a_restored_value_whose_only_worker_is_killed_is_read_again(cluster, tmp_path):
    cluster.pin("frame", workers=["bob"], value=FRAME.copy())
    cluster.save("frame", to=tmp_path)
    cluster.release("frame")
    eventually(lambda: not cluster.client.who_has())
    cluster.restore(from_=tmp_path)
    os.kill(cluster.submit(os.getpid, workers="bob").result(), signal.SIGKILL)
    eventually(lambda: cluster.placement()["frame"].holders != ["bob"])
    eventually(lambda: cluster.placement()["frame"].holders == ["bob"])
    pd.testing.assert_frame_equal(cluster.gather("frame"), FRAME)


def test_a_folder_is_replaced_when_that_is_asked_for_and_what_is_there_is_not_written_again(cluster, tmp_path):
    place(cluster)
    cluster.save("big", "frame", to=tmp_path)
    first = {file.name: file.stat().st_mtime_ns for file in images(tmp_path)}
    with pytest.raises(InputError, match="has big, frame, saved on"):
        cluster.save("parts", to=tmp_path)
    cluster.save("big", "parts", to=tmp_path, overwrite=True)
    second = {file.name: file.stat().st_mtime_ns for file in images(tmp_path)}
    assert len(first.items() & second.items()) == 1
    assert len(first) == 2
    with pytest.raises(UnknownVariableError, match="frame"):
        cluster.restore("frame", from_=tmp_path)


def test_the_notebooks_value_is_not_stale_if_it_is_what_was_saved(cluster, tmp_path):
    namespace = {"frame": FRAME, "parts": PARTS, "big": BIG[::2]}
    cluster.placer.note_rebound(namespace)
    place(cluster)
    cluster.save("frame", "parts", "big", to=tmp_path, stale=True)
    cluster.release("frame", "parts", "big")
    cluster.restore(from_=tmp_path)
    cluster.placer.note_rebound(namespace)
    assert {name for name, state in cluster.placement().items() if state.stale} == {"big"}
    cluster.placer.note_rebound({})


def test_equal_contents_are_written_once(cluster, tmp_path):
    cluster.broadcast(BIG, name="one")
    cluster.pin("two", workers=["bob"], value=BIG.copy())
    cluster.save(to=tmp_path)
    assert sum(file.stat().st_size for file in images(tmp_path)) < 1.1 * BIG.nbytes
    cluster.release("one", "two")
    cluster.restore(from_=tmp_path)
    np.testing.assert_array_equal(cluster.gather("two"), BIG)


def test_what_is_placed_already_is_replaced_when_that_is_asked_for(cluster, tmp_path):
    cluster.broadcast(FRAME, name="x")
    cluster.save(to=tmp_path)
    assert cluster.restore(from_=tmp_path) == ["x"]  # it is the same
    cluster.broadcast(PARTS[0], name="x")
    with pytest.raises(InputError, match="x is placed already"):
        cluster.restore(from_=tmp_path)
    np.testing.assert_array_equal(cluster.gather("x"), PARTS[0])
    cluster.restore(from_=tmp_path, overwrite=True)
    pd.testing.assert_frame_equal(cluster.gather("x"), FRAME)


def test_what_has_changed_in_the_notebook_is_saved_when_that_is_asked_for(cluster, tmp_path):
    value = np.arange(50_000)
    cluster.broadcast(value, name="x")
    value[0] = -1
    with pytest.raises(StaleError, match="x has changed"):
        cluster.save("x", to=tmp_path)
    assert not images(tmp_path)
    cluster.save("x", to=tmp_path, stale=True)
    cluster.release("x")
    cluster.restore(from_=tmp_path)
    np.testing.assert_array_equal(cluster.gather("x"), np.arange(50_000))


def test_what_tasks_have_written_is_saved_and_not_taken_for_what_is_there(cluster, tmp_path):
    cluster.pin("w", workers=["bob"], value=np.zeros(50_000), writable=True)

    def add(array):
        array += 1

    cluster.submit(add, cluster["w"].future, workers="bob").result()
    cluster.save("w", to=tmp_path)
    with pytest.raises(InputError, match="may have been written to"):
        cluster.restore(from_=tmp_path)
    cluster.release("w")
    eventually(lambda: not cluster.client.who_has())
    cluster.restore(from_=tmp_path)
    assert cluster.gather("w").sum() == 50_000
    cluster.submit(add, cluster["w"].future, workers="bob").result()


@pytest.mark.parametrize("damage", ["a bit", "the end", "the file"])
def test_what_is_damaged_is_told_and_nothing_is_placed(cluster, tmp_path, damage):
    place(cluster)
    cluster.save("frame", "big", to=tmp_path)
    cluster.release("frame", "big")
    eventually(lambda: not {"frame", "big"} & {*cluster})
    file = max(images(tmp_path), key=lambda file: file.stat().st_size)
    content = bytearray(file.read_bytes())
    content[10_000] ^= 1
    if damage == "the file":
        file.unlink()
    else:
        file.chmod(0o600)
        file.write_bytes(content if damage == "a bit" else content[:-10])
    with pytest.raises(SaveError, match=r"big cannot be restored from .*(changed|ends early|No such file)"):
        cluster.restore(from_=tmp_path)
    assert not {"frame", "big"} & {*cluster}
    cluster.restore("frame", from_=tmp_path)
    pd.testing.assert_frame_equal(cluster.gather("frame"), FRAME)


@as_root
@pytest.mark.parametrize("whose", [NAME, "*.images"])
def test_files_of_others_are_taken_when_they_are_trusted(cluster, tmp_path, whose):
    cluster.broadcast(FRAME, name="x")
    cluster.save(to=tmp_path)
    cluster.release("x")
    eventually(lambda: not cluster.client.who_has())
    (file,) = tmp_path.glob(whose)
    os.chown(file, 1234, 1234)
    with pytest.raises(SaveError, match="belongs to user 1234"):
        cluster.restore(from_=tmp_path)
    os.chown(file, os.getuid(), os.getgid())
    file.chmod(0o666)
    with pytest.raises(SaveError, match="others can write to it"):
        cluster.restore(from_=tmp_path)
    cluster.restore(from_=tmp_path, trust=True)
    pd.testing.assert_frame_equal(cluster.gather("x"), FRAME)


def test_files_are_for_their_user_alone(cluster, tmp_path):
    cluster.broadcast(FRAME, name="x")
    cluster.save(to=tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "new").iterdir()}
    assert modes.pop(NAME) == 0o600
    assert set(modes.values()) == {0o400}  # values are mapped from them


def test_a_store_that_is_no_folder_of_this_machine_has_to_be_trusted(cluster, tmp_path):
    url, options = "dir://saved", {"path": str(tmp_path), "target_protocol": "file"}
    place(cluster)
    cluster.save(to=url, storage_options=options)
    assert (tmp_path / "saved" / NAME).exists()
    cluster.release("big", "frame", "parts", "table")
    eventually(lambda: not cluster.client.who_has())
    with pytest.raises(SaveError, match="no telling who wrote"):
        cluster.restore(from_=url, storage_options=options)
    cluster.restore(from_=url, trust=True, storage_options=options)
    check(cluster)


@pytest.mark.parametrize("url", ["nothing-like-it://x", "s3://bucket"])
def test_a_place_that_cannot_be_written_to_is_refused(cluster, url):
    cluster.broadcast(FRAME, name="x")
    with pytest.raises(InputError, match="cannot be reached from here"):
        cluster.save(to=url)


def test_nothing_saved_and_nothing_placed_are_told(cluster, tmp_path):
    with pytest.raises(InputError, match="Nothing has been saved"):
        cluster.restore(from_=tmp_path)
    with pytest.raises(InputError, match="nothing to save"):
        cluster.save(to=tmp_path)


@as_root
def test_a_full_disk_leaves_the_last_save_whole(cluster, tmp_path):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("needs to mount a small file system")
    try:
        cluster.broadcast(FRAME, name="x")
        cluster.save("x", to=tmp_path)
        cluster.broadcast(BIG, name="big")
        with pytest.raises(SaveError, match="No space left"):
            cluster.save("x", "big", to=tmp_path, overwrite=True)
        assert len(list(tmp_path.iterdir())) == 2
        cluster.release("x", "big")
        assert cluster.restore(from_=tmp_path) == ["x"]
        pd.testing.assert_frame_equal(cluster.gather("x"), FRAME)
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)  # what is restored is mapped


SAVER = """
import sys, numpy as np, moorage
from distributed.security import Security
address, folder, *files = sys.argv[1:]
security = Security(tls_ca_file=files[0], tls_client_cert=files[1], tls_client_key=files[2], require_encryption=True)
cluster = moorage.attach(address, security=security)
generation = 0
while True:
    generation += 1
    for name in "abc":
        cluster.broadcast(np.full(600_000, generation + ord(name)), name=name)
    cluster.save("a", "b", "c", to=folder, overwrite=True)
    print(generation, flush=True)
"""


@pytest.mark.timeout(600)
def test_a_save_that_is_killed_at_any_moment_leaves_the_last_one_whole(cluster, tmp_path):
    folder, security = tmp_path / "save", cluster.client.security
    files = []
    for name in ("tls_ca_file", "tls_client_cert", "tls_client_key"):
        file = tmp_path / name
        file.write_text(getattr(security, name))
        files.append(file)
    rounds = 50 if os.environ.get("MOORAGE_LONG_TESTS") else 4
    random = np.random.default_rng(1)
    for _ in range(rounds):
        command = [sys.executable, "-c", SAVER, cluster.address, folder, *files]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as saver:
            assert saver.stdout.readline(), "it has not saved anything"
            try:
                saver.wait(random.uniform(0, 1.0))
            except subprocess.TimeoutExpired:
                saver.kill()
        assert cluster.restore(from_=folder, overwrite=True) == ["a", "b", "c"]
        a, b, c = cluster.gather("a", "b", "c")
        assert (a[0] + 2, a[0] + 1) == (c[0], b[0])
        assert all((array == array[0]).all() for array in (a, b, c))
        cluster.release("a", "b", "c")


@pytest.mark.parametrize("kind", ["array", "frame", "bag", "delayed"])
def test_a_collection_is_saved_part_by_part_and_put_together_again(cluster, tmp_path, kind):
    made, compute = collection(kind)
    lazy = cluster.persist(made)
    cluster.scatter(lazy, name="lazy")
    expected = compute(lazy)
    cluster.save("lazy", to=tmp_path)
    cluster.release("lazy")
    del lazy, made
    eventually(lambda: gc.collect() >= 0 and not cluster.client.who_has())  # Dask's frames are in cycles
    namespace = {}  # of a notebook, where the name is free
    cluster.placer.note_rebound(namespace)
    cluster.restore(from_=tmp_path)
    assert cluster.placement()["lazy"].nkeys == 4
    assert compute(cluster.collection("lazy")) == expected
    assert compute(namespace.pop("lazy")) == expected
    assert cluster.placement()["lazy"].holders == ["alice", "bob"]


def test_a_store_that_fails_in_its_own_way_is_told(cluster):
    cluster.broadcast(FRAME, name="x")
    with pytest.raises(InputError, match=r"cannot be reached from here.* No such file"):
        cluster.save(to="zip://a/b::/nowhere.zip")


def collection(kind):
    """Return a collection of four parts, and how to compute a number of it."""
    if kind == "array":
        return pytest.importorskip("dask.array").arange(4000, chunks=1000), lambda x: int(x.sum().compute())
    if kind == "frame":
        dd = pytest.importorskip("dask.dataframe")
        return dd.from_pandas(FRAME, npartitions=4), lambda x: (int(x.a.sum().compute()), x.divisions)
    if kind == "bag":
        return pytest.importorskip("dask.bag").range(40, npartitions=4), lambda x: int(x.sum().compute())
    return [dask.delayed(pow)(2, n, pure=False) for n in range(4)], lambda x: dask.compute(*x)

"""Two notebooks, in processes of their own, on one cluster: each sees what the other has, and keeps its own names."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys

import pytest
from dask import config

import moorage
from moorage.errors import UnknownVariableError
from moorage.model import Everywhere, OnWorkers
from tests.helpers import eventually
from tests.two_workers import empty

OTHER = """
import json, sys
import moorage

def tell(**facts):
    print(json.dumps(facts), flush=True)

cluster = moorage.attach()
tell(ready=True)
for line in sys.stdin:
    try:
        tell(value=eval(line))
    except Exception as error:
        tell(error=f"{type(error).__name__}: {error}")
cluster.close()
"""


class Other:
    """The other notebook. Runs expressions."""

    def __init__(self):
        environment = {**os.environ, "DASK_MOORAGE__OWNER": "other.ipynb"}
        command = [sys.executable, "-W", "ignore", "-c", OTHER]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._read() == {"ready": True}

    def __call__(self, expression):
        self.process.stdin.write(expression + "\n")
        self.process.stdin.flush()
        told = self._read()
        assert "error" not in told, told
        return told["value"]

    def _read(self):
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, config.set({"moorage.owner": "mine.ipynb"}):
        patch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path_factory.mktemp("kept")))
        cluster = moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="1GB", keep=True)
        yield cluster
        cluster.stop()


@pytest.fixture
def mine(kept):
    yield kept
    empty(kept)


@pytest.fixture(scope="module")
def notebook(kept):
    other = Other()
    yield other
    other.close()


@pytest.fixture
def other(mine, notebook):
    return notebook


def test_each_sees_what_the_other_has_and_whose_it_is(mine, other):
    mine.broadcast([1, 2], name="x")
    eventually(lambda: "x" in other("list(cluster)"))
    assert other("cluster.gather('x')") == [1, 2]
    assert other("cluster.placement()['x'].owner") == "mine.ipynb"
    other("cluster.pin('y', ['bob'], value={'a': 1})")
    eventually(lambda: "y" in mine)
    state = eventually(lambda: (s := mine.placement("y")["y"]).state == "held" and s)
    assert (state.owner, state.placement, state.holders) == ("other.ipynb", OnWorkers(("bob",)), ["bob"])
    assert mine.gather("y") == {"a": 1}
    assert mine.client.submit(len, mine["y"].future).result(60) == 1


def test_the_same_name_means_each_one_s_own(mine, other):
    mine.broadcast("mine", name="x")
    other("cluster.broadcast('other', name='x').key")
    eventually(lambda: sorted(mine) == ["x", "x@other.ipynb"])
    eventually(lambda: sorted(other("list(cluster)")) == ["x", "x@mine.ipynb"])
    assert mine.gather("x", "x@other.ipynb") == ("mine", "other")
    assert other("cluster.gather('x', 'x@mine.ipynb')") == ["other", "mine"]
    other("cluster.release('x')")
    eventually(lambda: sorted(mine) == ["x"])
    assert mine.gather("x") == "mine"


def test_a_change_by_one_is_seen_by_the_other(mine, other):
    mine.pin("x", ["alice"], value=1)
    changes = []
    mine.subscribe(changes.append)
    eventually(lambda: "x" in other("list(cluster)"))
    other("cluster.pin('x', ['bob'])")
    eventually(lambda: mine.placement()["x"].holders == ["bob"])
    assert mine.placement()["x"].owner == "mine.ipynb"
    assert "variables" in changes
    other("cluster.scale(3)")
    eventually(lambda: (mine.n_workers, len(mine.requested)) == (3, 3))
    mine.broadcast(2, name="y")
    assert other("len(cluster.placement()['y'].holders)") == 3
    mine.release("x")
    eventually(lambda: "x" not in other("list(cluster)"))
    mine.scale(workers=sorted({*mine.requested} - {"alice", "bob"}))


def test_each_counts_what_has_moved_since_a_moment_of_its_own(mine, other):
    def use_on_bob(seed):
        x = mine.client.submit(bytes, 1_000_000 + seed, workers=["alice"], pure=False)
        mine.client.submit(len, x, workers=["bob"], pure=False).result(60)

    before = mine.moment()
    use_on_bob(0)
    other("globals().update(moment=cluster.moment())")
    use_on_bob(1)
    assert other("cluster.transfers(moment, settle=2).nbytes") == pytest.approx(1_000_001, rel=0.01)
    assert mine.transfers(before, settle=2).nbytes == pytest.approx(2_000_001, rel=0.01)
    other("globals().pop('moment') and None")  # the other one's moment ends no count of mine
    use_on_bob(2)
    assert mine.transfers(before, settle=2).nbytes == pytest.approx(3_000_003, rel=0.01)


def test_each_runs_its_own_module_of_one_name(mine, other, tmp_path, monkeypatch):
    for who in ("mine", "other"):
        folder = tmp_path / who
        folder.mkdir()
        text = f"class Point:\n    x = {who!r}\ndef f(p):\n    return [Point.x, p.x, isinstance(p, Point)]\n"
        (folder / "one_name.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "mine"))
    monkeypatch.delitem(sys.modules, "one_name", raising=False)
    one_name = importlib.import_module("one_name")
    other(f"sys.path.insert(0, {str(tmp_path / 'other')!r})")
    theirs = "__import__('one_name')"
    for _ in range(3):
        for worker in ("alice", "bob"):
            argument = f"cluster.submit({theirs}.f, {theirs}.Point(), workers={worker!r}).result()"
            assert other(argument) == ["other", "other", True]
            assert mine.submit(one_name.f, one_name.Point(), workers=worker).result() == ["mine", "mine", True]
    for _ in range(2):  # whoever has sent code last
        other(f"cluster.pin('p', ['alice'], value={theirs}.Point())")
        mine.pin("p", ["alice"], value=one_name.Point())
        other(f"cluster.pin('q', ['alice'], value={theirs}.Point())")
        mine.pin("many", ["alice"], value=["x" * 100_000, one_name.Point()])
        for worker in ("alice", "bob"):  # where it was placed, and where it is sent on to
            for name in ("p", "q"):
                there = other(f"cluster.submit({theirs}.f, cluster[{name!r}], workers={worker!r}).result()")
                assert there == ["other", "other", True]
            assert mine.submit(one_name.f, mine["p"], workers=worker).result() == ["mine", "mine", True]
            last = mine.submit(lambda many: one_name.f(many[-1]), mine["many"], workers=worker)
            assert last.result() == ["mine", "mine", True]
        mine.release("p", "many")
        other("cluster.release('p', 'q')")
    monkeypatch.delitem(sys.modules, "one_name")


def test_what_one_leaves_behind_the_other_still_has(mine, other):  # the last of them
    other("cluster.broadcast(7, name='seven').key")
    eventually(lambda: "seven" in mine)
    other.process.kill()
    other.process.wait()
    eventually(lambda: len(mine.client.sync(mine.client.scheduler.identity)["workers"]) == 2)
    assert mine.placement()["seven"].placement == Everywhere()
    assert mine.gather("seven") == 7
    mine.release("seven")
    with pytest.raises(UnknownVariableError):
        mine.gather("seven")

"""Modules of the user in a process that is not the notebook's: each version sees its own, imports see the latest."""

import builtins
import importlib
import importlib.resources
import itertools
import pickle
import sys
import threading
import time
import traceback
import types
import zlib

import pytest

from moorage.code.manifest import Manifest
from moorage.code.text import Text
from moorage.errors import CodeError
from moorage.images.format import decode, encode, modules_of
from moorage.worker.code import versions
from moorage.worker.code.versions import MOST, Versions

_NUMBERS = itertools.count()


class Shelf(Versions):
    """Versions that have the scheduler's answers at hand."""

    def __init__(self, worker, prefix):
        super().__init__("no.notebook")
        self.worker, self.prefix = worker, prefix
        self.known, self.asked, self.serial = {}, [], 0

    def version_of(self, files=None, **sources):
        """Return the version with these modules, as a task gets it that was sent now."""
        self.serial += 1
        return self.at(self.keep(files, **sources), self.serial)

    def keep(self, files=None, **sources):
        texts = []
        for name, source in sources.items():
            name = self.prefix + name.replace("__", ".")
            package = any(
                other != name and f"{self.prefix}{other.replace('__', '.')}".startswith(f"{name}.") for other in sources
            )
            path = f"/nowhere/{name.replace('.', '/')}{'/__init__' if package else ''}.py" if source is not None else ""
            source = (source or "").replace("~", self.prefix).encode()
            texts.append(Text(name, path, source, package or bool(files), (files or {}) if package or files else {}))
        return self.keep_texts(texts)

    def keep_texts(self, texts):
        manifest = Manifest(texts)
        self.known[manifest.id] = manifest
        return manifest.id

    def at(self, id_, serial):
        return self.version(self.worker, {"id": id_, "serial": serial, "owner": "me.ipynb", "process": "another"})

    def get(self, version, name):
        return version.load(self.prefix + name)

    def _ask(self, worker, id_):
        have = self._texts
        self.asked.append(set(have))
        return have, self.answer(id_, have)

    def answer(self, id_, have):
        if id_ not in self.known:
            return {"status": "unknown", "entries": {}, "texts": {}}
        manifest = self.known[id_]
        texts = {
            text.digest: {
                "source": zlib.compress(text.source),
                "files": {name: zlib.compress(content) for name, content in text.files.items()},
            }
            for text in manifest.texts.values()
            if text.digest not in have and not text.not_sent
        }
        return {"status": "OK", "entries": manifest.entries(), "texts": texts}


@pytest.fixture
def shelf(tmp_path):
    prefix = f"far_{next(_NUMBERS)}_"
    versions = Shelf(types.SimpleNamespace(name="alice", local_directory=str(tmp_path)), prefix)
    versions.open()
    yield versions
    versions.close()
    assert [name for name in sys.modules if name.startswith(prefix)] == []


def test_imports_see_the_latest_version_and_older_code_its_own(shelf):
    old = shelf.version_of(mine="x = 1\ndef late():\n    import ~other\n    return ~other.y", other="y = 1")
    late = shelf.get(old, "mine").late
    new = shelf.version_of(mine="x = 2", other="y = 2")
    assert importlib.import_module(f"{shelf.prefix}mine") is shelf.get(new, "mine")
    assert shelf.get(new, "mine").x == 2
    assert shelf.get(old, "mine").x == 1
    assert late() == 1
    assert importlib.import_module(f"{shelf.prefix}other").y == 2


def test_a_task_that_was_sent_before_does_not_bring_the_old_version_back(shelf):
    first, second = shelf.keep(mine="x = 1"), shelf.keep(mine="x = 2")
    shelf.at(second, 2)
    assert shelf.get(shelf.at(first, 1), "mine").x == 1
    assert importlib.import_module(f"{shelf.prefix}mine").x == 2
    shelf.at(first, 3)  # the user has gone back to it
    assert importlib.import_module(f"{shelf.prefix}mine").x == 1


def test_what_did_not_change_keeps_its_state(shelf):
    old = shelf.version_of(state="import functools\nseen = []", mine="import ~state\nx = 1", other="import ~mine")
    shelf.get(old, "state").seen.append("kept")
    shelf.get(old, "other")
    new = shelf.version_of(state="import functools\nseen = []", mine="import ~state\nx = 2", other="import ~mine")
    assert shelf.get(new, "mine").x == 2
    assert shelf.get(new, "state") is shelf.get(old, "state")
    assert shelf.get(new, "other") is not shelf.get(old, "other")
    assert vars(shelf.get(new, "other"))[f"{shelf.prefix}mine"].x == 2


def test_only_what_is_new_is_asked_for(shelf):
    shelf.version_of(mine="x = 1", same="")
    shelf.version_of(mine="x = 2", same="")
    shelf.version_of(mine="x = 2", same="")
    assert [len(have) for have in shelf.asked] == [0, 2]


def test_a_package_with_relative_and_circular_imports(shelf):
    version = shelf.version_of(
        pkg="from . import a\nfrom .b import name as b_name\n__all__ = ['a', 'lazy']",
        pkg__a="from . import b\nfrom .b import name",
        pkg__b="import ~pkg.a\nfrom ~pkg import a as me\nname = __name__",
        pkg__lazy="x = 1",
        top="from ~pkg import *\nfrom ~pkg.lazy import x",
    )
    top = shelf.get(version, "top")
    assert top.a.name == f"{shelf.prefix}pkg.b"
    assert top.lazy.x == top.x == 1
    assert shelf.get(version, "pkg.b").me is shelf.get(version, "pkg").a
    assert shelf.get(version, "pkg").__path__
    with pytest.raises(ModuleNotFoundError):
        version.import_(f"{shelf.prefix}pkg.missing")


def test_python_imports_parts_of_packages_as_usual(shelf):
    version = shelf.version_of(pkg="", pkg__sub="x = 1", space=None, space__mine="x = 2")
    assert importlib.import_module(f"{shelf.prefix}pkg.sub") is shelf.get(version, "pkg").sub
    assert importlib.import_module(f"{shelf.prefix}space.mine").x == 2
    assert importlib.reload(sys.modules[f"{shelf.prefix}pkg.sub"]).x == 1


def test_dataclasses_enums_and_type_hints_find_their_module(shelf):
    version = shelf.version_of(
        mine="from __future__ import annotations\nimport dataclasses, enum, typing\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int = dataclasses.field(default=1)\n"
        "    n: dataclasses.InitVar[int] = 0\n"
        "Color = enum.Enum('Color', 'red blue')\nhints = typing.get_type_hints(Point)"
    )
    mine = shelf.get(version, "mine")
    assert mine.Point() == mine.Point(1)
    assert mine.hints["x"] is int
    assert version.find(f"{shelf.prefix}mine", "Color.red") is mine.Color.red


def test_data_files_are_found_beside_the_package_and_gone_afterwards(shelf, tmp_path):
    files = {"table.csv": b"1,2", "deep/more.csv": b"3"}
    version = shelf.version_of(files, pkg="import os\nhere = os.path.dirname(__file__)")
    pkg = shelf.get(version, "pkg")
    assert (importlib.resources.files(pkg) / "deep" / "more.csv").read_bytes() == b"3"
    assert importlib.resources.files(f"{shelf.prefix}pkg").joinpath("table.csv").read_text() == "1,2"
    with open(f"{pkg.here}/table.csv") as file:
        assert file.read() == "1,2"
    assert pkg.here.startswith(str(tmp_path))
    shelf.close()
    shelf.open()
    assert list(tmp_path.iterdir()) == []


def test_beside_data_files_a_module_is_found_that_is_not_of_the_version_and_lies_in_the_same_folder(shelf, tmp_path):
    name = f"{shelf.prefix}pkg"
    (tmp_path / "notebook" / name).mkdir(parents=True)
    (tmp_path / "notebook" / name / "other.py").write_text("x = 7")
    path = str(tmp_path / "notebook" / name / "__init__.py")
    version = shelf.at(shelf.keep_texts([Text(name, path, b"", True, {"table.csv": b"1,2"})]), 1)
    assert importlib.resources.files(shelf.get(version, "pkg")).joinpath("table.csv").read_text() == "1,2"
    assert importlib.import_module(f"{name}.other").x == 7
    del sys.modules[f"{name}.other"]  # it is the worker's own


@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out.txt"])
def test_nothing_is_written_outside_the_workers_own_folder(shelf, name, tmp_path):
    version = shelf.version_of({name: b"x"}, pkg="")
    with pytest.raises(ValueError, match="outside"):
        shelf.get(version, "pkg")
    assert not list(tmp_path.rglob("out.txt"))


@pytest.mark.parametrize("name", ["random", "json"])
def test_names_of_python_are_refused_here_too(shelf, name):
    version = shelf.at(shelf.keep_texts([Text(name, f"/x/{name}.py", b"x = 1")]), 1)
    with pytest.raises(CodeError, match=name):
        version.load(name)
    assert not hasattr(importlib.import_module(name), "x")
    not_sent = Text(name, f"/x/{name}.py", not_sent="why", file_digest="f" * 32)
    with pytest.raises(CodeError, match="Give yours another name"):
        shelf.at(shelf.keep_texts([not_sent]), 2).load(name)


def test_a_package_that_others_use_is_not_replaced(shelf):
    version = shelf.at(shelf.keep_texts([Text("pytest", "/x/pytest.py", b"x = 1")]), 1)
    with pytest.raises(CodeError, match="Give yours another name") as raised:
        version.load("pytest")
    assert "Worker alice" in str(raised.value)
    assert "me.ipynb" in str(raised.value)
    assert sys.modules["pytest"] is pytest


def test_text_that_is_damaged_is_not_run(shelf, monkeypatch):
    id_ = shelf.keep(mine="x = 1")
    (text,) = shelf.known[id_].texts.values()
    monkeypatch.setitem(vars(text), "source", b"x = 2")
    vars(text)["digest"] = "0" * 32
    with pytest.raises(CodeError, match="damaged"):
        shelf.get(shelf.at(id_, 1), "mine")


def test_what_is_not_sent_has_to_be_the_same_file(shelf, tmp_path, monkeypatch):
    from hashlib import blake2b

    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"{shelf.prefix}fast"
    (tmp_path / f"{name}.py").write_text("x = 1")
    digest = blake2b(b"x = 1", digest_size=16).hexdigest()
    same = Text(name, "/x/fast.so", not_sent="it is compiled", file_digest=digest)
    assert shelf.at(shelf.keep_texts([same]), 1).load(name).x == 1
    other = Text(name, "/x/fast.so", not_sent="it is compiled", file_digest="f" * 32)
    with pytest.raises(CodeError, match="it is compiled") as raised:
        shelf.at(shelf.keep_texts([other]), 2).load(name)
    assert digest[:8] in str(raised.value)
    assert "ffffffff" in str(raised.value)
    missing = Text(f"{name}_missing", "/x/fast.so", not_sent="it is compiled", file_digest=digest)
    with pytest.raises(CodeError, match="does not have it"):
        shelf.at(shelf.keep_texts([missing]), 3).load(missing.name)
    del sys.modules[name]


def test_a_version_that_nobody_has_is_an_error_with_both(shelf):
    current = shelf.version_of(mine="x = 1")
    with pytest.raises(CodeError) as raised:
        shelf.at("a" * 32, 2)
    assert "Worker alice" in str(raised.value)
    assert "aaaaaaaa" in str(raised.value)
    assert current.id[:8] in str(raised.value)


def test_images_are_read_in_the_versions_that_they_were_written_in(shelf):
    point = "class Point: x = {}"
    versions = [shelf.version_of(mine=point.format(number), other="y = 1") for number in (1, 2)]
    name = f"{shelf.prefix}mine"
    for number, version in enumerate(versions, 1):
        image = encode([version.find(name, "Point")(), version.load(f"{shelf.prefix}other")], place=shelf.place_of)
        assert modules_of(image.stream)[name] == version.entries[name]["deep"]
        read, module = decode(image.stream, (), shelf.find_of(modules_of(image.stream)))
        assert type(read) is version.find(name, "Point")
        assert (read.x, module.y) == (number, 1)
    both = [version.find(name, "Point") for version in versions]
    with pytest.raises(pickle.PicklingError, match="two versions"):
        encode(both, place=shelf.place_of)


def test_what_a_module_raises_is_raised_with_its_lines_and_nothing_is_left(shelf):
    version = shelf.version_of(mine="x = 1\n1 / 0  # here")
    with pytest.raises(ZeroDivisionError) as raised:
        shelf.get(version, "mine")
    assert "1 / 0  # here" in "".join(traceback.format_exception(raised.value))
    assert f"{shelf.prefix}mine" not in sys.modules
    assert shelf.get(shelf.version_of(mine="x = 2"), "mine").x == 2


def test_another_thread_never_sees_a_module_half_way(shelf):
    version = shelf.version_of(mine="import time\ntime.sleep(0.2)\nx = 1")
    found = []
    threads = [threading.Thread(target=lambda: found.append(shelf.get(version, "mine").x)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1, 1, 1, 1]


def test_a_version_waits_for_an_import_of_another_and_not_for_ever(shelf, monkeypatch):
    monkeypatch.setattr(versions, "LONGEST_IMPORT", 0.05)
    gate = types.SimpleNamespace(entered=threading.Event(), go_on=threading.Event())
    monkeypatch.setattr(builtins, "gate", gate, raising=False)
    slow = shelf.version_of(slow="gate.entered.set()\ngate.go_on.wait(30)")
    importing = threading.Thread(target=shelf.get, args=(slow, "slow"))
    importing.start()
    gate.entered.wait(30)
    with pytest.raises(CodeError, match=f"importing {shelf.prefix}slow"):
        shelf.version_of(other="x = 1")
    gate.go_on.set()
    importing.join()
    assert shelf.get(shelf.version_of(other="x = 1"), "other").x == 1


def test_what_imports_a_module_by_itself_waits_until_another_thread_has_loaded_it(shelf):
    mine = f"{shelf.prefix}mine"
    version = shelf.version_of(mine="import ~other\nx = ~other.x", other="import time\ntime.sleep(0.2)\nx = 1")
    found = []
    loading = threading.Thread(target=lambda: found.append(shelf.get(version, "mine").x))
    loading.start()
    while mine not in sys.modules:
        time.sleep(0)
    found += [importlib.import_module(name).x for name in (mine, f"{shelf.prefix}other")]
    loading.join()
    assert found == [1, 1, 1]


def test_modules_that_import_each_other_are_loaded_by_two_threads_at_once(shelf):
    text = "import time\ntime.sleep(0.05)\nimport ~{}\nx = 1"
    version = shelf.version_of(mine=text.format("other"), other=text.format("mine"))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(shelf.get(version, "mine").x)),
        threading.Thread(target=lambda: found.append(importlib.import_module(f"{shelf.prefix}other").x)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [1, 1]


def test_old_versions_are_let_go_and_come_again(shelf):
    ids = [shelf.keep(mine=f"x = {number}") for number in range(2 * MOST)]
    for serial, id_ in enumerate(ids, 1):
        shelf.get(shelf.at(id_, serial), "mine")
    assert len(shelf._versions) <= MOST + 1
    assert shelf.get(shelf.at(ids[0], 1), "mine").x == 0


def test_code_sees_the_built_in_functions_that_the_process_has_now(shelf, monkeypatch):
    version = shelf.version_of(mine="def f(): return far_display")
    f = shelf.get(version, "mine").f
    for number in range(2):
        monkeypatch.setattr(builtins, "far_display", number, raising=False)
        version.see_builtins()
        assert f() == number


def test_a_task_finds_its_version_within_twenty_microseconds(shelf):
    id_ = shelf.keep(mine="x = 1")
    wanted = {"id": id_, "serial": 1, "owner": "me.ipynb", "process": "another"}
    shelf.version(shelf.worker, wanted)
    seconds = []
    for _ in range(200):
        begin = time.perf_counter()
        shelf.version(shelf.worker, wanted).see_builtins()
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 20e-6

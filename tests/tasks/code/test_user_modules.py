"""Modules of the user: what runs on workers is what the notebook runs, after every edit and on every newcomer."""

import importlib
import itertools
import os
import signal
import sys
import time
import types

import pytest

import moorage
from moorage.errors import CodeError, InputError, UnknownWorkerError
from moorage.kernel.code import following
from moorage.tasks.options import Options
from tests.helpers import eventually, restart_worker

_NUMBERS = itertools.count()


class Modules:
    """The user's modules, in a folder that workers do not have on their path."""

    def __init__(self, folder):
        self.folder = folder
        self.prefix = f"mine_{next(_NUMBERS)}_"

    def write(self, name, source):
        path = self.folder / f"{self.prefix}{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(source.replace("~", self.prefix))

    def load(self, name, source):
        """Import a module, or reload it, with this source; return it."""
        self.write(name, source)
        return self.again(name)

    def again(self, name):
        full = self.prefix + name
        importlib.invalidate_caches()
        return importlib.reload(sys.modules[full]) if full in sys.modules else importlib.import_module(full)


@pytest.fixture
def modules(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Modules(tmp_path)
    yield found
    for name in [name for name in sys.modules if name.startswith(found.prefix)]:
        del sys.modules[name]
    following.of_process()._asked -= {name for name in following.of_process()._asked if name.startswith(found.prefix)}


def everywhere(cluster, function):
    return set(cluster.submitter.each(function).gather(30).values())


def test_workers_need_not_have_the_file(cluster, modules):
    mine = modules.load("mine", "def f(): return 1")
    assert cluster.submit(mine.f).result() == 1
    assert cluster.map(lambda i: mine.f() + i, range(4)).gather() == [1, 2, 3, 4]
    assert everywhere(cluster, mine.f) == {1}


def test_an_edit_and_a_reload_run_everywhere_at_once(cluster, modules):
    for number in range(6):
        mine = modules.load("mine", f"def f(): return {number}")
        assert set(cluster.map(lambda i, mine=mine: mine.f(), range(8)).gather()) == {number}
        assert cluster.submit(mine.f).result() == number
        assert everywhere(cluster, mine.f) == {number}


def test_the_same_call_after_an_edit_is_another_task(cluster, modules):
    first = cluster.submit(modules.load("mine", "def f(): return 1").f)
    second = cluster.submit(modules.load("mine", "def f(): return 2").f)
    again = cluster.submit(modules.again("mine").f)
    assert (first.result(), second.result(), again.result()) == (1, 2, 2)
    assert second.key == again.key != first.key


def test_what_was_saved_and_not_reloaded_does_not_run(cluster, modules, capsys):
    mine = modules.load("mine", "def f(): return 1")
    assert cluster.submit(mine.f).result() == 1
    modules.write("mine", "def f(): return 'saved'")
    cluster.broadcast(mine.f, name="f")  # looks as well, and has nobody to tell
    assert "not reloaded" in repr(cluster.sync())
    assert cluster.submit(mine.f, pure=False).result() == 1
    assert "importlib.reload" in capsys.readouterr().out
    modules.again("mine")
    assert "not reloaded" not in repr(cluster.sync())


def test_code_that_imports_when_it_runs_gets_the_same_version(cluster, modules):
    for number in range(3):
        modules.load("mine", f"def f(): return {number}")
        modules.load("user", "def f():\n    import ~mine\n    return ~mine.f()")
        name = f"{modules.prefix}mine"
        source = f"import {name}\n{name}.f()"
        assert cluster.submitter.cell(source, {}).result() == number
        assert cluster.submitter.cell_map(source, "i", "range(4)", {}).gather() == [number] * 4
        assert cluster.submit(sys.modules[f"{modules.prefix}user"].f, pure=False).result() == number
        assert cluster.submit(lambda name: __import__(name).f(), name, pure=False).result() == number


def test_a_cell_may_import_what_the_notebook_has_not_imported(cluster, modules):
    name = f"{modules.prefix}late"
    for number in range(3):
        modules.write("late", f"from ~later import f\nx = {number}")
        modules.write("later", f"def f(): return {number}")
        assert cluster.submitter.cell(f"from {name} import f, x\nf(), x", {}).result() == (number, number)
    assert name not in sys.modules


def test_parts_of_packages_are_there_that_only_the_notebook_has_imported(cluster, modules):
    modules.load("pkg.__init__", "")
    part = modules.load("pkg.part", "def f(): return 5")
    package = sys.modules[f"{modules.prefix}pkg"]
    namespace = {"pkg": package}
    assert cluster.submitter.cell("pkg.part.f()", namespace).result() == 5
    assert cluster.submitter.cell("[pkg.part.f() for _ in range(2)]", namespace).result() == [5, 5]
    assert cluster.submit(lambda: [pkg.part.f() for pkg in [package] * 2]).result() == [5, 5]
    assert cluster.submit(lambda: (lambda: package.part)().f()).result() == 5
    assert part.f() == 5


def test_a_loop_under_way_ends_with_the_code_it_began_with(cluster, modules, tmp_path):
    gate = tmp_path / "gate"
    source = "import os, time\ndef wait(i, gate):\n    while not os.path.exists(gate):\n        time.sleep(0.02)\n"
    mine = modules.load("mine", source + "    import ~helper\n    return ~helper.x")
    modules.load("helper", "x = 1")
    running = cluster.map(mine.wait, range(12), gate=str(gate), batch_size=1)
    eventually(lambda: running.progress.running)
    modules.load("helper", "x = 2")
    mine = modules.load("mine", source + "    import ~helper\n    return -~helper.x")
    after = cluster.map(mine.wait, range(4), gate=str(gate), batch_size=1)
    gate.touch()
    assert set(after.gather()) == {-2}
    assert set(running.gather()) == {1}


def test_what_dask_itself_loads_on_workers_is_what_tasks_have_run_last(cluster, modules):
    for number in range(3):
        mine = modules.load("mine", f"def f(): return {number}")
        everywhere(cluster, mine.f)
        assert set(cluster.client.run(mine.f).values()) == {number}


def test_what_plain_dask_sends_runs_the_newest_too(cluster, modules):
    cluster.client.run_on_scheduler(lambda path: sys.path.append(path), str(modules.folder))  # it looks functions up
    for number in range(3):
        mine = modules.load("mine", f"def f(i): return {number}")
        assert cluster.client.submit(mine.f, 0, pure=False).result() == number
        assert set(cluster.client.gather(cluster.client.map(mine.f, range(4), pure=False))) == {number}


def test_a_worker_that_restarts_has_the_newest(cluster, modules):
    for number in range(2):
        mine = modules.load("mine", f"def f(): return {number}")
        assert cluster.submit(mine.f, workers=["alice"]).result() == number
        restart_worker(cluster.client, "alice")
        assert cluster.submit(mine.f, workers=["alice"], pure=False).result() == number


def test_classes_are_the_same_for_cells_arguments_and_results(cluster, modules):
    mine = modules.load(
        "mine",
        "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass Point:\n    x: int = 0\n"
        "def move(p):\n    assert isinstance(p, Point)\n    return Point(p.x + 1)",
    )
    point = mine.Point(1)
    assert cluster.submit(mine.move, point).result() == mine.Point(2)
    assert cluster.map(mine.move, [point, mine.Point(5)]).gather() == [mine.Point(2), mine.Point(6)]
    first = cluster.submit(mine.move, point)
    assert cluster.submit(mine.move, first, workers=["bob"]).result() == mine.Point(3)
    cluster.pin("point", workers=["alice"], value=point)
    assert cluster.submit(lambda: isinstance(point, mine.Point), workers=["alice"]).result()


def test_values_are_of_the_class_that_tasks_see_from_the_first_one_on(cluster, modules):
    for number in range(2):
        mine = modules.load("mine", f"class Point:\n    x = {number}")
        point = mine.Point()
        cluster.broadcast(point, name=f"point{number}")
        seen = everywhere(cluster, lambda point=point, mine=mine: (type(point) is mine.Point, point.x))
        assert seen == {(True, number)}


def test_a_placed_value_of_a_class_that_has_changed_is_told_of(cluster, modules, capsys):
    mine = modules.load("mine", "class Point:\n    x = 1")
    point = mine.Point()
    cluster.pin("point", workers=["alice"], value=point)
    assert cluster.submit(lambda: point.x, workers=["alice"]).result() == 1
    mine = modules.load("mine", "class Point:\n    x = 2")
    told = []
    report = Options(workers=("alice",), on_report=told.append)
    assert cluster.submitter.submit(lambda: (point.x, isinstance(point, mine.Point)), (), {}, report).result() == (
        1,
        False,
    )
    eventually(lambda: "before its module changed" in repr(told))


@pytest.mark.parametrize("held", [lambda p: [0, {"a": (p,)}], lambda p: types.SimpleNamespace(p=p)])
def test_a_placed_value_that_holds_objects_of_a_class_that_has_changed_is_told_of(cluster, modules, held):
    for number in range(2):  # after each edit
        mine = modules.load("mine", f"class Point:\n    x = {2 * number}")
        there = held(mine.Point())
        cluster.pin("there", workers=["alice"], value=there)
        mine = modules.load("mine", f"class Point:\n    x = {2 * number + 1}")
        told = []
        report = Options(workers=("alice",), on_report=told.append)
        task = cluster.submitter.submit(lambda there, mine=mine: (there, mine.Point) == 0, (there,), {}, report)
        assert task.result() is False
        eventually(lambda told=told: "before its module changed" in repr(told))


def test_a_newcomer_knows_the_modules_before_it_is_asked_for_anything(cluster, modules):
    name = f"{modules.prefix}mine"
    for number in range(2):
        mine = modules.load("mine", f"def f(): return {number}")
        cluster.broadcast(number, name="number")
        restart_worker(cluster.client, "bob")
        assert set(cluster.client.run(lambda: __import__(name).f()).values()) == {number}
    assert mine.f() == 1


def test_a_cache_keeps_what_it_has_while_its_module_is_the_same(cluster, modules):
    cached = modules.load(
        "cached", "import functools, os\n@functools.cache\ndef once(): return os.urandom(8)\ndef f(): return once()"
    )
    value = cluster.submit(cached.f, workers=["alice"]).result()
    mine = modules.load("mine", "import ~cached\ndef f(): return ~cached.f()")
    assert cluster.submit(mine.f, workers=["alice"]).result() == value
    modules.load("cached", "def f(): return 'new'")
    assert cluster.submit(modules.again("mine").f, workers=["alice"]).result() == "new"


def test_data_beside_a_package_comes_along(cluster, modules):
    modules.write("pkg.__init__", "")
    (modules.folder / f"{modules.prefix}pkg" / "table.csv").write_text("1,2")
    modules.write(
        "pkg.read",
        "import importlib.resources, pathlib\ndef f():\n"
        "    here = pathlib.Path(__file__).parent / 'table.csv'\n"
        "    return importlib.resources.files(__package__).joinpath('table.csv').read_text(), here.read_text()",
    )
    importlib.invalidate_caches()
    read = importlib.import_module(f"{modules.prefix}pkg.read")
    assert cluster.submit(read.f).result() == ("1,2", "1,2")


def test_sync_says_what_each_worker_has(cluster, modules):
    name = f"{modules.prefix}mine"
    modules.load("mine", "def f(): return 1")
    state = cluster.sync()
    assert state.modules[name] == {"alice": "same", "bob": "same"}
    assert f"{name}: same on all 2 workers" in repr(state)
    assert set(cluster.client.run(lambda: __import__(name).f()).values()) == {1}


def test_an_installed_package_follows_if_it_is_named(cluster, modules):
    site = modules.folder / "site-packages"
    site.mkdir()
    package = f"{modules.prefix}installed"
    (site / f"{package}.py").write_text("def f(): return 1")
    sys.path.insert(0, str(site))
    try:
        installed = importlib.import_module(package)
        assert package not in cluster.sync().modules
        assert cluster.sync(package).modules[package] == {"alice": "same", "bob": "same"}
        assert cluster.submit(installed.f).result() == 1
        (site / f"{package}.py").write_text("def f(): return 2")
        importlib.reload(installed)
        assert cluster.submit(installed.f).result() == 2
    finally:
        sys.path.remove(str(site))


@pytest.mark.parametrize("name", ["nothing_of_the_kind", "numpy", "distributed", "os", "moorage"])
def test_what_cannot_follow_by_name_is_refused(cluster, name):
    with pytest.raises(InputError, match=name):
        cluster.sync(name)


def test_variables_of_the_environment_go_to_workers_and_to_newcomers(cluster, monkeypatch):
    monkeypatch.setenv("MOORAGE_TEST_TOKEN", "abc")
    cluster.sync(env=["MOORAGE_TEST_TOKEN"])
    restart_worker(cluster.client, "bob")
    assert set(cluster.client.run(os.getenv, "MOORAGE_TEST_TOKEN").values()) == {"abc"}
    with pytest.raises(InputError, match="MOORAGE_NO_SUCH"):
        cluster.sync(env=["MOORAGE_NO_SUCH"])


def test_workers_restart_one_by_one_and_what_is_placed_stays(cluster, data):
    cluster.broadcast(data, name="data")
    cluster.pin("small", workers=["alice"], value=[1, 2])
    before = cluster.client.run(os.getpid)
    told = []
    cluster.restart_workers(on_progress=lambda n, of: told.append((n, of)))
    assert told == [(1, 2), (2, 2)]
    assert set(cluster.client.run(os.getpid).values()).isdisjoint(before.values())
    states = cluster.placement()
    assert (states["data"].holders, states["small"].holders) == (["alice", "bob"], ["alice"])
    with pytest.raises(UnknownWorkerError):
        cluster.restart_workers(["carol"])


def test_a_module_that_cannot_follow_says_so_before_it_runs(cluster, modules):
    import dask

    source = "x = '" + "y" * 2000 + "'\ndef f(): return 1"
    with dask.config.set({"moorage.code.limit": "1kB"}):
        mine = modules.load("mine", source)
        with pytest.raises(CodeError, match=r"moorage\.code\.limit") as raised:
            cluster.submit(mine.f, workers=["alice"]).result()
    assert "alice" in str(raised.value)
    assert f"{modules.prefix}mine" in str(raised.value)


def test_modules_see_what_tasks_have_among_the_built_in_functions(cluster, modules):
    mine = modules.load("mine", "def f(): return callable(display), len([print])")
    assert cluster.submit(mine.f).result() == (True, 1)


def test_an_error_in_the_users_module_shows_its_line(cluster, modules):
    mine = modules.load("mine", "def f():\n    return 1 / 0  # the line")
    with pytest.raises(ZeroDivisionError) as raised:
        cluster.submit(mine.f).result()
    frame = raised.traceback[-1]
    assert (frame.path.name, frame.lineno) == (f"{modules.prefix}mine.py", 1)


def test_an_error_of_an_import_shows_the_users_lines_only(cluster, modules):
    modules.write("broken", "x = 1\n1 / 0")
    with pytest.raises(ZeroDivisionError) as raised:
        cluster.submitter.cell(f"import {modules.prefix}broken", {}).result()
    assert [os.path.basename(frame.path) for frame in raised.traceback][-2:] == [
        "<cell>",
        f"{modules.prefix}broken.py",
    ]


def test_fifty_modules_are_everywhere_within_a_second_of_an_edit(cluster, modules):
    for number in range(50):
        modules.write(f"m{number}", f"import ~m{(number + 1) % 50}\nx = 1\n" + "# a comment of some length\n" * 150)
    modules.write("m0", "import ~m1\ndef f(): return 0")
    importlib.invalidate_caches()
    importlib.import_module(f"{modules.prefix}m0")
    mine = modules.again("m0")
    assert everywhere(cluster, mine.f) == {0}
    seconds = []
    for number in range(1, 5):
        modules.write("m0", f"import ~m1\ndef f(): return {number}")
        begin = time.perf_counter()
        mine = modules.again("m0")
        assert everywhere(cluster, mine.f) == {number}
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 1


def test_only_the_newest_code_through_edits_kills_and_newcomers(modules):
    with moorage.start(n_workers=2, threads_per_worker=2, memory_limit="1GB") as cluster:
        for number in range(12):
            mine = modules.load("mine", f"def f(): return {number}")
            if number % 4 == 1:
                cluster.scale(3)
            elif number % 4 == 2:
                pid = next(iter(cluster.client.run(os.getpid).values()))
                os.kill(pid, signal.SIGKILL)
            elif number % 4 == 3:
                cluster.scale(2)
            assert set(cluster.map(lambda i, mine=mine: mine.f(), range(16), batch_size=1).gather()) == {number}
            assert cluster.submit(mine.f).result() == number

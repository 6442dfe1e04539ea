"""The user's modules are taken as the notebook runs them, whatever their files say."""

import importlib
import os
import py_compile
import sys

import pytest

from moorage.errors import MoorageError


def test_what_was_imported_is_taken_and_what_is_installed_is_not(modules):
    modules.write("mine", "x = 1")
    modules.load("mine")
    assert modules.says("mine") == "x = 1"
    everything = modules.following.manifest().texts
    assert not {"pytest", "os", "numpy", "moorage", "moorage.errors", "__main__"} & everything.keys()


def test_a_reload_is_taken_at_once_also_within_a_second_and_of_the_same_size(modules):
    path = modules.write("mine", "x = 1")
    module = modules.load("mine")
    for number in range(2, 8):
        before = os.stat(path)
        path.write_text(f"x = {number}")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # a clock that is no finer than this
        importlib.reload(module)
        assert (module.x, modules.says("mine")) == (number, f"x = {number}")


def test_what_was_saved_and_not_reloaded_is_said_once_and_not_taken(modules):
    path = modules.write("mine", "x = 1")
    modules.load("mine")
    modules.texts()
    path.write_text("x = 22")
    assert modules.says("mine") == modules.says("mine") == "x = 1"
    (notice,) = modules.notices
    assert path.name in notice
    assert f"importlib.reload({modules.name('mine')})" in notice


def test_a_file_that_is_touched_or_deleted_changes_nothing(modules):
    path = modules.write("mine", "x = 1")
    modules.load("mine")
    modules.texts()
    os.utime(path, ns=(1, 1))
    assert modules.says("mine") == "x = 1"
    path.unlink()
    assert modules.says("mine") == "x = 1"
    assert modules.notices == []


def test_a_tool_that_writes_into_modules_is_believed(modules):
    path = modules.write("mine", "x = 1")
    modules.load("mine")
    modules.texts()
    modules.following.reloaders.append(lambda name, file: "x = 22" if file == str(path) else None)
    path.write_text("x = 22")
    assert modules.says("mine") == "x = 22"
    assert modules.notices == []


def test_a_module_that_was_imported_before_anybody_watched_is_taken_from_its_file(modules):
    modules.end()
    modules.write("mine", "x = 1")
    modules.load("mine")
    assert modules.says("mine") == "x = 1"
    path = modules.write("other", "x = 1")
    modules.load("other")
    py_compile.compile(str(path))  # as Python does then, unless it is told not to
    path.write_text("x = 22")
    assert "reload it" in modules.texts()["other"].not_sent


def test_what_code_imports_is_taken_from_its_file_before_it_has_run(modules):
    modules.write("mine", "def f():\n    import @late\n    from @pkg import sub")
    late = modules.write("late", "import @later")
    modules.write("later", "x = 1")
    modules.write("pkg.__init__", "")
    modules.write("pkg.sub", "")
    modules.write("pkg.other", "")
    modules.load("mine")
    assert modules.texts().keys() == {"mine", "late", "later", "pkg", "pkg.sub"}
    late.write_text("import os")
    assert modules.texts()["late"].source == b"import os"
    modules.load("late")
    late.write_text("import sys")
    assert modules.says("late") == "import os"


def test_what_a_task_imports_is_taken_along(modules):
    modules.write("mine", "x = 1")
    assert modules.texts() == {}
    assert modules.says("mine", "mine", "mine.f", "nothing.of.the.kind", "numpy") == "x = 1"


def test_a_module_that_is_gone_is_forgotten_and_one_that_comes_again_is_anew(modules):
    path = modules.write("mine", "x = 1")
    modules.load("mine")
    modules.texts()
    del sys.modules[modules.name("mine")]
    assert modules.texts() == {}
    path.write_text("x = 22")
    modules.load("mine")
    assert modules.says("mine") == "x = 22"


def test_data_beside_a_package_goes_with_it_and_links_that_lead_out_do_not(modules, tmp_path):
    init = modules.write("pkg.__init__", "")
    (tmp_path / "secret.txt").write_text("secret")
    (init.parent / "table.csv").write_text("1,2")
    (init.parent / "data").mkdir()
    (init.parent / "data" / "more.csv").write_text("3")
    (init.parent / "link.txt").symlink_to(tmp_path / "secret.txt")
    (init.parent / "notes.so").write_text("")
    modules.load("pkg")
    assert modules.texts()["pkg"].files == {"table.csv": b"1,2", "data/more.csv": b"3"}
    (init.parent / "data" / "more.csv").write_text("33")
    assert modules.texts()["pkg"].files["data/more.csv"] == b"33"
    (init.parent / "new.csv").write_text("4")
    assert modules.texts()["pkg"].files.keys() == {"table.csv", "data/more.csv", "new.csv"}


def test_what_cannot_follow_says_why(modules, monkeypatch):
    import dask

    modules.write("big", "x = '" + "y" * 2000 + "'")
    modules.load("big")
    with dask.config.set({"moorage.code.limit": "1kB"}):
        text = modules.texts()["big"]
    assert "2,006 bytes" in text.not_sent
    assert text.source == b""
    assert text.digest


def test_namespace_packages_are_known_as_such(modules):
    modules.write("space.mine", "x = 1")
    modules.load("space.mine")
    texts = modules.texts()
    assert texts.keys() == {"space", "space.mine"}
    assert (texts["space"].path, texts["space"].package) == ("", True)


def test_an_import_that_fails_leaves_nothing(modules):
    modules.write("bad", "1 / 0")
    with pytest.raises(ZeroDivisionError):
        modules.load("bad")
    assert modules.texts() == {}


def test_moorage_itself_never_goes(modules):
    assert MoorageError.__module__ == "moorage.errors"
    assert not [name for name in modules.following.manifest().texts if name.partition(".")[0] == "moorage"]

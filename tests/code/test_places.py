"""Which files are the user's, and which names may be sent."""

import os
import sysconfig

import pytest

from moorage.code.places import Places, may_be_users, why_not_by_file, why_not_by_name


def test_what_is_installed_or_pythons_own_is_not_the_users():
    places = Places()
    assert not places.are_users(os.__file__)
    assert not places.are_users(pytest.__file__)
    assert not places.are_users(os.path.join(sysconfig.get_paths()["purelib"], "x.py"))
    assert not places.are_users("/home/me/project/.venv/lib/python3.11/site-packages/x.py")
    assert not places.are_users("mine.py")
    assert places.are_users("/home/me/project/mine.py")
    assert places.are_users(__file__)


def test_a_folder_is_not_taken_for_one_whose_name_it_begins_with():
    assert Places(["/opt/python"]).are_users("/opt/python-projects/mine.py")
    assert not Places(["/opt/python"]).are_users("/opt/python/mine.py")


@pytest.mark.parametrize("name", ["os", "os.path", "../mine", "a b", "", "a..b", "random"])
def test_names_that_are_refused(name):
    assert why_not_by_name(name)


def test_names_that_are_not():
    assert why_not_by_name("mine") == why_not_by_name("pkg.mine") == ""
    assert may_be_users("mine")
    assert not may_be_users("__main__")
    assert not may_be_users("moorage.kernel")


def test_files_that_are_refused():
    assert why_not_by_file("/x/mine.py", 10, 100) == ""
    assert "compiled" in why_not_by_file("/x/mine.cpython-311-x86_64-linux-gnu.so", 10, 100)
    assert "moorage.code.limit" in why_not_by_file("/x/mine.py", 101, 100)
    assert "source" in why_not_by_file("/x/mine.pyc", 10, 100)

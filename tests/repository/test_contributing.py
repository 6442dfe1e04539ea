"""What CONTRIBUTING.md says of where things are."""

import re
from collections import Counter
from pathlib import Path

from moorage.controller.cluster import ClusterController
from moorage.controller.connected import Connected

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "py_src" / "moorage"
PANEL = ROOT / "labextension" / "src"
CODE = (PACKAGE, PANEL, ROOT / "tests", ROOT / "benchmarks")
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def found(path):
    return any(next(base.rglob(path.rstrip("/")), None) for base in (PACKAGE, PANEL))


def test_every_path_is_there():
    paths = re.findall(r"`((?:[\w.-]+/)+[\w.]*)`", TEXT)
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists() and not found(path)] == []


def test_the_way_of_pin_is_the_one_described():
    way = re.findall(r"^\d\. `\w+\.(\w+)`(?: \(`([\w/.]+)`\))?", TEXT, re.MULTILINE)
    assert len(way) == 6
    file = ""
    for function, named in way:
        file = named or file
        assert re.search(rf"def {function}\(", (PACKAGE / file).read_text(encoding="utf-8")), (function, file)


def test_files_and_folders_stay_small():
    made = (PACKAGE / "labextension", PANEL / "protocol.ts")
    code = [path for base in CODE for path in base.rglob("*.*") if path.suffix in (".py", ".ts", ".tsx")]
    ours = [path for path in code if path.stat().st_size and not any(path.is_relative_to(one) for one in made)]
    assert len(ours) > 700
    assert [path for path in ours if len(path.read_text(encoding="utf-8").splitlines()) > 400] == []
    folders = Counter(path.parent for path in ours)
    assert [folder for folder, count in folders.items() if count > 14] == []


def test_pages_of_the_controller_have_no_state_and_override_nothing():
    pages = [
        page for page in ClusterController.__mro__ if page.__module__.startswith("moorage.") and page is not Connected
    ]
    own = Counter(name for page in [*pages, Connected] for name, what in vars(page).items() if callable(what))
    assert [page for page in pages if "__init__" in vars(page)] == []
    assert [name for name, count in own.items() if count > 1] == []


def test_packages_of_tests_hide_no_module():
    """One in a folder that is none would be imported by its own name: `comm`, which kernels need, was hidden so."""
    tests = Path(__file__).parents[1]
    packages = {path.parent for path in tests.rglob("__init__.py")}
    assert [folder for folder in packages - {tests} if folder.parent not in packages] == []

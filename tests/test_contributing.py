"""What CONTRIBUTING.md says of where things are."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "py_src" / "moorage"
PANEL = ROOT / "labextension" / "src"
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


def test_files_and_rooms_stay_small():
    modules = [path for path in PACKAGE.rglob("*.py") if "labextension" not in path.parts]
    assert len(modules) > 150
    assert [path for path in modules if len(path.read_text(encoding="utf-8").splitlines()) > 400] == []
    rooms = Counter(path.parent for path in modules)
    assert [room for room, count in rooms.items() if count > 14] == []

"""README and docs: every block of Python runs, page by page as a reader would, and what cannot run here is checked.

A page whose blocks start no cluster has one with the workers alice and bob. What a reader need not see stands in a
comment ``<!-- setup ... -->`` and runs as well; ``<!-- not run: why -->`` before a block says why it is only read. The
pages as a site are checked by ``npm run docs``.
"""

import json
import re
import shlex
import tomllib
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import NamedTuple

import pytest
import yaml
from IPython.core.inputtransformer2 import TransformerManager

from moorage.cli.commands import moorage as cli
from moorage.jupyter import magics
from moorage.jupyter.magics.parser import Reader

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    if "_build" not in path.parts
}
READERS = {
    name: reader
    for module in walk_packages(magics.__path__, f"{magics.__name__}.")
    for name, reader in vars(import_module(module.name)).items()
    if isinstance(reader, Reader)
}
SETTINGS = yaml.safe_load((ROOT / "py_src/moorage/moorage.yaml").read_text())


class Block(NamedTuple):
    language: str
    text: str
    runs: bool


def blocks(page):
    """The fenced blocks of a page, and its setup comments, in their order."""
    pattern = r"<!-- setup\n(.*?)-->|(<!-- not run: [^>]+ -->\n)?^```([\w{} -]*)\n(.*?)^```$"
    for match in re.finditer(pattern, PAGES[page], re.DOTALL | re.MULTILINE):
        setup, not_run, language, text = match.groups()
        yield Block("python", setup, True) if setup is not None else Block(language, text, not not_run)


def pages_with(language):
    return [page for page in PAGES if any(block.language == language for block in blocks(page))]


def cells(page):
    return [block.text.strip("\n") for block in blocks(page) if block.language == "python" and block.runs]


@pytest.mark.parametrize("path", [page for page in pages_with("python") if cells(page)])
def test_every_block_runs(path, request, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    starts = any(re.search(r"%cluster (start|attach)", cell) for cell in cells(path))
    shell = request.getfixturevalue("shell" if starts else "notebook")
    # a kernel has it, and Dask asks for it where it starts processes
    monkeypatch.setattr(shell.ip.user_module, "__spec__", None, raising=False)
    for cell in cells(path):
        shell.run(cell)


def test_what_is_not_run_can_be_read():
    unread = [block.text for page in PAGES for block in blocks(page) if not block.runs]
    assert unread
    for text in unread:
        compile(TransformerManager().transform_cell(text), "<page>", "exec")
        for name, line in re.findall(r"^%(\w+) (.*)$", text, re.MULTILINE):
            READERS[name](line)


def has_setting(path, settings):
    name, *rest = path
    return name in settings and (not rest or not isinstance(settings[name], dict) or has_setting(rest, settings[name]))


def is_known(command):
    scripts = json.loads((ROOT / "package.json").read_text())["scripts"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    match shlex.split(command):
        case ["npm", "test"]:
            return True
        case ["npm", "run", script, *_]:
            return script in scripts
        case ["pip", "install", *whats]:
            named = re.fullmatch(r"(?:jupyterlab )?(?:\.|moorage(?:-\*\.whl)?)(?:\[([\w,]+)\])?", " ".join(whats))
            return named is not None and set(filter(None, (named[1] or "").split(","))) <= set(extras)
        case ["python", "-m", "moorage", command, *_]:
            return command in cli.commands
        case ["export", assignment]:
            variable = assignment.partition("=")[0].removeprefix("DASK_").lower()
            return has_setting(variable.replace("__", ".").replace("_", "-").split("."), SETTINGS)
        case [".venv/bin/python" | ".venv/bin/pytest" | "node", path, *_]:
            return (ROOT / path).exists()
        case ["npx", "vitest", "run", "--config", path, *_]:
            return (ROOT / path).exists()
    return False


@pytest.mark.parametrize("path", pages_with("sh"))
def test_every_command_is_one_that_there_is(path):
    lines = [line for block in blocks(path) if block.language == "sh" for line in block.text.splitlines()]
    commands = [line.partition("#")[0].strip() for line in lines]
    assert [command for command in commands if command and not is_known(command)] == []


@pytest.mark.parametrize("path", pages_with("yaml"))
def test_every_setting_is_one_that_there_is(path):
    for block in blocks(path):
        if block.language == "yaml":
            named = yaml.safe_load(block.text)
            if "moorage" not in named:  # of another program
                continue
            assert [
                name for name, value in named["moorage"].items() if not has_setting([name], SETTINGS["moorage"])
            ] == []
    named = re.findall(r"`(moorage(?:\.[a-z-]+)+)`", PAGES[path])
    assert [name for name in named if not has_setting(name.split("."), SETTINGS)] == []


@pytest.mark.parametrize("path", PAGES)
def test_every_link_leads_somewhere(path):
    links = re.findall(r"\]\(([^)#\s:]+)(?:#[\w-]+)?\)", PAGES[path])
    there = [(ROOT / path).parent / link for link in links]
    assert [str(one) for one in there if not one.exists() and not one.with_suffix(".md").exists()] == []


def test_the_readme_stays_short():
    assert len(PAGES["README.md"].splitlines()) <= 120


def test_the_reference_has_every_magic():
    sections = set(re.findall(r"^```\{magic\} (.+)$", PAGES["docs/reference/magics.md"], re.MULTILINE))
    actions = {f"{name} {action}" for name, reader in READERS.items() for action in reader.actions}
    assert set(READERS) <= sections <= set(READERS) | actions
    assert actions - sections <= {"cluster leave", "cluster stop"}  # they take nothing

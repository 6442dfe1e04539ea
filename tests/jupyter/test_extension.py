"""Loading moorage into a shell and taking it away again. No cluster."""

import importlib

import pytest

from moorage.errors import VersionError
from moorage.jupyter.extension import load
from moorage.jupyter.ipython import PARTS

MAGICS = {"cluster", "scatter", "broadcast", "pin", "release", "gather", "placement", "submit"}
CELL_MAGICS = {"scatter", "broadcast", "pin", "submit"}


def magics(shell, kind):
    return set(shell.ip.magics_manager.magics[kind])


def traces(shell):
    """Everything of a shell that an extension could leave behind."""
    ip = shell.ip
    return {
        "line": magics(shell, "line"),
        "cell": magics(shell, "cell"),
        "configurables": [type(one).__name__ for one in ip.configurables],
        "callbacks": {name: len(found) for name, found in ip.events.callbacks.items()},
        "completers": {key: len(list(found)) for key, found in ip.strdispatchers["complete_command"].regexs.items()},
        "transformers": list(ip.input_transformers_post),
        "formatters": {mime: len(one.type_printers) for mime, one in ip.display_formatter.formatters.items()},
    }


def test_loading_registers_the_magics(bare_shell):
    bare_shell.run("%load_ext moorage")
    assert magics(bare_shell, "line") >= MAGICS
    assert magics(bare_shell, "cell") >= CELL_MAGICS


def test_unloading_leaves_no_trace(bare_shell):
    before = traces(bare_shell)
    bare_shell.run("%load_ext moorage")
    assert traces(bare_shell) != before
    bare_shell.run("%unload_ext moorage")
    assert traces(bare_shell) == before


def test_loading_again_changes_nothing(bare_shell):
    bare_shell.run("%load_ext moorage")
    once = traces(bare_shell)
    bare_shell.run("%reload_ext moorage")
    bare_shell.run("import moorage\nmoorage.load_ipython_extension(get_ipython())")
    assert traces(bare_shell) == once


def test_without_a_cluster_each_magic_says_how_to_get_one(shell):
    assert "%cluster start" in shell.run("%cluster")
    error, shown = shell.fail("x = 1\n%broadcast x")
    assert type(error).__name__ == "NoClusterError"
    assert "%cluster start" in shown


def test_every_magic_explains_itself(shell):
    for name in MAGICS:
        assert "usage: %" in shell.run(f"%{name} -h")
        assert "usage: %" in shell.ip.magics_manager.magics["line"][name].__doc__


@pytest.mark.parametrize("part", [part for part in PARTS if not part.live], ids=str)
def test_without_a_function_of_ipythons_nothing_is_put_into_the_shell(part, bare_shell, monkeypatch):
    before = traces(bare_shell)
    module, _, kind = part.owner.partition(":")
    monkeypatch.setattr(getattr(importlib.import_module(module), kind), part.name, lambda self, another: None)
    with pytest.raises(VersionError, match=f"IPython .* {kind}.{part.name} that takes"):
        load(bare_shell.ip)
    assert traces(bare_shell) == before


@pytest.mark.parametrize("name", ["strdispatchers", "user_ns_hidden"])
def test_without_a_part_of_the_shell_nothing_is_put_into_it(name, bare_shell, monkeypatch):
    before = traces(bare_shell)
    monkeypatch.delattr(bare_shell.ip, name)
    with pytest.raises(VersionError, match=f"IPython .* has no InteractiveShell.{name}"):
        load(bare_shell.ip)
    monkeypatch.undo()
    assert traces(bare_shell) == before

"""A real IPython shell in this process, and a real cluster that several tests share."""

import os
import sys

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


class Shell:
    """An IPython shell as a user at its keyboard sees it."""

    def __init__(self, shell, capture):
        self.ip = shell
        self._capture = capture

    @property
    def names(self):
        return self.ip.user_ns

    def run(self, code):
        """Run a cell that must not fail; return what it shows."""
        shown, error = self._run(code)
        assert error is None, f"{code!r} failed:\n{shown}"
        return shown

    def fail(self, code):
        """Run a cell that must fail; return its error and what it shows."""
        shown, error = self._run(code)
        assert error is not None, f"{code!r} did not fail:\n{shown}"
        return error, shown

    def value(self, expression):
        """Run a cell and return what `Out` would hold of it."""
        return self.ip.run_cell(expression, store_history=True).result

    def _run(self, code):
        self._capture.readouterr()
        result = self.ip.run_cell(code, store_history=True)
        return self._capture.readouterr().out, result.error_before_exec or result.error_in_exec

    def complete(self, line):
        with provisionalcompleter():
            return [one.text for one in self.ip.Completer.completions(line, len(line))]


@pytest.fixture(scope="session")
def ipython(tmp_path_factory):
    os.environ["IPYTHONDIR"] = str(tmp_path_factory.mktemp("ipython"))
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.xmode = "Context"
    InteractiveShell.clear_instance()
    main = sys.modules["__main__"]
    shell = InteractiveShell.instance(config=config)
    sys.modules["__main__"] = main
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def bare_shell(ipython, capsys):
    """A shell without moorage."""
    ipython.reset(new_session=False)
    # The shell's namespace is __main__ in a kernel, and only as long as a test of the shell runs: processes that
    # other tests spawn look at __main__, too.
    main, sys.modules["__main__"] = sys.modules["__main__"], ipython.user_module
    yield Shell(ipython, capsys)
    sys.modules["__main__"] = main
    ipython.run_line_magic("unload_ext", "moorage")


@pytest.fixture
def shell(bare_shell):
    """A shell with moorage and no cluster."""
    bare_shell.run("%load_ext moorage")
    return bare_shell


def two_workers(ipython):
    """The controller of a cluster with the workers alice and bob, one thread each."""
    ipython.run_line_magic("load_ext", "moorage")
    ipython.run_line_magic("cluster", "start --names alice,bob --threads 1 --memory 1GB")
    controller = ipython.user_ns["cluster"]
    yield controller
    controller.stop()


running = pytest.fixture(two_workers, scope="module", name="running")


@pytest.fixture
def notebook(running, shell):
    """A shell with moorage and the running cluster, on which nothing is placed."""
    shell.names["cluster"] = running
    yield shell
    running.release(*running)

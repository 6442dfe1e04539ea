"""The doctor on set-ups that are really broken: it names the fault, and with its remedy the fault is gone."""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import dask
import pytest

import moorage
from moorage.cli import frontend, machine, packages, settings, trial
from moorage.cli.finding import Finding
from moorage.deploy.kept import state_folder
from moorage.deploy.state_file import KeptCluster, StateFile

PACKAGE = Path(moorage.__file__).parent
NOBODY = 65534
ELSEWHERE = """
import json, sys
from importlib import import_module
module, name = sys.argv[1].split(".")
print(json.dumps(list(getattr(import_module(f"moorage.cli.{module}"), name)())))
"""

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to another user")


class Report:
    """What checks have found."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = list(findings)

    def has(self, level: str, *words: str) -> bool:
        return any(one.level == level and all(word in one.what for word in words) for one in self.findings)

    def remedy(self, level: str, *words: str) -> str:
        """Return the remedy of the finding that has all these words."""
        found = [one for one in self.findings if one.level == level and all(word in one.what for word in words)]
        assert len(found) == 1, self.findings
        assert found[0].remedy, found[0]
        return found[0].remedy


def elsewhere(check: str, *wrap: str, python: str = sys.executable, limit: int | None = None, **more: str) -> Report:
    """Return what a check finds in a process of its own."""

    def with_limit() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    command = [*wrap, python, "-c", ELSEWHERE, check]
    done = subprocess.run(
        command, env={**os.environ, **more}, capture_output=True, text=True, timeout=100, preexec_fn=with_limit
    )
    assert done.returncode == 0, done.stderr
    return Report(Finding(*one) for one in json.loads(done.stdout))


def test_nothing_is_wrong_and_a_small_cluster_works():
    command = [sys.executable, "-m", "moorage", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout
    assert "a small cluster started, held a value and ended" in done.stdout
    assert "FAULT" not in done.stdout


def test_what_is_wrong_is_printed_with_what_helps_and_is_the_exit_code():
    command = [sys.executable, "-m", "moorage", "doctor", "--no-start"]
    environment = {**os.environ, "DASK_MOORAGE__WAIT_TIMEOUT": "soon"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)
    assert done.returncode == 1
    assert (
        "FAULT    moorage.wait-timeout is 'soon', which is not a time such as 30s.\n         The default" in done.stdout
    )
    assert done.stdout.splitlines()[-1].startswith("1 fault")


# -- the panel, and kernels


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of an environment with all packages, but without what lies in share/ and etc/ of this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "all.pth").write_text(
        "\n".join(path for path in sys.path if Path(path).name in ("site-packages", "py_src"))
    )
    return str(folder / "bin" / "python")


def install_panel(python: str) -> None:
    """Do what pip does with the panel in a wheel."""
    folder = Path(python).parents[1] / "share" / "jupyter" / "labextensions"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "moorage").exists():
        (folder / "moorage").symlink_to(PACKAGE / "labextension")


def test_a_panel_that_is_not_installed(python: str):
    assert "pip install" in elsewhere("frontend.panel", python=python).remedy("fault", "panel is not installed")
    install_panel(python)
    assert elsewhere("frontend.panel", python=python).has("ok", "the panel")


@pytest.mark.timeout(600)
def test_a_panel_that_is_disabled(python: str):
    install_panel(python)
    subprocess.run([python, "-m", "jupyterlab.labextensions", "disable", "moorage"], check=True, timeout=100)
    remedy = elsewhere("frontend.panel", python=python).remedy("fault", "panel is disabled")
    command = shlex.split(remedy.replace("jupyter labextension", f"{python} -m jupyterlab.labextensions"))
    subprocess.run(command, check=True, timeout=100)
    assert elsewhere("frontend.panel", python=python).has("ok", "the panel")


@pytest.mark.parametrize("what", ["version", "entry"])
def test_a_panel_of_another_version_or_in_pieces(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "labextensions" / "moorage"
    folder.mkdir(parents=True)
    about = json.loads((PACKAGE / "labextension" / "package.json").read_text())
    if what == "version":
        about["version"] = "0.0.1"
    (folder / "package.json").write_text(json.dumps(about))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    words = ["0.0.1", moorage.__version__] if what == "version" else ["incomplete", "remoteEntry"]
    assert "pip install" in Report(frontend.panel()).remedy("fault", str(folder), *words)
    (folder / "package.json").unlink()
    assert Report(frontend.panel()).has("ok", "the panel")


def test_a_kernel_without_moorage_and_one_whose_python_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True, timeout=60)
    for name, python in (("bare", f"{bare}/bin/python"), ("gone", "/no/such/python")):
        (tmp_path / "kernels" / name).mkdir(parents=True)
        spec = {"argv": [python, "-m", "ipykernel_launcher"], "language": "python"}
        (tmp_path / "kernels" / name / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    report = Report(frontend.kernels())
    assert f"{bare}/bin/python -m pip install moorage" in report.remedy("warning", "'bare'", "has no moorage")
    assert "jupyter kernelspec remove gone" in report.remedy("warning", "'gone'", "/no/such/python")


# -- packages and settings


def test_old_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, version in (("distributed", "2024.1.0"), ("ipykernel", "6.29.0")):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(tmp_path)
    report = Report(packages.packages())
    assert "pip install --upgrade 'distributed>=2026.8'" in report.remedy("fault", "distributed is 2024.1.0")
    assert "pip install --upgrade 'ipykernel>=7" in report.remedy("warning", "ipykernel is 6.29.0")
    assert "pip install" in report.remedy("fault", "they belong together")


def test_settings_that_are_none():
    wrong = {"wait-timeout": "soon", "answer-timout": "3s", "read-only": "no", "images": {"pool": "much"}}
    with dask.config.set({"moorage": wrong}):
        report = Report(settings.settings())
    assert "30s" in report.remedy("fault", "moorage.wait-timeout", "'soon'", "a time")
    assert "1 GiB" in report.remedy("fault", "moorage.images.pool", "'much'", "a size")
    assert "moorage.answer-timeout?" in report.remedy("warning", "moorage.answer-timout")
    assert report.has("fault", "moorage.read-only", "true or false")
    assert Report(settings.settings()).has("ok", "the settings")


# -- limits, folders, files


def test_few_open_files():
    report = elsewhere("machine.open_files", limit=300)
    assert "ulimit -Hn" in report.remedy("fault", "300 open files", "2 workers")
    assert elsewhere("machine.open_files", limit=4096).has("ok", "open files: 4096")


def test_a_home_and_a_runtime_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "runtime"))
    report = Report(machine.folders())
    assert "HOME" in report.remedy("fault", "your home", "cannot be written")
    assert "JUPYTER_RUNTIME_DIR" in report.remedy("fault", "kept clusters", "cannot be written")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert {one.level for one in machine.folders()} == {"ok"}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    folder = state_folder()
    folder.mkdir(mode=0o700)
    return folder


def test_a_state_file_of_a_cluster_that_is_gone(state: Path):
    path = state / "old.json"
    path.touch(0o600)
    assert not list(machine.state_files())
    assert not path.exists()


def test_a_kept_cluster_is_running_or_parked(state: Path):
    facts = {"kind": "local", "address": "tls://127.0.0.1:1", "dashboard_link": "", "host": "here", "tls": {}}
    files = [StateFile(state, KeptCluster(name, pid=1, parked=name == "b", **facts)) for name in ("a", "b")]
    for file in files:
        file.write()
    told = [(one.level, one.what) for one in machine.state_files()]
    for file in files:
        file.remove()
    assert told == [("ok", "the kept cluster a is running"), ("ok", "the kept cluster b is parked")]


@as_root
def test_state_files_of_others(state: Path):
    path = state / "theirs.json"
    path.touch(0o600)
    os.chown(path, NOBODY, NOBODY)
    remedy = Report(machine.state_files()).remedy("fault", str(path), f"uid {NOBODY}")
    subprocess.run(shlex.split(remedy.removeprefix("Remove it: ")), check=True, timeout=60)
    assert not list(machine.state_files())
    os.chown(state, NOBODY, NOBODY)
    remedy = Report(machine.state_files()).remedy("fault", str(state), f"uid {NOBODY}")
    assert f"chown {os.getuid()} {state}" in remedy
    os.chown(state, os.getuid(), -1)
    assert not list(machine.state_files())


@as_root
def test_a_scratch_folder_of_somebody_else(tmp_path: Path):
    base = tmp_path / f"moorage-{os.getuid()}"
    base.mkdir()
    os.chown(base, NOBODY, NOBODY)
    with dask.config.set({"temporary-directory": str(tmp_path)}):
        remedy = Report(machine.folders()).remedy("fault", str(base), "does not belong to you")
    assert "temporary-directory" in remedy
    with dask.config.set({"temporary-directory": str(tmp_path / "own")}):
        assert Report(machine.folders()).has("ok", "scratch")


# -- memory, processes and network of a container


@cache
def can_unshare(*options: str) -> bool:
    return os.getuid() == 0 and subprocess.run(["unshare", *options, "true"], capture_output=True).returncode == 0


def contained(check: str, options: list[str], breaks: str, cures: str) -> Callable[[bool], Report]:
    """Return what a check finds in a container in which something is broken, and after the cure."""
    if not can_unshare(*options):
        pytest.skip("this user may not make namespaces")

    def found(cured: bool) -> Report:
        script = "\n".join(["set -e", breaks, cures if cured else "", 'exec "$@"'])
        return elsewhere(check, "unshare", *options, "sh", "-c", script, "sh")

    return found


def test_a_small_shared_memory_filesystem():
    cure = "mount -o remount,size=8G /dev/shm"
    found = contained("memory.shared", ["--mount"], "mount -t tmpfs -o size=512k tmpfs /dev/shm", cure)
    assert cure in found(False).remedy("warning", "/dev/shm", "No space left")
    assert found(True).has("ok", "/dev/shm")


def test_a_shared_memory_filesystem_that_is_read_only():
    cure = "mount -t tmpfs -o mode=1777 tmpfs /dev/shm"
    found = contained("memory.shared", ["--mount"], "mount -t tmpfs -o ro tmpfs /dev/shm", cure)
    assert cure in found(False).remedy("warning", "/dev/shm", "not writable")
    assert found(True).has("ok", "/dev/shm")


def test_neither_way_to_share_memory():
    breaks = "mount -t tmpfs -o size=64k tmpfs /dev/shm"
    found = contained("memory.shared", ["--mount", "--pid", "--fork"], breaks, "mount -t proc proc /proc")
    assert "Mount /proc" in found(False).remedy("fault", "cannot share memory")
    assert found(True).has("ok", "memfd")


def test_a_loopback_interface_that_is_down():
    found = contained("machine.loopback", ["--net"], "", "ip link set lo up")
    assert "ip link set lo up" in found(False).remedy("fault", "127.0.0.1")
    if Path("/usr/sbin/ip").exists():
        assert found(True).has("ok", "127.0.0.1")


# -- a cluster


def test_a_cluster_that_is_there_and_one_that_is_not(cluster: moorage.ClusterController):
    cluster.keep()
    try:
        assert Report(trial.cluster(cluster.name)).has("ok", "versions of its 2 workers")
    finally:
        cluster.keep(False)
    with (
        dask.config.set({"moorage.connect-timeout": "1s"}),
        pytest.raises(moorage.MoorageError, match="No scheduler answers"),
    ):
        list(trial.cluster("tcp://127.0.0.1:9"))

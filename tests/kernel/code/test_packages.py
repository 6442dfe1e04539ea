"""Packages on workers that have an environment of their own, which this test makes, beside that of the notebook."""

import base64
import hashlib
import importlib
import os
import re
import site
import subprocess
import sys
import zipfile

import cloudpickle
import pytest
from distributed import Client, LocalCluster

import moorage
from moorage.errors import CodeError, InputError
from moorage.kernel.code.packages import PackageState, as_requirements, used_here

NAME = "moorage_test_package"

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers have neither the tests nor moorage


def wheel(folder, version):
    """Write a wheel of the package: what `version()` returns."""
    info = f"{NAME}-{version}.dist-info"
    files = {
        f"{NAME}.py": f"def version(): return {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
        f"{len(text)}\n"
        for name, text in files.items()
    )
    with zipfile.ZipFile(folder / f"{NAME}-{version}-py3-none-any.whl", "w") as file:
        for name, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            file.writestr(name, text)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment for workers: packages of its own, and behind them those of this process."""
    folder = tmp_path_factory.mktemp("workers")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = folder / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    (packages / "behind.pth").write_text("\n".join(site.getsitepackages()))
    return folder


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0"):
        wheel(folder, version)
    return folder


@pytest.fixture(scope="module")
def pip_settings(wheels):
    """pip of the workers finds packages in a folder, as their operator has set it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        yield


@pytest.fixture(scope="module")
def here(tmp_path_factory, wheels):
    """The notebook installs version 2.0 after it has asked what there is, in a folder on its path."""
    folder = tmp_path_factory.mktemp("here") / "site-packages"  # else it is code of the user, which follows by itself
    used_here({}, [])
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", wheels, "--target", folder]
    subprocess.run([*command, f"{NAME}==2.0"], check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield


@pytest.fixture(scope="module")
def workers(environment, pip_settings):
    """An address of a scheduler, with two workers in that environment."""
    with LocalCluster(n_workers=0, dashboard_address=None, host="127.0.0.1") as cluster, Client(cluster) as client:
        command = [environment / "bin/python", "-m", "distributed.cli.dask_worker", cluster.scheduler_address]
        started = [
            subprocess.Popen([*command, "--name", name, "--nthreads", "1", "--no-dashboard", "--memory-limit", "0"])
            for name in ("alice", "bob")
        ]
        client.wait_for_workers(2, timeout=60)
        yield cluster.scheduler_address
        for process in started:
            process.terminate()
            process.wait()


@pytest.fixture
def cluster(workers, here):
    with moorage.attach(workers) as controller:
        yield controller


def version_there():
    return importlib.reload(importlib.import_module(NAME)).version()


def test_what_is_missing_or_differs_is_shown_and_installed(cluster, monkeypatch, environment):
    monkeypatch.setattr(sys.modules["__main__"], "theirs", __import__(NAME), raising=False)
    state = cluster.sync()
    assert state.packages[NAME] == PackageState("2.0", {"alice": None, "bob": None})
    assert f"{NAME} 2.0: missing on alice bob" in repr(state)
    assert re.search(r"the same on all workers: .*\bcloudpickle", repr(state))

    state = cluster.sync(install=[f"{NAME}==1.0"])
    assert f"alice, bob: pip install {NAME}==1.0" in state.output  # once: they share the environment
    assert f"{NAME} 2.0: older on alice bob (1.0)" in repr(state)
    assert set(cluster.client.run(version_there).values()) == {"1.0"}

    state = cluster.sync(install=[])
    assert f"Successfully installed {NAME}-2.0" in state.output.replace("moorage-test-package", NAME)
    assert state.packages[NAME].workers == {"alice": "2.0", "bob": "2.0"}
    assert set(cluster.client.run(version_there).values()) == {"2.0"}
    assert cluster.sync(install=[]).output == ""


def test_what_pip_cannot_do_is_told_with_its_output(cluster):
    with pytest.raises(CodeError, match=r"No matching distribution(.|\n)*where these workers run: alice, bob"):
        cluster.sync(install=[f"{NAME}==3.0"])


def test_what_conda_has_installed_is_left_to_conda(cluster, environment):
    cluster.sync(install=[NAME])
    (installer,) = environment.rglob(f"{NAME}-2.0.dist-info/INSTALLER")
    before = installer.read_text()
    installer.write_text("conda\n")
    try:
        with pytest.raises(InputError, match="conda"):
            cluster.sync(install=[f"{NAME}==1.0"])
    finally:
        installer.write_text(before)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("-r requirements.txt", "files of requirements"),
        ("--index-url=x", "options of pip"),
        ("./folder", "folders"),
        ("python", "Python"),
        ("nothing_of_the_kind", "nothing_of_the_kind==VERSION"),
        ("moorage", "folder or an address"),
    ],
)
def test_what_is_out_of_reach_is_refused(asked, why):
    with pytest.raises(InputError, match=why):
        as_requirements([asked])


def test_the_notebooks_own_environment_is_not_touched():
    with (
        moorage.start(names=["alice"], threads_per_worker=1) as controller,
        pytest.raises(InputError, match="alice use the notebook's own environment"),
    ):
        controller.sync(install=["nothing_of_the_kind==1.0"])


def test_workers_and_newcomers_work_in_a_folder(cluster, tmp_path):
    cluster.sync(folder=str(tmp_path))
    assert set(cluster.client.run(os.getcwd).values()) == {str(tmp_path)}
    with pytest.raises(InputError, match="There is no folder /nowhere where alice, bob run"):
        cluster.sync(folder="/nowhere")
    with pytest.raises(InputError, match="absolute"):
        cluster.sync(folder="nowhere")

"""The sdist and the wheel: built from what is in the repository, installed where neither node nor this clone is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import moorage

ROOT = Path(__file__).parents[2]
BUILT = ("py_src/moorage/labextension", "py_src/moorage/jupyter/static")
LARGEST = 3 << 20  # bytes of a wheel


def run(*command: object, cwd: Path | None = None, **environment: str) -> str:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env={**variables, **environment}, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what git knows, with the panel as it is built here."""
    clone, target = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("dist")
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    for name in run("git", "ls-files", "-z", cwd=ROOT).split("\0"):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    for name in BUILT:
        shutil.copytree(ROOT / name, clone / name, dirs_exist_ok=True)
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", target, cwd=clone)
    return next(target.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, without any program at hand, node least of all."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = next(folder.iterdir())
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", cwd=source, PATH=str(folder / "nothing"))
    return next((source / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has all that moorage needs, and not moorage."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    packages = [path for path in sys.path if Path(path).name == "site-packages"]
    (site(folder) / "packages.pth").write_text("\n".join(packages))
    return folder


def site(environment: Path) -> Path:
    return next(environment.glob("lib/python*/site-packages"))


def files_in(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() or path.is_symlink()}


def test_the_sdist_has_what_a_packager_needs_and_nothing_that_is_made(sdist: Path):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "package.json", "tests/conftest.py"} <= names
    assert "py_src/moorage/labextension/static/style.js" in names
    assert not [
        name for name in names if name.startswith((".venv", "node_modules", "docs/_build")) or "/__pycache__" in name
    ]


def test_the_wheel_has_the_package_and_the_panel_only(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"moorage", *(f"moorage-{moorage.__version__}.{kind}" for kind in ("dist-info", "data"))}
    for needed in ("moorage.yaml", "moorage-schema.yaml", "py.typed", "jupyter/static/board.js", "cli/commands.py"):
        assert f"moorage/{needed}" in names
    assert not [name for name in names if name.startswith("moorage/labextension")]  # it is where JupyterLab looks
    assert wheel.stat().st_size < LARGEST


@pytest.mark.timeout(600)
def test_it_installs_works_and_leaves_nothing_behind(wheel: Path, environment: Path):
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    before = files_in(environment)
    run(*pip, "install", "--no-deps", "--no-index", wheel)
    where = run(python, "-c", "import moorage; print(moorage.__file__)").strip()
    assert Path(where).is_relative_to(environment)
    listed = run(python, "-m", "jupyterlab.labextensions", "list")
    assert f"moorage v{moorage.__version__}" in listed
    assert "enabled" in next(line for line in listed.splitlines() if "moorage" in line)
    runtime = {"JUPYTER_RUNTIME_DIR": str(environment / "runtime")}
    assert "a small cluster started" in run(python, "-m", "moorage", "doctor", **runtime)
    assert "No cluster is kept" in run(python, "-m", "dask", "moorage", "list", **runtime)
    run(*pip, "uninstall", "--yes", "moorage")
    shutil.rmtree(environment / "runtime", ignore_errors=True)
    assert files_in(environment) == before

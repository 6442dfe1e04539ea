"""What `import moorage` gives and what it costs. The behaviour behind the names is tested where it lives."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import moorage

ROOT = Path(__file__).parents[2]
NAMES = ["ClusterController", "MoorageError", "__version__", "attach", "board", "install", "start"]


def modules_loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after running the code."""
    show = "\nimport sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + show], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


def test_import_is_light():
    loaded = modules_loaded_by("import moorage")
    assert "moorage" in loaded
    assert not loaded & {"distributed", "dask", "IPython", "ipywidgets", "traitlets", "tornado", "numpy"}


def test_errors_can_be_caught_without_loading_dask():
    loaded = modules_loaded_by("from moorage import MoorageError")
    assert not loaded & {"distributed", "dask", "IPython"}


def test_nothing_loads_what_only_some_notebooks_need():
    """It takes longer to import than a cluster takes to start."""
    loaded = modules_loaded_by(
        "import pkgutil, importlib, moorage\n"
        "for module in pkgutil.walk_packages(moorage.__path__, 'moorage.'):\n"
        "    if not module.name.endswith(('__main__', 'frames.kept')):\n"
        "        importlib.import_module(module.name)"
    )
    assert {"distributed", "IPython", "numpy"} <= loaded
    assert not loaded & {"bokeh", "matplotlib", "pandas", "pyarrow", "scipy", "xarray"}


def test_public_names_are_these():
    assert sorted(moorage.__all__) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_is_there(name):
    assert getattr(moorage, name) is not None
    assert name in dir(moorage)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'strat'"):
        _ = moorage.strat


def test_package_and_panel_have_one_version():
    package = json.loads((ROOT / "package.json").read_text())
    assert moorage.__version__ == package["version"] == metadata.version("moorage")

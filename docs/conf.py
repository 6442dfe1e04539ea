"""How Sphinx builds these pages: ``npm run docs``. Warnings are errors there.

Not covered: what the generated pages say (``_ext/magic_reference.py``, and the docstrings).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from IPython.lib.lexers import IPython3Lexer

import moorage

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# The notebooks as they are stored, outputs included; `npm run notebooks` runs them and stores what they show.
shutil.rmtree(HERE / "notebooks", ignore_errors=True)
shutil.copytree(HERE.parent / "notebooks", HERE / "notebooks", ignore=shutil.ignore_patterns("*.py", ".*"))

project = "moorage"
author = copyright = "moorage contributors"
release = version = moorage.__version__

extensions = [
    "magic_reference",
    "myst_nb",
    "numpydoc",
    "settings_reference",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "jupyter_execute"]
nitpicky = False  # the types of Dask, NumPy and IPython would need the network

html_theme = "pydata_sphinx_theme"
html_title = "moorage"
html_logo = "../labextension/style/icons/anchor.svg"
html_show_sourcelink = False
html_sidebars = {"tutorial": [], "performance": [], "troubleshooting": []}
html_theme_options = {"logo": {"text": "moorage"}, "show_toc_level": 2}

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
nb_execution_mode = "off"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections have them
numpydoc_show_class_members = False

copybutton_prompt_text = "$ "


def setup(app: Any) -> None:
    """Let blocks of Python have magics."""
    app.add_lexer("python", IPython3Lexer)

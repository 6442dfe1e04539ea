"""How Sphinx builds these pages: ``npm run docs``. Warnings are errors there.

Not covered: what the generated pages say (``_ext/magic_reference.py``, and the docstrings).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from IPython.lib.lexers import IPython3Lexer

import moorage

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "moorage"
author = copyright = "moorage contributors"
release = version = moorage.__version__

extensions = [
    "magic_reference",
    "myst_parser",
    "numpydoc",
    "settings_reference",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
nitpicky = False  # the types of Dask, NumPy and IPython would need the network

html_theme = "pydata_sphinx_theme"
html_title = "moorage"
html_logo = "../labextension/style/icons/anchor.svg"
html_show_sourcelink = False
html_sidebars = {"tutorial": [], "performance": [], "troubleshooting": []}
html_theme_options = {"logo": {"text": "moorage"}, "show_toc_level": 2}

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections have them
numpydoc_show_class_members = False

copybutton_prompt_text = "$ "


def setup(app: Any) -> None:
    """Let blocks of Python have magics."""
    app.add_lexer("python", IPython3Lexer)

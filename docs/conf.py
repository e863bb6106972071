"""The manual's settings. `make docs` builds it into docs/_build/html."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the charlm of this folder, whatever else is installed
os.environ["COLUMNS"] = "100"

from charlm import __version__  # noqa: E402

project = "charlm"
author = "the charlm authors"
copyright = f"2026, {author}"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
exclude_patterns = ["_build"]
root_doc = "index"

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types in signatures: the manual has no pages for NumPy's or for inner ones

html_theme = "furo"
html_title = f"charlm {release}"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "tango"
pygments_dark_style = "monokai"

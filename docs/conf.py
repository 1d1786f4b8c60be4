"""Sphinx configuration; build with `make docs`."""

import tomllib
from pathlib import Path

project = "mdfit"
author = "The mdfit authors"
release = tomllib.loads(Path(__file__).parent.with_name("pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
nitpicky = False

html_theme = "furo"
html_title = "mdfit"
exclude_patterns = ["_build"]

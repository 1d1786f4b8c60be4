"""Sphinx configuration; build with `make docs`."""

from importlib import metadata

project = "mdfit"
author = "The mdfit authors"
version = release = metadata.version("mdfit")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
nitpicky = False

html_theme = "furo"
html_title = "mdfit"
exclude_patterns = ["_build"]

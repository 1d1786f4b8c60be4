"""Sphinx configuration; build with `make docs`."""

from importlib import metadata

# Autodoc imports modules as type checkers see them, which the classes of pydantic do not bear.
import mdfit.recipes
import mdfit.report  # noqa: F401

project = "mdfit"
author = "The mdfit authors"
version = release = metadata.version("mdfit")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
napoleon_use_ivar = True
nitpicky = False

html_theme = "furo"
html_title = "mdfit"
exclude_patterns = ["_build"]

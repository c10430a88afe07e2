"""Sphinx configuration: builds and reads offline (formulas are MathML, not a script from a server)."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "esn_interp"
author = "esn_interp authors"
project_copyright = "2026, esn_interp authors"
version = release = installed_version("esn-interp")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
extensions += ["accessible", "docstrings", "figures", "from_code", "mathml", "measured", "planted_scales"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence", "linkify", "attrs_inline"]
myst_heading_anchors = 3
myst_linkify_fuzzy_links = False
html_math_renderer = "mathml"

# Docstrings put code between single backticks, and names of ours among it become links.
default_role = "py:obj"
suppress_warnings = ["ref.python"]
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

# Quotes may be curled, but --out must not become a dash.
smartquotes_action = "qe"
exclude_patterns = ["_build", "_ext", "results"]
templates_path: list[str] = []
html_theme = "furo"
html_title = "esn_interp"
html_static_path = ["_static"]
html_css_files = ["esn.css"]
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
html_copy_source = False
html_show_sphinx = False

"""How the documentation is built; `make docs` treats every warning as an error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from organelle import __version__

project = "organelle"
author = "the organelle developers"
copyright = author
release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "myst_parser",
    "google_docstrings",
    "public_names",
    "command_reference",
    "settings_reference",
]
exclude_patterns = ["_build", "pictures"]

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

# Docstrings put code between single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90

html_theme = "furo"
html_title = f"organelle {release}"
html_show_copyright = False
html_copy_source = False
html_static_path: list[str] = []

"""How Sphinx builds the site: ``tox -e docs``, or ``sphinx-build -W --keep-going -n docs .docs``."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the reference is that of this tree, also where another release is installed

import rangeware  # noqa: E402 - only now is it found here

project = "rangeware"
author = "The rangeware developers"
project_copyright = author
version = release = rangeware.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["configs"]
source_suffix = {".md": "markdown"}
nitpicky = True

nitpick_ignore_regex = [
    # nothing is fetched to link the standard library and urllib3
    (r"py:.*", r"(asyncio|collections|datetime|enum|os|pathlib|ssl|typing|urllib3)\..*"),
    # types that are not public: the text of the parameter says what it takes
    (r"py:class", r"(.*\.)?(AnyFolder|App|FrontServer|Pieces|Storage|WSGIApplication)"),
    (r"py:exc", r"ClientError"),  # boto3's
]

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
maximum_signature_line_length = 88
python_use_unqualified_type_names = True

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"rangeware {release}"
html_theme_options = {
    "source_repository": "https://github.com/rangeware/rangeware/",
    "source_branch": "main",
    "source_directory": "docs/",
}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False

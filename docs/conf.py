"""How the documentation is built: Markdown pages, a reference from the docstrings, no network."""

from __future__ import annotations

import inspect
from importlib.metadata import version as installed_version
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from symfuse.runtime import options

project = "symfuse"
version = release = installed_version("symfuse")
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["build"]

html_theme = "furo"
html_title = f"symfuse {version}"
html_copy_source = False
html_show_sphinx = False

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
add_module_names = False


class OptionsTable(SphinxDirective):
    """The table of SYMFUSE_* variables, written from the rows that the program reads."""

    def run(self) -> list[nodes.Node]:
        lines = ["| Variable | Values | Default | What it does |", "|---|---|---|---|"]
        for row in options.OPTIONS.values():
            also = f" (or `{row.also}`)" if row.also else ""
            lines.append(
                f"| `{row.variable}`{also} | {row.allowed} | {_default(row)} | {row.doc} |"
            )
        return self.parse_text_to_nodes("\n".join(lines))


def _default(row: options.Option) -> str:
    if row.default is None or row.default == ():
        return "not set"
    return f"`{int(row.default) if row.kind == 'flag' else row.default}`"


def _skip_modules(app: Sphinx, what: str, name: str, value: Any, skip: bool, _: Any) -> bool | None:
    """Public modules have a section of their own."""
    return True if inspect.ismodule(value) else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("options-table", OptionsTable)
    app.connect("autodoc-skip-member", _skip_modules)
    return {"parallel_read_safe": True}

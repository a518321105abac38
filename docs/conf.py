"""How the documentation is built: Markdown, and a reference from what the program reads itself."""

from __future__ import annotations

import argparse
import inspect
import re
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import sympy
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import symfuse.numpy as snp
from symfuse import Graph
from symfuse.cli.commands import parser
from symfuse.compiler import ops
from symfuse.compiler.ir.op import Op, operations
from symfuse.compiler.ops.derive import formula
from symfuse.runtime import options

assert ops  # loading it completes the table of operations

project = "symfuse"
version = release = installed_version("symfuse")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
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


class OperationsTable(SphinxDirective):
    """The operations of one kind, written from their records."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        wanted = self.arguments[0]
        lines = ["| Operation | What it is | Derivative | Element types |", "|---|---|---|---|"]
        lines += [_operation(op) for op in operations.values() if _kind(op) == wanted]
        return self.parse_text_to_nodes("\n".join(lines))


def _kind(op: Op) -> str:
    if op.regional is not None:
        return "control"
    if op.library is not None:
        return "library"
    if op.body is not None:
        return "elementwise" if op.formula else "bitwise"
    if op.moves is not None or op.name in ("pad", "concatenate", "iota", "overlap_add"):
        return "movement"
    if op.reduction is not None:
        return "scan" if op.reduction.is_scan else "reduction"
    return "contraction" if op.contraction else "indexing" if _moves(op) else "leaf"


def _moves(op: Op) -> bool:
    return op.element is not None or op.scatter or op.sorts


def _operation(op: Op) -> str:
    doc = op.doc.replace("|x|", "abs x")
    written = f"{doc}<br>${_latex(op)}$" if op.formula else doc
    derivative = f"none: {op.not_differentiable}" if op.not_differentiable else "yes"
    return f"| `{op.name}` | {written} | {derivative} | {_dtypes(op)} |"


def _latex(op: Op) -> str:
    """The formula without vertical bars, which end a cell of a table."""
    text = str(sympy.latex(formula(op)))
    text = text.replace(r"\left|", r"\left\vert ").replace(r"\right|", r"\right\vert ")
    return text.replace("|", r"\vert ")


def _dtypes(op: Op) -> str:
    """The element types that the contract tests run the operation on."""
    whole = {d for d in op.dtypes if d.is_integer}
    names = [str(d) for d in op.dtypes if d not in whole or len(whole) < 8]
    return ", ".join([*names, "integers"] if len(whole) == 8 else names)


class FunctionsTable(SphinxDirective):
    """The functions of `symfuse.numpy`, written from the modules that define them."""

    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        for topic, names in snp.topics():
            lines += ["", f"**{_sentence(topic)}**", "", *_HEADING]
            lines += [_function(name, getattr(snp, name)) for name in names]
        for title, part in (("Linear algebra", "linalg"), ("Fourier transforms", "fft")):
            space = getattr(snp, part)
            lines += ["", f"**{title}**: `symfuse.numpy.{part}`", "", *_HEADING]
            lines += [_function(name, getattr(space, name)) for name in sorted(space.__all__)]
        return self.parse_text_to_nodes("\n".join(lines))


_HEADING = ("| Function | Arrays | Tracers | What it gives |", "|---|---|---|---|")


def _sentence(topic: Any) -> str:
    return inspect.getdoc(topic).split("\n")[0].split(":")[0].rstrip(".")  # type: ignore[union-attr]


def _function(name: str, function: Any) -> str:
    text = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
    traced = "yes"
    sizes = {"size", "length"} & set(inspect.signature(function).parameters)
    if traced == "yes" and sizes and name != "size":
        traced = f"with `{sizes.pop()}=`"
    return f"| `{name}` | yes | {traced} | {text.replace('|', chr(92) + '|')} |"


class CommandLine(SphinxDirective):
    """The help of the program and of each of its commands."""

    def run(self) -> list[nodes.Node]:
        whole = parser()
        whole.formatter_class = _Wide
        found = [self._help(whole)]
        for action in whole._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, command in action.choices.items():
                    command.formatter_class = _Wide
                    found += [self._title(name), self._help(command)]
        return found

    def _title(self, name: str) -> nodes.Node:
        return nodes.rubric(name, f"symfuse {name}")

    def _help(self, command: argparse.ArgumentParser) -> nodes.Node:
        text = command.format_help()
        return nodes.literal_block(text, text, language="text")


class _Wide(argparse.RawDescriptionHelpFormatter):
    """Help of one width, whatever the terminal of who builds the pages."""

    def __init__(self, prog: str, **_: Any) -> None:
        super().__init__(prog, width=88)


class Drawing(SphinxDirective):
    """The drawing of the graph that the Python code of the block calls `picture`."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        names: dict[str, Any] = {}
        exec("\n".join(self.content), names)
        return [nodes.raw("", f"<figure>{names['picture'].to_svg()}</figure>", format="html")]


class StoredGraph(SphinxDirective):
    """The drawing of a graph that lies in a text file, folded away until it is asked for."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        text = (Path(self.env.srcdir) / self.arguments[0]).read_text("utf-8")
        svg = f"<figure>{Graph.parse(text).to_svg()}</figure>"
        folded = f"<details><summary>The graph of its function</summary>{svg}</details>"
        return [nodes.raw("", folded, format="html")]


def _skip_modules(app: Sphinx, what: str, name: str, value: Any, skip: bool, _: Any) -> bool | None:
    """Public modules have a section of their own."""
    return True if inspect.ismodule(value) else None


def _as_markup(
    app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Docstrings use backticks as Markdown does, and bars as mathematics does."""
    for at, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[at] = re.sub(r"(`[^`]+`)(?=\w)", r"\1\\ ", line).replace("|", r"\|")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("options-table", OptionsTable)
    app.add_directive("operations-table", OperationsTable)
    app.add_directive("functions-table", FunctionsTable)
    app.add_directive("command-line", CommandLine)
    app.add_directive("drawing", Drawing)
    app.add_directive("graph", StoredGraph)
    app.connect("autodoc-skip-member", _skip_modules)
    app.connect("autodoc-process-docstring", _as_markup)
    return {"parallel_read_safe": True}

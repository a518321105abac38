"""Graphs in the languages of other drawing tools."""

from __future__ import annotations

from symfuse.compiler.ir.export import to_dot, to_mermaid

__all__ = ["to_dot", "to_mermaid"]
